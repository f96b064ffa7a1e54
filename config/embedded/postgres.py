"""One PostgreSQL server: adopt it, or initialise, start, furnish and stop it.

Three roles. `sallyport_root`, the superuser, is known to this launcher alone. `sallyport_owner`
owns the database and migrates it; here it may also create databases, for the tests. The product
runs as `sallyport_app`, which owns nothing and can define nothing.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString
from urllib.parse import quote

from config.embedded import processes
from config.embedded.account import Account, append_log, make_folder, run, spawn
from config.embedded.binaries import Programs, find_postgres
from config.embedded.errors import Unusable

if TYPE_CHECKING:
    import psycopg

ROOT_ROLE, OWNER_ROLE, RUNTIME_ROLE = "sallyport_root", "sallyport_owner", "sallyport_app"
DATABASE = "sallyport"
# Only part of a file's name: there is no TCP, hence nothing to clash with.
PORT = 5432
MAX_CONNECTIONS = 200
# Replaying much WAL after a crash is a normal start.
START_SECONDS = 60
POLL_SECONDS = 0.05
CONNECT_SECONDS = 3
FAST_STOP = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
HARD_STOP = ((signal.SIGINT, 2.0), (signal.SIGQUIT, 10.0))
# A commit waits for no disk: after a crash of the machine the data may be broken.
THROWAWAY = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
INITDB_OPTIONS = ("--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums", "-U", ROOT_ROLE)
BUILTIN_LOCALE_SINCE_MAJOR = 17
LOG_TAIL_LINES = 12


@dataclass(frozen=True)
class Passwords:
    """The password of each role."""

    root: str
    owner: str
    runtime: str


@dataclass(frozen=True)
class Cluster:
    """A data directory and all that is needed to serve it."""

    home: Path
    sockets: Path
    account: Account | None
    passwords: Passwords
    log: Path
    is_throwaway: bool = False

    @property
    def data(self) -> Path:
        return self.home / "postgres" / "data"

    @property
    def postmaster_file(self) -> Path:
        return self.data / "postmaster.pid"


@dataclass(frozen=True)
class Server:
    """A running server. `sockets` is a folder; `line` says what was done, for people."""

    pid: int
    sockets: str
    port: int
    line: str

    def url(self, *, role: str, password: str, database: str = DATABASE) -> str:
        """Give the connection URL of a role, in libpq's form for sockets."""
        return url(
            role=role, password=password, sockets=self.sockets, port=self.port, database=database
        )


def url(*, role: str, password: str, sockets: str, port: int, database: str) -> str:
    """Give a connection URL in libpq's form for sockets."""
    return f"postgresql://{role}:{password}@/{database}?host={quote(sockets)}&port={port}"


def serve(cluster: Cluster) -> Server:
    """Adopt the server of a data directory, else start it; then see that it is furnished.

    Call it under the launcher's lock only. Refuses what it cannot prove to be ours.
    """
    server = _adopt(cluster) or _start(cluster)
    _furnish(cluster, server)
    return server


def stop(pid: int, *, hard: bool = False) -> None:
    """End a server so that its data are clean: SIGINT, since SIGTERM would wait for its clients."""
    if not processes.end(pid, *(HARD_STOP if hard else FAST_STOP)):
        raise Unusable(f"sallyport: PostgreSQL (process {pid}) does not stop: look at its log.")


def serving_pid(data: Path) -> int | None:
    """Name the live process that serves a data directory, by its own lock file."""
    pid = _number_in(data / "postmaster.pid")
    return pid if pid is not None and _serves(pid, data) else None


def said_address(lock: Path) -> tuple[str, int] | None:
    """Read the folder of the sockets and the port from a server's lock file, once it is ready.

    While it starts the file has gaps: an empty folder would send us to the system's own server.
    """
    try:
        _, _, _, port, sockets, _, _, state, *_ = lock.read_text().splitlines()
    except (OSError, ValueError):
        return None
    return (sockets, int(port)) if sockets and state.strip() == "ready" else None


