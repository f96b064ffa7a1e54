"""The supervisor behind `make run`: one command from a fresh clone to a product that answers.

In order: services, migrations, the demo organisation, then web, worker with beat and the demo
application, each followed and started again when it dies. Ctrl-C or SIGTERM stops them in the
opposite order, a second one without patience. After a kill -9 of this process the next start
adopts what lives on.
"""

import contextlib
import errno
import fcntl
import json
import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.children import (
    MARK,
    PROJECT,
    Child,
    environment_for,
    manage_command,
    marked_processes,
    web_command,
    worker_command,
)
from config.embedded import Services, Unusable, attach_services, processes
from config.embedded.paths import open_places
from config.embedded.secret_files import write_private

DEFAULT_PORT = 8000
LOOPBACK = '["127.0.0.0/8", "::1/128"]'
DEMO_CLIENT_DISTANCE = 10
HIGHEST_PORT = 65_535
READY_SECONDS = 120
READY_PROBE_SECONDS = 0.25
TICK_SECONDS = 0.5
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 30.0
# Who lived this long starts again without a grudge.
STEADY_SECONDS = 60
QUICK_DEATHS_BEFORE_READY = 3
# A worker finishes its task (at most 30 s), a web process its requests.
PATIENCE_SECONDS = {"worker": 35.0, "web": 15.0}
LEFTOVER_SECONDS = 15.0


class Refused(SystemExit):
    """A start that cannot succeed; its text is one sentence."""


