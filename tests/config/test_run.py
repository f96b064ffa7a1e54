"""The supervisor with real granian, real Celery and real servers, around a product of a few lines."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from config.children import Child, environment_for, marked_processes
from config.embedded import processes
from config.embedded.paths import Places
from config.embedded.services import PROJECT, serving_pids
from config.run import Refused, read_port
from tests.config.embedded import bare_environment, connect, data_folder, wait_until
from tests.support.instance import free_port

MANAGE = """
import json, os, pathlib, psycopg, sys
command, var = sys.argv[1], pathlib.Path(os.environ["SALLYPORT_VAR_DIR"])
url = pathlib.Path(os.environ["SALLYPORT_DATABASE_URL_FILE"]).read_text()
with psycopg.connect(url) as connection:
    if command == "migrate":
        connection.execute("CREATE TABLE IF NOT EXISTS thing (id int)")
    print(command, connection.execute("SELECT current_user").fetchone()[0])
if command == "load_demo":
    base = "http://localhost:" + os.environ["SALLYPORT_PORT"]
    (var / "demo.json").write_text(json.dumps({"base_url": base}))
"""
WSGI = """
import os
seen = sorted(name for name in os.environ if name.startswith(("SALLYPORT_", "PG")))
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\\n".join(seen).encode()]
"""
CELERY = """
import os, pathlib
from celery import Celery
url = pathlib.Path(os.environ["SALLYPORT_REDIS_URL_FILE"]).read_text().strip()
app = Celery("product", broker=url.replace("unix://", "redis+socket://").replace("db=", "virtual_host="))
"""


@pytest.fixture
def product(seed: Path) -> Iterator["Product"]:
    with data_folder(like=seed) as var:
        tree = var.parent / "product"
        shutil.copytree(PROJECT / "config", tree / "config", ignore=shutil.ignore_patterns("__py*"))
        (tree / "config" / "wsgi.py").write_text(WSGI)
        (tree / "config" / "celery.py").write_text(CELERY)
        (tree / "manage.py").write_text(MANAGE)
        running = Product(tree, var)
        try:
            yield running
        finally:
            running.kill()


class Product:
    """`python -m config.run` in a tree of its own."""

    def __init__(self, tree: Path, var: Path) -> None:
        self.tree, self.var, self.port = tree, var, free_port()
        self.said = ""
        self.supervisor: subprocess.Popen[str] | None = None

    def start(self, *, wait: bool = True, **more: str) -> "Product":
        self.supervisor = subprocess.Popen(
            [sys.executable, "-m", "config.run"],
            cwd=self.tree,
            env=self.environment(**more),
            stdout=(self.var.parent / "console").open("w"),
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        if wait:
            wait_until(lambda: "is ready" in self.console() or not self.is_running, seconds=60)
            assert self.is_running, self.console()
        return self

    def environment(self, **more: str) -> dict[str, str]:
        ours = {"SALLYPORT_PORT": str(self.port), "SALLYPORT_VAR_DIR": str(self.var)}
        return {**bare_environment(), **ours, **more}

    @property
    def is_running(self) -> bool:
        return self.supervisor is not None and self.supervisor.poll() is None

    def console(self) -> str:
        return (self.var.parent / "console").read_text()

    def has_said(self, text: str) -> bool:
        return text in self.console()

    def ask(self, *signals: signal.Signals) -> int:
        """Send the signals, wait for the end; the exit code."""
        assert self.supervisor is not None
        for number in signals:
            self.supervisor.send_signal(number)
        return self.supervisor.wait(60)

    def get(self) -> str:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()

    def mark(self) -> str:
        found = json.loads((self.var / "run.json").read_text())["mark"]
        assert isinstance(found, str)
        return found

    def kill(self) -> None:
        if self.is_running and self.supervisor is not None:
            self.supervisor.kill()
            self.supervisor.wait()
        if (self.var / "run.json").exists():
            for pid in marked_processes(self.mark()):
                with suppress(ProcessLookupError):  # it may be gone by itself
                    os.kill(pid, signal.SIGKILL)


class TestOneRun:
    def test_it_migrates_as_the_owner_and_serves_as_the_runtime_role(
        self, product: Product
    ) -> None:
        product.start(PGHOST="nowhere.example")
        console, answer = product.console(), product.get()
        mark = product.mark()

        assert "migrate | migrate sallyport_owner" in console
        assert "demo   | load_demo sallyport_app" in console
        assert f"Sign in            http://localhost:{product.port}/" in console
        assert f"Demo accounts      {product.var}/demo.json" in console
        assert "SALLYPORT_DATABASE_URL_FILE" in answer
        assert "SALLYPORT_DATABASE_OWNER_URL" not in answer
        assert "PGHOST" not in answer

        assert product.ask(signal.SIGINT) == 0

        assert marked_processes(mark) == []
        assert serving_pids(Places(product.var)) == {}
        assert not (product.var / "run.json").exists()
        assert "Traceback" not in product.console()

    def test_a_second_run_keeps_the_demo_and_starts_from_what_is_there(
        self, product: Product
    ) -> None:
        product.start().ask(signal.SIGTERM)

        product.start()

        assert "load_demo" not in product.console()
        assert "migrate | migrate sallyport_owner" in product.console()
        assert product.ask(signal.SIGTERM) == 0

    def test_a_killed_web_server_and_worker_are_named_and_started_again(
        self, product: Product
    ) -> None:
        product.start()
        mark = product.mark()
        victims = [leader(mark, b"granian"), leader(mark, b"celery")]
        for pid in victims:
            os.kill(pid, signal.SIGKILL)

        for name in ("web", "worker"):
            told = f"{name} ended (killed by SIGKILL); again in 1 s."
            wait_until(partial(product.has_said, told))
        wait_until(lambda: leader(mark, b"granian") > 0 and leader(mark, b"celery") > 0)
        wait_until(lambda: answers(product))
        # What they left behind went with them: granian's workers, Celery's beat.
        assert not group_members(victims)
        assert product.ask(signal.SIGINT) == 0

    def test_after_kill_minus_nine_of_the_supervisor_the_next_one_takes_over(
        self, product: Product
    ) -> None:
        product.start()
        before, mark = serving_pids(Places(product.var)), product.mark()
        assert product.supervisor is not None
        product.supervisor.kill()
        product.supervisor.wait()

        product.start()

        assert serving_pids(Places(product.var)) == before
        assert f"adopted process {before['postgres']}" in product.console()
        assert marked_processes(mark) == []
        assert product.ask(signal.SIGINT) == 0

    def test_a_second_signal_stops_without_patience_and_without_harm(
        self, product: Product
    ) -> None:
        product.start()
        mark = product.mark()
        with connect(product.var, "database_url"):
            assert product.ask(signal.SIGINT, signal.SIGINT) == 0

        assert marked_processes(mark) == []
        assert serving_pids(Places(product.var)) == {}
        assert "database system is shut down" in (product.var / "log/postgres.log").read_text()

    def test_a_stop_in_the_middle_of_the_start_leaves_nothing(self, product: Product) -> None:
        product.start(wait=False)
        wait_until((product.var / "run.lock").exists)

        assert product.ask(signal.SIGTERM) == 0

        assert serving_pids(Places(product.var)) == {}
        assert "Traceback" not in product.console()

    def test_stop_by_command_ends_the_run_of_the_folder(self, product: Product) -> None:
        product.start()

        subprocess.run(
            [sys.executable, "-m", "config.run", "stop"],
            cwd=product.tree,
            env=product.environment(),
            check=True,
            timeout=60,
        )

        assert not product.is_running
        assert serving_pids(Places(product.var)) == {}


class TestRefusals:
    def test_a_taken_port_is_one_sentence_before_anything_starts(self, product: Product) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", product.port))
            other.listen()

            assert product.start(wait=False).ask() == 1

        assert product.console() == (
            f"sallyport: port {product.port} is taken: stop what uses it, or choose another with "
            "SALLYPORT_PORT (the demo application uses the port 10 above).\n"
        )
        assert serving_pids(Places(product.var)) == {}

    def test_a_second_run_from_the_same_folder_names_the_first(self, product: Product) -> None:
        product.start()
        first = product.supervisor
        assert first is not None

        refused = subprocess.run(
            [sys.executable, "-m", "config.run"],
            cwd=product.tree,
            env=product.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

        assert refused.returncode == 1
        assert re.match(
            rf"sallyport: it already runs from .* \(process {first.pid}, http://localhost:\d+\): "
            "stop that one, or choose another SALLYPORT_VAR_DIR and SALLYPORT_PORT.\n$",
            refused.stderr,
        )
        assert product.is_running

    def test_a_failing_migration_ends_the_run(self, product: Product) -> None:
        (product.tree / "manage.py").write_text("raise SystemExit('no such column')")

        assert product.start(wait=False).ask() == 1

        assert "migrate | no such column" in product.console()
        assert "sallyport: `manage.py migrate` failed (exit code 1)." in product.console()
        assert serving_pids(Places(product.var)) == {}

    def test_a_web_server_that_never_starts_ends_the_run(self, product: Product) -> None:
        (product.tree / "config" / "wsgi.py").write_text("raise RuntimeError('broken')")

        assert product.start(wait=False).ask() == 1

        assert "sallyport: the web server does not start" in product.console()
        assert serving_pids(Places(product.var)) == {}

    @pytest.mark.parametrize("text", ["x", "0", "-1", "65526", "70000"])
    def test_a_port_that_is_none_is_refused(self, text: str) -> None:
        with pytest.raises(Refused, match="SALLYPORT_PORT must be a number from 1 to 65525"):
            read_port(text)


class TestChildren:
    def test_only_the_migrating_child_gets_the_owners_url(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("SALLYPORT_DATABASE_URL", "SALLYPORT_DATABASE_URL_FILE"):
            monkeypatch.delenv(name, raising=False)
        services = {
            "SALLYPORT_DATABASE_URL_FILE": "/runtime",
            "SALLYPORT_DATABASE_OWNER_URL_FILE": "/owner",
        }

        assert environment_for(services)["SALLYPORT_DATABASE_URL_FILE"] == "/runtime"
        migrating = environment_for(services, as_owner=True)
        assert migrating["SALLYPORT_DATABASE_URL_FILE"] == "/owner"
        assert "SALLYPORT_DATABASE_OWNER_URL_FILE" not in migrating

    def test_a_child_dies_with_its_supervisor(self) -> None:
        script = (
            "import time; from config.children import Child; "
            "child = Child('c', ['sleep', '60'], {}); child.start(); "
            "print(child.process.pid, flush=True); time.sleep(60)"
        )
        supervisor = subprocess.Popen(
            [sys.executable, "-c", script], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        wait_until(lambda: processes.program_of(pid) == "sleep")

        supervisor.kill()
        supervisor.communicate()

        wait_until(lambda: not processes.is_running(pid))

    def test_what_it_says_arrives_in_whole_lines_and_in_its_log(self, tmp_path: Path) -> None:
        log = tmp_path / "log" / "child.log"
        child = Child("c", ["/bin/sh", "-c", "printf 'one\\ntwo'; exit 3"], dict(os.environ), log)
        child.start()
        lines: list[bytes] = []
        deadline = time.monotonic() + 20
        while (more := child.read_lines()) is not None and time.monotonic() < deadline:
            lines += more

        assert lines == [b"one", b"two"]
        assert log.read_bytes() == b"one\ntwo\n"
        wait_until(lambda: not child.is_running)
        assert child.how_it_ended() == "exit code 3"


def leader(mark: str, program: bytes) -> int:
    """The process that the supervisor itself started for a program; 0 when there is none."""
    for pid in sorted(marked_processes(mark)):
        try:
            is_ours = program in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            continue
        if is_ours and os.getpgid(pid) == pid:
            return pid
    return 0


def group_members(groups: list[int]) -> list[int]:
    words = ["pgrep", "-g", ",".join(map(str, groups))]
    found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
    return [int(pid) for pid in found if processes.is_running(int(pid))]


def answers(product: Product) -> bool:
    try:
        return product.get().startswith("HTTP/1.")
    except OSError:
        return False