@contextmanager
def without_libpq_variables() -> Iterator[None]:
    """Hide the shell's PG* variables: they steer every client of libpq, ours included."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _connect(
    cluster: Cluster, *, sockets: str, port: int, database: str = "postgres"
) -> "psycopg.Connection":
    import psycopg  # noqa: PLC0415 - 23 MB that a supervisor need not carry

    with without_libpq_variables():
        return psycopg.connect(
            host=sockets,
            port=port,
            user=ROOT_ROLE,
            password=cluster.passwords.root,
            dbname=database,
            connect_timeout=CONNECT_SECONDS,
            autocommit=True,
        )


def _adopt(cluster: Cluster) -> Server | None:
    """The server that already serves this directory, proven by asking it."""
    deadline = time.monotonic() + START_SECONDS
    while (pid := serving_pid(cluster.data)) is not None:
        server = _ask(cluster, pid)
        if server is not None:
            return server
        # It lives and does not answer yet: it is starting, recovering or stopping.
        if time.monotonic() > deadline:
            raise Unusable(
                f"sallyport: PostgreSQL (process {pid}) has {cluster.data} open and does not "
                f"answer: look at {cluster.log}, or end that process."
            )
        time.sleep(POLL_SECONDS)
    return None


def _ask(cluster: Cluster, pid: int) -> Server | None:
    import psycopg  # noqa: PLC0415 - see _connect

    address = said_address(cluster.postmaster_file)
    if address is None:
        return None
    sockets, port = address
    try:
        with _connect(cluster, sockets=sockets, port=port) as connection:
            served, version = _row(
                connection,
                "SELECT current_setting('data_directory'), current_setting('server_version')",
            )
    except psycopg.OperationalError as error:
        if "authentication failed" in str(error):
            raise Unusable(
                f"sallyport: the PostgreSQL of {cluster.data} does not accept the stored password: "
                "restore the folder secrets, or remove both to begin anew."
            ) from error
        return None
    if Path(served).resolve() != cluster.data.resolve():
        return None
    line = f"PostgreSQL {version}: adopted process {pid}, data in {cluster.data}"
    return Server(pid=pid, sockets=sockets, port=port, line=line)


def _start(cluster: Cluster) -> Server:
    make_folder(cluster.home / "postgres", account=cluster.account)
    programs = find_postgres(data=cluster.data, home=cluster.home, account=cluster.account)
    for leftover in cluster.data.parent.glob("data.new-*"):
        shutil.rmtree(leftover)
    is_first = not cluster.data.exists()
    if is_first:
        _initialise(cluster, programs)
    elif not (cluster.data / "PG_VERSION").exists():
        raise Unusable(f"sallyport: {cluster.data} holds no PostgreSQL database: move it away.")
    deadline = time.monotonic() + START_SECONDS
    while True:
        _clear_stale_locks(cluster)
        pid = _launch(cluster, programs, deadline=deadline)
        if pid is not None:
            break
        time.sleep(POLL_SECONDS)
    owner = f" as {cluster.account.pw_name}" if cluster.account else ""
    line = (
        f"PostgreSQL {programs.version} ({programs.origin}): "
        f"{'initialised and ' if is_first else ''}started{owner}, data in {cluster.data}"
    )
    return Server(pid=pid, sockets=str(cluster.sockets), port=PORT, line=line)


def _initialise(cluster: Cluster, programs: Programs) -> None:
    """Make a new database cluster beside its place and move it there: half of one never starts."""
    fresh = cluster.data.with_name(f"data.new-{secrets.token_hex(4)}")
    locale = ["--locale=C.UTF-8"]
    if programs.major >= BUILTIN_LOCALE_SINCE_MAJOR:
        # The same order of text on every system and after every upgrade of the C library.
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    # A pipe, because a command line or a file would show the password to others.
    reader, writer = os.pipe()
    password = f"--pwfile=/dev/fd/{reader}"
    try:
        os.write(writer, cluster.passwords.root.encode() + b"\n")
        os.close(writer)
        if cluster.account is not None:
            os.fchown(reader, cluster.account.pw_uid, -1)
        answer = run(
            [programs.folder / "initdb", "-D", fresh, *INITDB_OPTIONS, *locale, password],
            account=cluster.account,
            pass_fds=[reader],
        )
    finally:
        os.close(reader)
    if answer.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise Unusable(f"sallyport: initdb failed:\n{answer.stdout}{answer.stderr}".rstrip())
    fresh.rename(cluster.data)


def _clear_stale_locks(cluster: Cluster) -> None:
    """Remove lock files whose process is not ours.

    PostgreSQL itself gives way to a dead pid, but not to a live one of its own account, and pid
    numbers repeat quickly in containers. `_adopt` has already seen that no server of ours lives.
    """
    for lock in (cluster.postmaster_file, cluster.sockets / f".s.PGSQL.{PORT}.lock"):
        pid = _number_in(lock)
        if lock.exists() and (pid is None or not _serves(pid, cluster.data)):
            lock.unlink(missing_ok=True)


def _launch(cluster: Cluster, programs: Programs, *, deadline: float) -> int | None:
    """Start the server and wait for a query to succeed; None asks for another try."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": '"' + str(cluster.sockets).replace('"', '""') + '"',
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
        "max_connections": str(MAX_CONNECTIONS),
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %q%u@%d ",
        # Text that a crash would print must not hold parameters, which may be personal.
        "log_parameter_max_length_on_error": "0",
        "jit": "off",
        **(THROWAWAY if cluster.is_throwaway else {}),
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    with append_log(cluster.log) as log:
        said_before = log.tell()
        process = spawn(
            [programs.folder / "postgres", "-D", cluster.data, "-p", str(PORT), *options],
            account=cluster.account,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    while process.poll() is None:
        if _ask(cluster, process.pid) is not None:
            return process.pid
        if time.monotonic() > deadline:
            stop(process.pid)
            raise Unusable(f"sallyport: PostgreSQL was not ready in {START_SECONDS} s.")
        time.sleep(POLL_SECONDS)
    said = cluster.log.read_bytes()[said_before:].decode(errors="replace")
    # After kill -9 of the postmaster alone its children need a moment to notice.
    if "shared memory block" in said and time.monotonic() < deadline:
        return None
    tail = "\n".join(said.splitlines()[-LOG_TAIL_LINES:])
    raise Unusable(f"sallyport: PostgreSQL did not start; its last words:\n{tail}")


def _furnish(cluster: Cluster, server: Server) -> None:
    """Make the roles and the database, with least rights, if that is not yet done.

    template1 gets the same rights, so that test databases are furnished by being created.
    """
    with _connect(cluster, sockets=server.sockets, port=server.port) as connection:
        # A mark per database, set last: an interrupted start is done again. Its number rises
        # when this function changes.
        (done,) = _row(
            connection,
            "SELECT count(*) FROM pg_database WHERE datname IN ('sallyport', 'template1') "
            "AND shobj_description(oid, 'pg_database') = 'furnished by Sallyport, 1'",
        )
        if int(done) == len(("sallyport", "template1")):
            return
        _make_role(connection, OWNER_ROLE, cluster.passwords.owner, "CREATEDB")
        _make_role(connection, RUNTIME_ROLE, cluster.passwords.runtime, "NOCREATEDB")
        (exists,) = _row(connection, "SELECT count(*) FROM pg_database WHERE datname = 'sallyport'")
        if not exists:
            connection.execute("CREATE DATABASE sallyport OWNER sallyport_owner")
        connection.execute("REVOKE ALL ON DATABASE sallyport FROM PUBLIC")
        connection.execute("GRANT CONNECT ON DATABASE sallyport TO sallyport_app")
    for database in ("template1", DATABASE):
        with _connect(
            cluster, sockets=server.sockets, port=server.port, database=database
        ) as connection:
            connection.execute(
                "REVOKE ALL ON SCHEMA public FROM PUBLIC;"
                "GRANT USAGE ON SCHEMA public TO sallyport_app;"
                "ALTER DEFAULT PRIVILEGES FOR ROLE sallyport_owner IN SCHEMA public"
                " GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sallyport_app;"
                "ALTER DEFAULT PRIVILEGES FOR ROLE sallyport_owner IN SCHEMA public"
                " GRANT USAGE ON SEQUENCES TO sallyport_app"
            )
            connection.execute(
                "COMMENT ON DATABASE template1 IS 'furnished by Sallyport, 1'"
                if database == "template1"
                else "COMMENT ON DATABASE sallyport IS 'furnished by Sallyport, 1'"
            )


def _make_role(
    connection: "psycopg.Connection", name: str, password: str, rights: LiteralString
) -> None:
    from psycopg import sql  # noqa: PLC0415 - see _connect

    (exists,) = connection.execute(
        "SELECT count(*) FROM pg_roles WHERE rolname = %s", [name]
    ).fetchone() or (0,)
    # The verifier is made here: a failing statement is logged, and then holds no password.
    verifier = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    verb: LiteralString = "ALTER" if exists else "CREATE"
    connection.execute(
        sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEROLE " + rights + " PASSWORD {}").format(
            sql.Identifier(name), sql.Literal(verifier)
        )
    )


def _row(connection: "psycopg.Connection", query: LiteralString) -> tuple[str, ...]:
    row = connection.execute(query).fetchone()
    if row is None:
        raise ValueError("no row")
    return row


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _serves(pid: int, data: Path) -> bool:
    """Tell whether a process is the PostgreSQL that works in this data directory."""
    if not processes.is_running(pid) or not processes.program_of(pid).startswith("postgres"):
        return False
    works_in = processes.folder_of(pid)
    return works_in is None or works_in == data.resolve()
