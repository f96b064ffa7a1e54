"""Both services together: start or adopt them, say what children must know, stop them.

Whoever uses them holds a shared lock for as long as it lives, so the last user stops them, and a
user that was killed counts no more.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from config.embedded import postgres, valkey
from config.embedded.account import choose_account
from config.embedded.errors import Unusable
from config.embedded.paths import (
    Places,
    existing_data,
    open_places,
    settle_home,
    settle_sockets,
)
from config.embedded.secret_files import SecretFiles, write_private

PROJECT = Path(__file__).resolve().parent.parent.parent
# Setting -> the file in <var>/secrets that holds its value.
FILES = {
    "SALLYPORT_DATABASE_URL": "database_url",
    "SALLYPORT_DATABASE_OWNER_URL": "database_owner_url",
    "SALLYPORT_REDIS_URL": "redis_url",
    "SALLYPORT_SECRET_KEY": "secret_key",
    "SALLYPORT_KEY_ENCRYPTION_KEYS": "key_encryption_keys",
}


@dataclass
class Services:
    """What runs now. `lines` says, for people, what was done for each service.

    Use it as a context manager, or call `stop`.
    """

    var: Path
    lines: tuple[str, ...]
    _environment: Mapping[str, str] = field(repr=False)
    _claim: int | None = field(repr=False)

    def environment(self) -> dict[str, str]:
        """Give the variables that a child process needs on top of the caller's own."""
        return dict(self._environment)

    def stop(self, *, hard: bool = False) -> bool:
        """End the servers, Valkey first; False if they go on for other users or by request."""
        if self._claim is None:
            return False
        places = Places(self.var)
        with launcher_lock(places):
            claim, self._claim = self._claim, None
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(claim)
            if _record(places).get("keep"):
                return False
            stop_servers(places, hard=hard)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def ensure_services(
    var: Path, *, account: str | None = None, keep: bool = False, throwaway: bool = False
) -> Services:
    """Start, or adopt, what no URL is configured for, under the data folder.

    account: which user runs the servers when the caller is root; by default postgres, else nobody.
    keep: the servers outlive their users, until `python -m config.embedded down`.
    throwaway: nobody needs the data once the machine has crashed; a server started so is faster.
    Refuses with `Unusable` what cannot be started or proven to be ours.
    """
    places = open_places(var)
    claim = _claim(places)
    try:
        with launcher_lock(places):
            lines = _serve_all(places, account_name=account, keep=keep, throwaway=throwaway)
            environment = child_environment(places)
    except BaseException:
        os.close(claim)
        raise
    return Services(places.var, tuple(lines), environment, claim)


def attach_services(var: Path) -> Services:
    """Do as `ensure_services` in a short-lived process, so its database driver is not kept."""
    places = open_places(var)
    claim = _claim(places)
    answer = subprocess.run(
        [sys.executable, "-m", "config.embedded", "attach"],
        env={**os.environ, "SALLYPORT_VAR_DIR": str(places.var)},
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # Ctrl-C must not cut a first start in half
    )
    if answer.returncode != 0:
        os.close(claim)
        raise Unusable(answer.stderr.strip() or "sallyport: the launcher was ended.")
    said = json.loads(answer.stdout)
    return Services(places.var, tuple(said["lines"]), said["environment"], claim)


def is_configured(setting: str, places: Places) -> bool:
    """Tell whether the caller's environment names a service of its own.

    Our own files do not count: `eval "$(make env)"` and child processes have them set.
    """
    if os.environ.get(setting):
        return True
    path = os.environ.get(f"{setting}_FILE")
    return bool(path) and Path(path or "").resolve() != places.secrets / FILES[setting]


def child_environment(places: Places) -> dict[str, str]:
    """Give the variables by which the product finds its services and secrets."""
    found = {"SALLYPORT_VAR_DIR": str(places.var)}
    skipped = set()
    if is_configured("SALLYPORT_DATABASE_URL", places):
        skipped.add("SALLYPORT_DATABASE_OWNER_URL")
    for setting, name in FILES.items():
        path = places.secrets / name
        if setting not in skipped and path.exists() and not is_configured(setting, places):
            found[f"{setting}_FILE"] = str(path)
    return found


def stop_servers(places: Places, *, hard: bool = False) -> list[str]:
    """End what runs under the data folder, whoever uses it. Call it under the launcher's lock."""
    stopped = []
    record = _record(places)
    if "sockets" in record:
        sockets = Path(record["sockets"])
        store = _store(places, home=Path(record["home"]), sockets=sockets)
        pid = valkey.serving_pid(store)
        if pid is not None:
            valkey.stop(pid)
            stopped.append(f"Valkey: stopped process {pid}")
    data = existing_data(places)
    pid = postgres.serving_pid(data) if data is not None else None
    if pid is not None:
        postgres.stop(pid, hard=hard)
        stopped.append(f"PostgreSQL: stopped process {pid}")
    if "sockets" in record and Path(record["sockets"]).parent != Path(record["home"]):
        with suppress(OSError):
            Path(record["sockets"]).rmdir()
    return stopped


