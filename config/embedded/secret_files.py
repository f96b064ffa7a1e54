"""Passwords and keys: random, 256 bits, one private file each in <var>/secrets.

Files are written whole or not at all. A secret that data already depend on is never replaced: its
loss is a refusal, because a new one would only make the data unreadable in silence.
"""

import base64
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded.errors import Unusable

SECRET_BYTES = 32


@dataclass
class SecretFiles:
    """The folder of secrets. `made` names those that did not exist before this start."""

    folder: Path
    made: set[str] = field(default_factory=set)

    def path(self, name: str) -> Path:
        return self.folder / name

    def password(self, name: str, *, needed_by: Path | None = None) -> str:
        """Read a password, or make one. Its alphabet is URL-safe: no form needs escaping."""
        return self._read_or_make(name, secrets.token_urlsafe(SECRET_BYTES), needed_by=needed_by)

    def keys(self, name: str, *, needed_by: Path | None = None) -> str:
        """Read the key-encryption keys (`id:base64 of 32 bytes`), or make the first."""
        fresh = "k1:" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        return self._read_or_make(name, fresh, needed_by=needed_by)

    def write(self, name: str, value: str) -> Path:
        """Write a secret, unless the file already says so."""
        path = self.path(name)
        if not path.exists() or path.read_text() != value + "\n":
            write_private(path, value + "\n")
        return path

    def _read_or_make(self, name: str, fresh: str, *, needed_by: Path | None) -> str:
        path = self.path(name)
        try:
            value = path.read_text().strip()
        except FileNotFoundError:
            value = ""
        except PermissionError as error:
            raise Unusable(
                f"sallyport: {path} belongs to another account: start Sallyport as before, or "
                "choose another folder with SALLYPORT_VAR_DIR."
            ) from error
        if value:
            return value
        if needed_by is not None and needed_by.exists():
            raise Unusable(
                f"sallyport: {path} is missing, and {needed_by} cannot be read without it: "
                "restore the file, or remove both to begin anew."
            )
        self.write(name, fresh)
        self.made.add(name)
        return fresh


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 so that a reader sees the old text or the new, never half."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
