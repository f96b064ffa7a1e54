"""The product's processes: how each is started, followed and ended.

Each runs in a session of its own, so Ctrl-C reaches the supervisor alone and the order of stopping
is ours. When the supervisor is killed, the kernel ends them (Linux).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from config.embedded import processes
from config.embedded.account import append_log

PROJECT = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1
READ_BYTES = 65_536
# Marks what a supervisor started, so the next one can tell left-overs from strangers.
MARK = "SUPERVISOR_RUN"
# Variables of the shell that would steer libpq and granian behind our backs.
STEERING = ("PG", "GRANIAN_")
# Run between us and the program: it asks the kernel for SIGTERM when we die, then becomes the
# program. (A preexec_fn would do the same, but not safely in a process with threads.)
TETHER = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({PR_SET_PDEATHSIG}, signal.SIGTERM)
os.getppid() == int(sys.argv[1]) or sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def web_command(*, port: int, workers: int = 2, threads: int = 2) -> list[str]:
    """Say how the web server is started; it listens on 127.0.0.1.

    More threads in a worker only fight for the interpreter: with four instead of two a refresh
    costs a tenth more processor time and the slowest answers come later.
    """
    return [
        *(sys.executable, "-m", "granian", "--interface", "wsgi"),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads)),
        *("--no-ws", "--respawn-failed-workers", "--workers-kill-timeout", "10"),
        "config.wsgi:application",
    ]


def worker_command(*, with_beat: bool = True) -> list[str]:
    """Say how the Celery worker is started: threads with beat among them are the smallest."""
    return [
        # Under root Celery prints a page of warning; the supervisor's account is its user's choice.
        *(sys.executable, "-W", "ignore:You're running the worker with superuser"),
        *("-m", "celery", "--quiet", "-A", "config.worker" if with_beat else "config", "worker"),
        *("--pool", "threads", "--concurrency", "4", "--loglevel", "warning"),
        *("--without-gossip", "--without-mingle"),
    ]


def manage_command(*words: str) -> list[str]:
    """Say how a management command is started."""
    return [sys.executable, str(PROJECT / "manage.py"), *words]


def tethered(command: Sequence[str]) -> list[str]:
    """Wrap a command so that it gets SIGTERM when the calling thread's process dies (Linux)."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-ESc", TETHER, str(os.getpid()), *command]


def environment_for(
    services: Mapping[str, str], *, own: Mapping[str, str] | None = None, as_owner: bool = False
) -> dict[str, str]:
    """Build a child's environment.

    services: what `Services.environment` gave. own: what else the child needs.
    as_owner: the child migrates, so its database URL is the owner's where there is one; no other
    child gets to see that URL.
    """
    found = {
        name: value for name, value in os.environ.items() if not name.startswith(STEERING)
    } | dict(services)
    owner = {
        suffix: found.pop(f"SALLYPORT_DATABASE_OWNER_URL{suffix}", "") for suffix in ("", "_FILE")
    }
    if as_owner and any(owner.values()):
        for suffix, value in owner.items():
            found.pop(f"SALLYPORT_DATABASE_URL{suffix}", None)
            if value:
                found[f"SALLYPORT_DATABASE_URL{suffix}"] = value
    return found | {"PYTHONUNBUFFERED": "1"} | dict(own or {})


@dataclass
class Child:
    """One process of the product and what is needed to start it again."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    started: float = 0.0
    _partial: bytes = field(default=b"", repr=False)
    _log_file: IO[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the process; its output comes through `output`."""
        if self.log is not None and self._log_file is None:
            self._log_file = append_log(self.log)
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            tethered(self.command),
            cwd=PROJECT,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.set_blocking(self.output, False)

    @property
    def output(self) -> int:
        """The descriptor of everything that the process says."""
        if self.process is None or self.process.stdout is None:
            raise RuntimeError(f"{self.name} was not started")
        return self.process.stdout.fileno()

    def read_lines(self) -> list[bytes] | None:
        """Take the whole lines said since the last call and log them; None at the end."""
        try:
            said = os.read(self.output, READ_BYTES)
        except BlockingIOError:
            return []
        *lines, rest = (self._partial + said).split(b"\n")
        self._partial = rest
        if not said:
            lines, self._partial = [rest] if rest else [], b""
        if self._log_file is not None and lines:
            self._log_file.write(b"\n".join(lines) + b"\n")
            self._log_file.flush()
        return lines if said or lines else None

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, which passes it on as it sees fit."""
        if self.process is not None and self.is_running:
            self.process.send_signal(number)

    def end_group(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Signal all that the process started and left behind."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except (ProcessLookupError, PermissionError):
                return

    def how_it_ended(self) -> str:
        """Say how the process ended, for people."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return "not ended"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def marked_processes(run: str) -> list[int]:
    """Find the processes that carry a supervisor's mark; empty where the system does not tell."""
    wanted = f"{MARK}={run}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in variables and processes.is_running(int(folder.name)):
            found.append(int(folder.name))
    return found
