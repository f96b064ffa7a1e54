"""Who runs the servers, and in what surroundings.

PostgreSQL refuses root, and neither server should have root's rights: under root an existing
unprivileged account runs them. No user is ever created, no parent folder's mode is ever changed.
"""

import os
import pwd
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from config.embedded.errors import Unusable

# `nobody` is shared with every other daemon that runs as nobody, hence second.
CANDIDATES = ("postgres", "nobody")
PROBE_TIMEOUT_SECONDS = 20
LARGE_LOG_BYTES = 10_000_000
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")

Account = pwd.struct_passwd


def choose_account(*, name: str | None = None, data: Path | None = None) -> Account | None:
    """Name the account that runs the servers; None means the caller's own.

    Existing data decide: their owner goes on owning them. Refuses data of root or of a stranger.
    """
    owner = data.stat().st_uid if data is not None and data.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner != os.geteuid():
            raise Unusable(
                f"sallyport: {data} belongs to another account ({_account_name(owner)}): start "
                "Sallyport as before, or choose another folder with SALLYPORT_VAR_DIR."
            )
        return None
    if owner == 0:
        raise Unusable(f"sallyport: {data} belongs to root, whom PostgreSQL refuses: move it away.")
    if owner is not None:
        return pwd.getpwuid(owner)
    for candidate in (name,) if name else CANDIDATES:
        try:
            found = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if found.pw_uid != 0:
            return found
    raise Unusable(
        "sallyport: there is no account to run PostgreSQL as (root may not): start Sallyport as "
        "a normal user, create an account named postgres, or set SALLYPORT_DATABASE_URL."
    )


def clean_environment() -> dict[str, str]:
    """Say what servers and tools may see: no PG* variable, no secret of the caller's shell."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", **kept}


def spawn(
    command: Sequence[str | Path], *, account: Account | None, **streams: Any
) -> subprocess.Popen[bytes]:
    """Start a program in its own session, away from Ctrl-C, and under root without root's rights.

    The working directory is `/`: the caller's may be closed to the account.
    """
    return subprocess.Popen(
        [str(part) for part in command],
        cwd="/",
        env=clean_environment(),
        start_new_session=True,
        umask=0o077,
        **_identity(account),
        **streams,
    )


def run(
    command: Sequence[str | Path], *, account: Account | None, pass_fds: Sequence[int] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end as the account; its output is kept, its failure is the caller's."""
    return subprocess.run(
        [str(part) for part in command],
        cwd="/",
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        umask=0o077,
        pass_fds=pass_fds,
        **_identity(account),
    )


def version_said_by(program: Path, *, account: Account | None) -> str | None:
    """Ask a program for its version as the account; None when the account cannot run it.

    Modes are not read: mount options, ACLs and missing libraries count as well.
    """
    try:
        answer = subprocess.run(
            [str(program), "--version"],
            cwd="/",
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROBE_TIMEOUT_SECONDS,
            **_identity(account),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def can_write_below(folder: Path, *, account: Account | None) -> bool:
    """Try, as the account, to make a file in the folder."""
    script = 'p="$1/.probe.$$"; : > "$p" && rm "$p"'
    return run(["/bin/sh", "-c", script, "sh", folder], account=account).returncode == 0


def make_folder(folder: Path, *, account: Account | None) -> None:
    """Make a folder that only the account may enter; one that exists must already be so."""
    wanted = os.geteuid() if account is None else account.pw_uid
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
    found = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or found.st_uid != wanted:
        raise Unusable(
            f"sallyport: {folder} is not a folder of {_account_name(wanted)}: move it away."
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def append_log(path: Path) -> IO[bytes]:
    """Open a log to append to, private to the caller; one that grew large is set aside first."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > LARGE_LOG_BYTES:
        path.replace(path.with_suffix(".1.log"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _identity(account: Account | None) -> dict[str, Any]:
    if account is None or os.geteuid() != 0:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
