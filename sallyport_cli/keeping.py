"""The tokens of this client, in one file that only its owner reads.

A refresh token is good once: whoever uses it holds the lock beside the file until the next one is
written.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sallyport_cli.failure import Code, Failure

HOME_VARIABLE = "SALLYPORT_HOME"
FILE_NAME = "session.json"


@dataclass(frozen=True, slots=True)
class Kept:
    """expires_at: of the access token, in seconds since 1970."""

    issuer: str
    client_id: str
    access_token: str
    refresh_token: str
    expires_at: int


def home() -> Path:
    """Where it is: $SALLYPORT_HOME, else where programs of a person keep such things."""
    if os.environ.get(HOME_VARIABLE):
        return Path(os.environ[HOME_VARIABLE])
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "sallyport"


def read() -> Kept:
    """Raises Failure where nobody has signed in, and for a file that others could read."""
    path = home() / FILE_NAME
    try:
        with path.open(encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise Failure(Code.NOT_SIGNED_IN, f"Others may read {path}: sign in anew.")
            return Kept(**json.load(file))
    except FileNotFoundError:
        raise Failure(Code.NOT_SIGNED_IN, "Sign in first: sallyport login <address>") from None
    except (OSError, ValueError, TypeError) as error:
        raise Failure(Code.NOT_SIGNED_IN, f"{path} cannot be read: sign in anew.") from error


def write(kept: Kept) -> None:
    """Replace the file at once."""
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = folder / f".{FILE_NAME}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(kept), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / FILE_NAME)
    finally:
        draft.unlink(missing_ok=True)


def forget() -> None:
    (home() / FILE_NAME).unlink(missing_ok=True)


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time."""
    folder = home()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
