"""The policy bundle: the Rego files of a folder, and a revision that names their content."""

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Bundle:
    """modules: file name → Rego source, tests left out. revision: 12 hexadecimal digits."""

    modules: tuple[tuple[str, str], ...]
    revision: str


def load(folder: Path) -> Bundle:
    """Read `folder`; raises ValueError where there is no policy: none means deny, never allow."""
    modules = tuple(
        (path.name, path.read_text())
        for path in sorted(folder.glob("*.rego"))
        if not path.stem.endswith("_test")
    )
    if not modules:
        raise ValueError(f"no policy in {folder}")
    text = "\0".join(part for module in modules for part in module)
    return Bundle(modules, hashlib.sha256(text.encode()).hexdigest()[:12])
