"""One Valkey server, cache and queue: adopt it, or start and stop it.

A second server on the same socket would take it over without a word and append to the same file;
therefore nothing here believes a pid file, and everything runs under the launcher's lock.
"""

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from config.embedded import processes
from config.embedded.account import Account, append_log, make_folder, spawn
from config.embedded.binaries import find_valkey
from config.embedded.errors import Unusable

START_SECONDS = 60
POLL_SECONDS = 0.02
ANSWER_SECONDS = 3
STOP = ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0))
LOG_TAIL_LINES = 12
# Queues have no expiry, cache entries all have one: only these may be evicted.
SETTINGS = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
dir {data}
appendonly yes
save ""
maxmemory 64mb
maxmemory-policy volatile-ttl
"""


@dataclass(frozen=True)
class Store:
    """A folder of data and all that is needed to serve it."""

    home: Path
    sockets: Path
    account: Account | None
    password: str
    log: Path

    @property
    def data(self) -> Path:
        return self.home / "valkey"

    @property
    def socket(self) -> Path:
        return self.sockets / "valkey.sock"


@dataclass(frozen=True)
class Server:
    """A running server; `line` says what was done, for people."""

    pid: int
    url: str
    line: str


class Silent(Exception):  # noqa: N818 - it is an answer
    """There is no server, or none that says anything sensible."""


def serve(store: Store) -> Server:
    """Adopt the server of the folder, else start it. Call it under the launcher's lock only."""
    server = _adopt(store) or _start(store)
    return Server(pid=server[0], line=server[1], url=url(store))


def url(store: Store) -> str:
    """Give the URL in redis-py's form for sockets; Celery's forms are derived from it."""
    return f"unix://:{store.password}@{quote(str(store.socket))}?db=0"


def stop(pid: int) -> None:
    """End a server; it writes its data out first."""
    if not processes.end(pid, *STOP):
        raise Unusable(f"sallyport: Valkey (process {pid}) does not stop.")


def serving_pid(store: Store, *, has_loaded: bool = False) -> int | None:
    """Name the process that answers on the socket for this folder, or None.

    has_loaded: raise Loading as long as it reads its file, where it answers little else.
    """
    try:
        with _conversation(store) as talk:
            folder = talk.ask("CONFIG", "GET", "dir")[1]
            about = talk.ask("INFO", "server")
            if has_loaded:
                talk.ask("PING")
    except Silent:
        return None
    if Path(folder).resolve() != store.data.resolve():
        return None
    facts = dict(line.split(":", 1) for line in about[0].splitlines() if ":" in line)
    return int(facts["process_id"])


def _adopt(store: Store) -> tuple[int, str] | None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            pid = serving_pid(store, has_loaded=True)
        except Loading:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
            continue
        break
    if pid is not None:
        return pid, f"Valkey: adopted process {pid}, data in {store.data}"
    if _is_listening(store.socket):
        raise Unusable(
            f"sallyport: an unknown server listens on {store.socket}: end it, then start again."
        )
    return None


def _start(store: Store) -> tuple[int, str]:
    make_folder(store.data, account=store.account)
    program, programs = find_valkey(home=store.home, account=store.account)
    settings = SETTINGS.format(
        socket=_quoted(store.socket), password=store.password, data=_quoted(store.data)
    )
    with append_log(store.log) as log:
        said_before = log.tell()
        # Settings by standard input: a command line would show the password to everybody.
        process = spawn(
            [program, "-"],
            account=store.account,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(settings.encode())
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(Loading):
            if serving_pid(store, has_loaded=True) == process.pid:
                owner = f" as {store.account.pw_name}" if store.account else ""
                return process.pid, (
                    f"Valkey {programs.version} ({programs.origin}): started{owner}, "
                    f"data in {store.data}"
                )
        time.sleep(POLL_SECONDS)
    processes.end(process.pid, *STOP)
    said = store.log.read_bytes()[said_before:].decode(errors="replace")
    tail = "\n".join(said.splitlines()[-LOG_TAIL_LINES:])
    raise Unusable(f"sallyport: Valkey did not start; its last words:\n{tail}")


class Loading(Exception):  # noqa: N818 - it is an answer
    """The server lives and still reads its file."""


class _Talk:
    """Just enough of the protocol to ask a few questions, without 7 MB of client library."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")

    def ask(self, *words: str) -> list[str]:
        sent = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
        try:
            self._connection.sendall(b"*%d\r\n" % len(words) + sent)
            return self._answer()
        except (OSError, ValueError) as error:
            raise Silent from error

    def _answer(self) -> list[str]:
        head = self._stream.readline()
        kind, rest = head[:1], head[1:].decode().strip()
        if kind == b"-":
            raise Loading if rest.startswith("LOADING") else Silent
        if kind == b"+":
            return [rest]
        if kind == b"$":
            return [self._stream.read(int(rest) + 2)[:-2].decode()]
        if kind == b"*":
            return [part for _ in range(int(rest)) for part in self._answer()]
        raise Silent

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._connection.close()


def _conversation(store: Store) -> _Talk:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(ANSWER_SECONDS)
    try:
        connection.connect(str(store.socket))
    except OSError as error:
        connection.close()
        raise Silent from error
    talk = _Talk(connection)
    try:
        talk.ask("AUTH", store.password)
    except BaseException:
        talk.__exit__()
        raise
    return talk


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True
    return True


def _quoted(value: Sequence[str] | Path) -> str:
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
