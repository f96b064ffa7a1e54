"""The policy bundle: the Rego files of a folder, and a revision that names their content."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PACKAGE = re.compile(r"^package[ \t]+([a-z][\w.]*)[ \t]*$", re.MULTILINE)


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
    """The bundle of these files, by name; raises ValueError where two are of one package.

    The embedded engine evaluates comprehensions of such a package wrongly where a test says `with`,
    depending on the order of the files.
    """
    places: dict[str, str] = {}
    for name in sorted(files):
        package = package_of(files[name])
        if package and places.setdefault(package, name) != name:
            raise ValueError(f"{name}: the package {package} stands in {places[package]}")
    modules = tuple(
        (name, files[name]) for name in sorted(files) if with_tests or not is_test(name)
    )
    text = "\0".join(part for module in modules for part in module)
    return Bundle(modules, hashlib.sha256(text.encode()).hexdigest()[:12])


def package_of(text: str) -> str:
    """The package of a file, "" where it names none."""
    found = _PACKAGE.search(text)
    return found[1] if found else ""


def is_test(name: str) -> bool:
    """Whether a file of this name holds tests, which are no part of what decides."""
    return name.endswith("_test.rego")