@dataclass
class Supervisor:
    """One run of the product."""

    var: Path
    port: int
    services: Services | None = None
    running: dict[str, Child] = field(default_factory=dict)
    restart_at: dict[str, float] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    stop_requests: int = 0
    is_ready: bool = False
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._console_is_open = True

    # --- the whole run ------------------------------------------------------------------------

    def run(self) -> int:
        """Bring the product up, follow it until a stop is asked for, and take it down."""
        places = open_places(self.var)
        with self._signals(), _only_run(places.var / "run.json"):
            _sweep_leftovers(places.var / "run.json")
            for port in (self.port, self.client_port):
                _refuse_taken_port(port)
            try:
                return self._run()
            finally:
                self._stop()

    def _run(self) -> int:
        os.environ.setdefault("SALLYPORT_ENVIRONMENT", "development")
        os.environ["SALLYPORT_PORT"] = str(self.port)
        if os.environ["SALLYPORT_ENVIRONMENT"] == "development":  # the demo application is told
            os.environ.setdefault("SALLYPORT_OUTBOUND__ALLOWED_NETWORKS", LOOPBACK)
        self.services = attach_services(self.var)
        for line in self.services.lines:
            self._say(line)
        steps = {"migrate": ["migrate", "--no-input", "-v", "1"]}
        if self._needs_demo():
            steps["demo"] = ["load_demo"]
        for name, words in steps.items():
            if self.stop_requests:
                return 0
            self._do(name, *words, as_owner=name == "migrate")
        for child in self._children():
            self._start(child)
        deadline = time.monotonic() + READY_SECONDS
        next_probe = 0.0
        while not self.stop_requests:
            self._follow(TICK_SECONDS if self.is_ready else READY_PROBE_SECONDS)
            self._tend()
            if not self.is_ready and time.monotonic() >= next_probe:
                next_probe = time.monotonic() + READY_PROBE_SECONDS
                self.is_ready = answers_ready(self.port)
                if self.is_ready:
                    self._announce()
                elif time.monotonic() > deadline:
                    raise Refused(
                        f"sallyport: not ready after {READY_SECONDS} s: read "
                        f"{self.var / 'log' / 'web.log'}."
                    )
        return 0

    @property
    def client_port(self) -> int:
        return self.port + DEMO_CLIENT_DISTANCE

    @property
    def base_url(self) -> str:
        return os.environ.get("SALLYPORT_BASE_URL") or f"http://localhost:{self.port}"

    # --- what runs ----------------------------------------------------------------------------

    def _environment(self, **own: str) -> dict[str, str]:
        known = self.services.environment() if self.services else {}
        return environment_for(known, own={MARK: self.mark, **own})

    def _children(self) -> Iterator[Child]:
        logs = self.var / "log"
        yield Child("web", web_command(port=self.port), self._environment(), logs / "web.log")
        yield Child("worker", worker_command(), self._environment(), logs / "worker.log")
        demo = self.var / "demo.json"
        if not (PROJECT / "examples" / "demo_client").is_dir():
            self._say("The demo application is not part of this checkout: it is left out.")
        elif not demo.exists():
            self._say(f"The demo application needs {demo}: it is left out.")
        else:
            yield Child(
                "client",
                [sys.executable, "-m", "examples.demo_client"],
                self._environment(
                    DEMO_CLIENT_CONFIG=str(demo), DEMO_CLIENT_PORT=str(self.client_port)
                ),
                logs / "client.log",
            )

    def _needs_demo(self) -> bool:
        if os.environ["SALLYPORT_ENVIRONMENT"] != "development":
            return False
        return _read_json(self.var / "demo.json").get("base_url") != self.base_url

    # --- starting, following, tending ---------------------------------------------------------

    def _do(self, name: str, *words: str, as_owner: bool = False) -> None:
        """Run a management command to its end; its failure ends the run."""
        known = self.services.environment() if self.services else {}
        environment = environment_for(known, own={MARK: self.mark}, as_owner=as_owner)
        # No log file: the demo's first passwords are shown once, and kept in demo.json only.
        child = Child(name, manage_command(*words), environment)
        self._start(child)
        while child.is_running:
            self._follow(TICK_SECONDS)
            if self.stop_requests:
                child.send(signal.SIGTERM)
        self._drain(child)
        del self.running[name]
        if child.process is not None and child.process.returncode != 0 and not self.stop_requests:
            raise Refused(f"sallyport: `manage.py {words[0]}` failed ({child.how_it_ended()}).")

    def _start(self, child: Child) -> None:
        child.start()
        self.running[child.name] = child
        self._selector.register(child.output, selectors.EVENT_READ, child)
        write_private(
            self.var / "run.json",
            json.dumps({"pid": os.getpid(), "mark": self.mark, "base_url": self.base_url}) + "\n",
        )

    def _follow(self, seconds: float) -> None:
        """Pass on what the children say, until the time is over or something happens."""
        for key, _ in self._selector.select(seconds):
            if isinstance(key.data, Child):
                self._pass_on(key.data)
            else:
                with contextlib.suppress(BlockingIOError):
                    key.fileobj.recv(4096)  # type: ignore[union-attr]

    def _pass_on(self, child: Child) -> bool:
        lines = child.read_lines()
        for line in lines or []:
            self._write(b"%-6s | %s\n" % (child.name.encode(), line))
        if lines is None:
            self._selector.unregister(child.output)
        return bool(lines)

    def _drain(self, child: Child) -> None:
        """Pass on the last words of a process that has ended, and let go of its pipe."""
        if child.process is None or child.process.stdout is None or child.process.stdout.closed:
            return
        with contextlib.suppress(KeyError):
            while self._pass_on(child):
                pass
            self._selector.unregister(child.output)
        child.process.stdout.close()

    def _tend(self) -> None:
        """Start again, after a pause that grows, what died without being asked."""
        now = time.monotonic()
        for child in self.running.values():
            if child.is_running:
                continue
            if child.name in self.restart_at:
                if now >= self.restart_at[child.name]:
                    del self.restart_at[child.name]
                    self._start(child)
                    return
                continue
            child.end_group()  # what it left behind would hold its port
            self._drain(child)
            self._plan_restart(child, now)

    def _plan_restart(self, child: Child, now: float) -> None:
        if now - child.started > STEADY_SECONDS:
            self.delays.pop(child.name, None)
        delay = self.delays.get(child.name, FIRST_DELAY_SECONDS)
        self.delays[child.name] = min(delay * 2, LONGEST_DELAY_SECONDS)
        is_hopeless = delay >= FIRST_DELAY_SECONDS * 2 ** (QUICK_DEATHS_BEFORE_READY - 1)
        if child.name == "web" and not self.is_ready and is_hopeless:
            raise Refused(
                f"sallyport: the web server does not start ({child.how_it_ended()}): read "
                f"{self.var / 'log' / 'web.log'}."
            )
        self._say(f"{child.name} ended ({child.how_it_ended()}); again in {delay:.0f} s.")
        self.restart_at[child.name] = now + delay

    def _announce(self) -> None:
        demo = self.var / "demo.json"
        lines = ["", "Sallyport is ready.", f"  Sign in            {self.base_url}/"]
        if "client" in self.running:
            lines.append(f"  Demo application   http://localhost:{self.client_port}/")
        if demo.exists():
            lines.append(f"  Demo accounts      {demo} (e-mail, password, TOTP secret)")
        lines += ["  Ctrl-C stops everything.", ""]
        self._say("\n".join(lines))

    # --- stopping -----------------------------------------------------------------------------

    def _stop(self) -> None:
        """Stop in order: beat and worker, web and demo application, Valkey, PostgreSQL."""
        if self.running or self.services:
            self._say("Stopping …")
        self.restart_at.clear()
        try:
            for names in (("migrate", "demo", "worker"), ("web", "client")):
                self._end([self.running[name] for name in names if name in self.running])
        finally:
            if self.services is not None and not self.services.stop(hard=self.stop_requests > 1):
                self._say("PostgreSQL and Valkey go on: somebody else uses or keeps them.")
        self._selector.close()
        (self.var / "run.json").unlink(missing_ok=True)

    def _end(self, children: Sequence[Child]) -> None:
        for child in children:
            child.send(signal.SIGTERM)
        patience = max((PATIENCE_SECONDS.get(child.name, 5.0) for child in children), default=0.0)
        deadline = time.monotonic() + patience
        while any(child.is_running for child in children):
            if self.stop_requests > 1 or time.monotonic() > deadline:
                break
            self._follow(0.05)
        for child in children:
            child.end_group()
            if child.process is not None:
                child.process.wait()
            self._drain(child)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn signals into requests that the loop sees; a terminal that closes counts as one."""
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._selector.register(reader, selectors.EVENT_READ)
        previous = {
            number: signal.getsignal(number)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
        }
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        if previous[signal.SIGHUP] is not signal.SIG_IGN:  # nohup
            signal.signal(signal.SIGHUP, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the loop
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in previous.items():
                signal.signal(number, handler)
            reader.close()
            writer.close()

    def _ask_to_stop(self, *_: object) -> None:
        self.stop_requests += 1

    # --- speaking -----------------------------------------------------------------------------

    def _say(self, text: str) -> None:
        self._write(text.encode() + b"\n")

    def _write(self, text: bytes) -> None:
        if not self._console_is_open:
            return
        try:
            sys.stdout.buffer.write(text)
            sys.stdout.buffer.flush()
        except OSError:  # `make run | head`: the product goes on, the logs have it all
            self._console_is_open = False


def answers_ready(port: int) -> bool:
    """Ask /readyz; True when the web server says that database, broker and keys are there."""
    request = f"GET /readyz HTTP/1.0\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(request.encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


def read_port(text: str | None) -> int:
    """Read SALLYPORT_PORT; refuses what leaves no room for the demo application's port."""
    try:
        port = int(text or DEFAULT_PORT)
    except ValueError:
        port = 0
    if not 0 < port <= HIGHEST_PORT - DEMO_CLIENT_DISTANCE:
        raise Refused(
            "sallyport: SALLYPORT_PORT must be a number from 1 to "
            f"{HIGHEST_PORT - DEMO_CLIENT_DISTANCE}, and is {text!r}."
        )
    return port