def serving_pids(places: Places) -> dict[str, int]:
    """Name the live process of each embedded service."""
    found = {}
    data = existing_data(places)
    pid = postgres.serving_pid(data) if data is not None else None
    if pid is not None:
        found["postgres"] = pid
    record = _record(places)
    if "sockets" in record:
        store = _store(places, home=Path(record["home"]), sockets=Path(record["sockets"]))
        pid = valkey.serving_pid(store)
        if pid is not None:
            found["valkey"] = pid
    return found


@contextmanager
def launcher_lock(places: Places) -> Iterator[None]:
    """Be the only launcher of this data folder; the kernel lets go when the holder dies."""
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _claim(places: Places) -> int:
    """Count as a user, until the descriptor is closed or its holder dies."""
    descriptor = os.open(places.users, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _serve_all(
    places: Places, *, account_name: str | None, keep: bool, throwaway: bool
) -> list[str]:
    lines = []
    wants_postgres = not is_configured("SALLYPORT_DATABASE_URL", places)
    wants_valkey = not is_configured("SALLYPORT_REDIS_URL", places)
    data = existing_data(places)
    secrets = SecretFiles(places.secrets)
    if os.environ.get("SALLYPORT_ENVIRONMENT", "development") != "production":
        if not is_configured("SALLYPORT_SECRET_KEY", places):
            secrets.password("secret_key")
        if not is_configured("SALLYPORT_KEY_ENCRYPTION_KEYS", places):
            secrets.keys("key_encryption_keys", needed_by=data if wants_postgres else None)
    if not wants_postgres:
        unused = f" The embedded data in {data} exist and are not used." if data else ""
        lines.append(f"PostgreSQL: by SALLYPORT_DATABASE_URL, nothing started.{unused}")
    if not wants_valkey:
        lines.append("Valkey: by SALLYPORT_REDIS_URL, nothing started.")
    if not (wants_postgres or wants_valkey):
        return lines

    account = choose_account(name=account_name, data=data)
    home = settle_home(places, account=account)
    sockets = settle_sockets(places, home=home, account=account)
    record = _record(places)
    record |= {
        "home": str(home),
        "sockets": str(sockets),
        "account": account.pw_name if account else None,
        "keep": keep or bool(record.get("keep") and serving_pids(places)),
    }
    write_private(places.record, json.dumps(record, indent=2) + "\n")
    if account is not None and account.pw_name == "nobody":
        lines.append(
            "Note: the servers run as nobody, whose files other daemons may read. An account "
            "named postgres would be used instead; production wants SALLYPORT_DATABASE_URL."
        )
    if home != places.var:
        lines.append(
            f"Note: {account.pw_name if account else 'the account'} cannot reach {places.var}, "
            f"so data lie in {home}."
        )
    if wants_postgres:
        passwords = _passwords(secrets, home / "postgres" / "data")
        cluster = postgres.Cluster(
            home=home,
            sockets=sockets,
            account=account,
            passwords=passwords,
            log=places.log / "postgres.log",
            is_throwaway=throwaway,
        )
        lines.append(_serve_postgres(cluster, secrets))
    if wants_valkey:
        store = _store(places, home=home, sockets=sockets, account=account)
        server = valkey.serve(store)
        secrets.write("redis_url", server.url)
        lines.append(server.line)
    return lines


def _passwords(secrets: SecretFiles, data: Path) -> postgres.Passwords:
    return postgres.Passwords(
        root=secrets.password("postgres_root_password", needed_by=data),
        owner=secrets.password("postgres_owner_password", needed_by=data),
        runtime=secrets.password("postgres_runtime_password", needed_by=data),
    )


def _serve_postgres(cluster: postgres.Cluster, secrets: SecretFiles) -> str:
    server, passwords = postgres.serve(cluster), cluster.passwords
    runtime = server.url(role=postgres.RUNTIME_ROLE, password=passwords.runtime)
    secrets.write("database_url", runtime)
    owner = server.url(role=postgres.OWNER_ROLE, password=passwords.owner)
    secrets.write("database_owner_url", owner)
    return server.line


def _store(places: Places, *, home: Path, sockets: Path, account: Any = None) -> valkey.Store:
    return valkey.Store(
        home=home,
        sockets=sockets,
        account=account,
        password=SecretFiles(places.secrets).password("valkey_password"),
        log=places.log / "valkey.log",
    )


def _record(places: Places) -> dict[str, Any]:
    try:
        found = json.loads(places.record.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
