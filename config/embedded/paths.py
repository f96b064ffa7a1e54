"""Where things lie: the data folder, the home of the data, the folder of the sockets."""

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.embedded.account import Account, can_write_below, make_folder
from config.embedded.errors import Unusable

# The kernel's limit is 108 bytes with the closing zero (macOS: 104).
SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
LONGEST_SOCKET_NAME = "/.s.PGSQL.65535"
ELSEWHERE = Path("/var/lib/sallyport")


@dataclass(frozen=True)
class Places:
    """The folders of one instance; two data folders never share any of them."""

    var: Path

    @property
    def lock(self) -> Path:
        return self.var / "embedded.lock"

    @property
    def users(self) -> Path:
        return self.var / "embedded.users"

    @property
    def record(self) -> Path:
        return self.var / "embedded.json"

    @property
    def secrets(self) -> Path:
        return self.var / "secrets"

    @property
    def log(self) -> Path:
        return self.var / "log"

    @property
    def elsewhere(self) -> Path:
        return ELSEWHERE / digest(self.var)

    def homes(self) -> tuple[Path, Path]:
        """Where data may lie, in order of preference."""
        return self.var, self.elsewhere


def digest(path: Path) -> str:
    """Name a folder by 16 hexadecimal characters of its path."""
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def open_places(var: Path) -> Places:
    """Make the data folder. Under root it can be passed through, for the servers' account."""
    places = Places(var.absolute().resolve())
    make_passable(places.var, mode=0o711 if os.geteuid() == 0 else 0o700)
    if not os.access(places.var, os.W_OK | os.X_OK):
        raise Unusable(
            f"sallyport: {places.var} cannot be written to: choose another folder with "
            "SALLYPORT_VAR_DIR."
        )
    for folder in (places.secrets, places.log):
        folder.mkdir(mode=0o700, exist_ok=True)
    return places


def existing_data(places: Places) -> Path | None:
    """Find the database that an earlier start left, wherever it had to put it."""
    for home in places.homes():
        data = home / "postgres" / "data"
        if data.exists():
            return data
    return None


def settle_home(places: Places, *, account: Account | None) -> Path:
    """Choose where data lie: the data folder, unless the account cannot reach it."""
    data = existing_data(places)
    if data is not None:
        return data.parent.parent
    if account is None:
        return places.var
    trial = places.var / "run"
    make_folder(trial, account=account)
    if can_write_below(trial, account=account):
        return places.var
    trial.rmdir()
    make_passable(places.elsewhere.parent, mode=0o711)
    make_passable(places.elsewhere, mode=0o711)
    return places.elsewhere


def make_passable(folder: Path, *, mode: int) -> None:
    """Make a folder of exactly this mode, whatever the umask; one that exists keeps its own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        return
    folder.chmod(mode)


def settle_sockets(places: Places, *, home: Path, account: Account | None) -> Path:
    """Choose the folder of the sockets: beside the data, unless their paths would be too long."""
    for folder in _socket_folders(places, home=home, account=account):
        if len(os.fsencode(folder)) + len(LONGEST_SOCKET_NAME) > SOCKET_PATH_BYTES:
            continue
        make_folder(folder, account=account)
        if account is None or can_write_below(folder, account=account):
            return folder
    raise Unusable(
        f"sallyport: no folder for sockets: the path of {home} is too long for one, and the "
        "temporary folder cannot be used. Choose a shorter SALLYPORT_VAR_DIR."
    )


def _socket_folders(places: Places, *, home: Path, account: Account | None) -> Iterator[Path]:
    yield home / "run"
    uid = os.geteuid() if account is None else account.pw_uid
    name = f"sallyport-{uid}-{digest(places.var)}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and account is None and Path(runtime).is_dir():
        yield Path(runtime) / name
    yield Path(tempfile.gettempdir()) / name
    yield Path("/tmp") / name  # noqa: S108 - made exclusively, 0700, and checked to be ours
