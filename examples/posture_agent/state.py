"""What the agent remembers: where it is enrolled, and how many reports it has signed."""

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_NAME = "enrolment.json"


class StateError(Exception):
    """The remembered state is absent or broken."""


@dataclass(frozen=True)
class Enrolment:
    """server: the issuer's address. seq: of the last report that was signed, sent or not."""

    server: str
    device_id: str
    posture_uri: str
    nonce_uri: str
    interval_seconds: int = 3600
    seq: int = 0
    last_score: int | None = None
    last_tier: int | None = None
    last_sent_at: str | None = None


def folder(given: Path | None) -> Path:
    """The agent's own folder, made if need be, for its user only."""
    path = given or _default()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _default() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "Sallyport"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Sallyport"
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "sallyport"


def load(path: Path) -> Enrolment:
    try:
        said = json.loads((path / FILE_NAME).read_text())
        known = {field.name for field in fields(Enrolment)}
        return Enrolment(**{name: value for name, value in said.items() if name in known})
    except FileNotFoundError:
        raise StateError("this machine is not enrolled") from None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise StateError(f"{path / FILE_NAME} cannot be read: {error}") from error


def save(path: Path, enrolment: Enrolment) -> None:
    """Write all of it or nothing: a crash leaves the old file or the new one."""
    partial = path / f"{FILE_NAME}.partial"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(enrolment), file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path / FILE_NAME)


def next_seq(path: Path) -> Enrolment:
    """Take the next number, for good, before it is used: no two reports ever carry the same."""
    enrolment = load(path)
    taken = replace(enrolment, seq=enrolment.seq + 1)
    save(path, taken)
    return taken


@contextmanager
def alone(path: Path) -> "Iterator[None]":
    """Only one agent at a time works in this folder. Raises StateError if another one does."""
    with (path / "lock").open("w") as file:
        try:
            import fcntl  # noqa: PLC0415 - not on Windows
        except ImportError:
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateError("another agent is at work here") from None
        yield
