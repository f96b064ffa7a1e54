"""The policy bundle: the Rego files of a folder, and a revision that names their content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bundle:
    """modules: file name → Rego source, tests left out. revision: 12 hexadecimal digits."""

    modules: tuple[tuple[str, str], ...]
    revision: str


def load(folder: Path, *, with_tests: bool = False) -> Bundle:
    """Read `folder`; raises ValueError where there is no policy: none means deny, never allow."""
    files = {path.name: path.read_text() for path in folder.glob("*.rego")}
    if not any(not is_test(name) for name in files):
        raise ValueError(f"no policy in {folder}")
    return of_modules(files, with_tests=with_tests)


def of_modules(files: Mapping[str, str], *, with_tests: bool = False) -> Bundle:
    """The bundle of these files, by name."""
    modules = tuple(
        (name, files[name]) for name in sorted(files) if with_tests or not is_test(name)
    )
    text = "\0".join(part for module in modules for part in module)
    return Bundle(modules, hashlib.sha256(text.encode()).hexdigest()[:12])


def is_test(name: str) -> bool:
    """Whether a file of this name holds tests, which are no part of what decides."""
    return name.endswith("_test.rego")