def main(arguments: Sequence[str] = ()) -> int:
    """Run the product from the environment's folder and port; `stop` ends a run of that folder."""
    var = (PROJECT / os.environ.get("SALLYPORT_VAR_DIR", "var")).resolve()
    if list(arguments) == ["stop"]:
        return _stop_other_run(var / "run.json")
    _leave_with_make()
    return Supervisor(var, read_port(os.environ.get("SALLYPORT_PORT"))).run()


def _leave_with_make() -> None:
    """Stop cleanly when `make` itself is killed: nobody would be left to press Ctrl-C."""
    if sys.platform == "linux" and os.environ.get("MAKELEVEL"):
        import ctypes  # noqa: PLC0415 - Linux only

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def _only_run(record: Path) -> Iterator[None]:
    """Be the only supervisor of this data folder."""
    descriptor = os.open(record.with_name("run.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = _read_json(record)
            raise Refused(
                f"sallyport: it already runs from {record.parent}"
                f" (process {found.get('pid', 'unknown')}, {found.get('base_url', 'starting')}):"
                " stop that one, or choose another SALLYPORT_VAR_DIR and SALLYPORT_PORT."
            ) from None
        yield
    finally:
        os.close(descriptor)


def _stop_other_run(record: Path) -> int:
    """Ask the supervisor of a data folder to stop, and wait until it has."""
    try:
        with _only_run(record):
            return 0
    except Refused:
        pid = _read_json(record).get("pid")
    if not isinstance(pid, int):
        raise Refused("sallyport: it is just starting or stopping: try again.")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    return 0 if processes.wait_for_end([pid], seconds=sum(PATIENCE_SECONDS.values()) + 30) else 1


def _sweep_leftovers(record: Path) -> None:
    """End the children of a supervisor that was killed, if some have not noticed yet."""
    mark = _read_json(record).get("mark")
    if not mark:
        return
    for number, patience in ((signal.SIGTERM, LEFTOVER_SECONDS), (signal.SIGKILL, 5.0)):
        leftovers = marked_processes(mark)
        for pid in leftovers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if processes.wait_for_end(leftovers, seconds=patience):
            return


def _refuse_taken_port(port: int) -> None:
    """Refuse a port on which somebody else answers, on either address of localhost."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Refused(
                    f"sallyport: port {port} is taken: stop what uses it, or choose another with "
                    f"SALLYPORT_PORT (the demo application uses the port {DEMO_CLIENT_DISTANCE} "
                    "above)."
                ) from None
            if error.errno == errno.EACCES:
                raise Refused(
                    f"sallyport: port {port} needs rights that you have not: choose one above 1023."
                ) from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Unusable as refusal:
        sys.exit(str(refusal))
