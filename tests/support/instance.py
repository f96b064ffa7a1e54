"""A real Sallyport on a free port: its own database, cache number, data folder and processes.

    with Instance() as instance:
        httpx.get(f"{instance.base_url}/healthz")

It works on whatever servers the suite was given, embedded or configured. The migrated template is
made once per set of migrations and copied in some 100 ms; web comes up in about a second.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from config.children import (
    MARK,
    PROJECT,
    manage_command,
    tethered,
    web_command,
    worker_command,
)
from config.embedded import Services
from config.run import answers_ready
from tests.support import slots, template
from tests.support.inside import Inside

PORTS = range(10_000, 32_000)
READY_SECONDS = 60
STOP_SECONDS = 20
# Bare processes see nothing of the caller's settings, only what an instance gives them.
FOREIGN = ("SALLYPORT_", "PG", "GRANIAN_", "DJANGO_", "PYTEST_")


@dataclass(frozen=True)
class Servers:
    """Where instances keep their data.

    owner_url: a role that may create databases. runtime_url: the role that the product runs as;
    None means the owner. is_shared: others use the Redis as well.
    """

    owner_url: str
    runtime_url: str | None
    redis_url: str
    is_shared: bool

    @classmethod
    def of(cls, services: Services) -> Self:
        """The embedded servers that `ensure_services` answered for."""
        found = {**os.environ, **services.environment()}
        return cls(
            owner_url=_value(found, "SALLYPORT_DATABASE_OWNER_URL")
            or _value(found, "SALLYPORT_DATABASE_URL"),
            runtime_url=_value(found, "SALLYPORT_DATABASE_URL"),
            redis_url=_value(found, "SALLYPORT_REDIS_URL"),
            is_shared="SALLYPORT_REDIS_URL_FILE" not in services.environment(),
        )

    @classmethod
    def of_the_suite(cls) -> Self:
        """The servers of this test run, embedded or configured."""
        return cls(
            owner_url=_value(os.environ, "SALLYPORT_DATABASE_URL"),
            runtime_url=os.environ.get("TEST_RUNTIME_DATABASE_URL"),
            redis_url=_value(os.environ, "SALLYPORT_REDIS_URL"),
            is_shared="TEST_RUNTIME_DATABASE_URL" not in os.environ,
        )


class Instance:
    """One running product. Use it as a context manager, or `start` and `stop` it.

    workers, threads: of the web server. with_worker: a Celery worker with beat as well.
    with_demo: the demo organisations; `demo` then holds demo.json.
    environment: further variables, such as SALLYPORT_CLOCK_OFFSET_SECONDS or SALLYPORT_SIGNUP.
    """

    def __init__(
        self,
        *,
        servers: Servers | None = None,
        workers: int = 1,
        threads: int = 4,
        with_worker: bool = False,
        with_demo: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.servers = servers or Servers.of_the_suite()
        self.workers, self.threads = workers, threads
        self.with_worker, self.with_demo = with_worker, with_demo
        self.extra = dict(environment or {})
        self.mark = secrets.token_hex(8)
        self.port = free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.var = Path(tempfile.mkdtemp(prefix="sallyport-instance-"))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.demo: dict[str, Any] = {}
        self._slot: slots.Slot | None = None
        self._inside: Inside | None = None

    # --- life ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start what does not run, and wait until /readyz says yes."""
        if self._slot is None:
            self._prepare()
        if self.with_worker and not self.is_running("worker"):
            self._spawn("worker", worker_command())
        if not self.is_running("web"):
            self._spawn(
                "web", web_command(port=self.port, workers=self.workers, threads=self.threads)
            )
        self.wait_ready()

    def stop(self, name: str | None = None) -> None:
        """End the processes, or the named one, as a supervisor would: SIGTERM and patience."""
        chosen = self._chosen(name)
        for process in chosen.values():
            process.terminate()
        for key, process in chosen.items():
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            self._bury(key)

    def kill(self, name: str | None = None) -> None:
        """End the processes, or the named one, with kill -9: no last words."""
        for key in self._chosen(name):
            self._bury(key)

    def restart(self) -> None:
        """Stop, then start on the same port, database and folder."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop and remove everything that is the instance's own, its database included."""
        self.stop()
        if self._inside is not None:
            self._inside.close()
        if self._slot is not None:
            with self._maintenance() as connection:
                template.drop(connection, self._name)
            self._slot.release()
            self._slot = None
        shutil.rmtree(self.var, ignore_errors=True)

    def is_running(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def wait_ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Wait until /readyz says yes; raises with the end of the log when web has died."""
        deadline = time.monotonic() + seconds
        while not answers_ready(self.port):
            if not self.is_running("web") or time.monotonic() > deadline:
                raise RuntimeError(f"the instance is not ready:\n{self.logs()[-4000:]}")
            time.sleep(0.05)

    # --- looking inside -----------------------------------------------------------------------

    @property
    def database_url(self) -> str:
        """The database by its owner's role, for looking and arranging."""
        if self._slot is None:
            raise RuntimeError("the instance was not started")
        return self._slot.database_url

    @property
    def runtime_url(self) -> str:
        """The database by the role that the product runs as."""
        if self.servers.runtime_url is None:
            return self.database_url
        return slots.with_database(self.servers.runtime_url, self._name)

    @property
    def redis_url(self) -> str:
        if self._slot is None:
            raise RuntimeError("the instance was not started")
        return self._slot.redis_url

    def connect(self) -> psycopg.Connection:
        """Open a connection as the owner, each statement its own transaction."""
        return psycopg.connect(self.database_url, autocommit=True)

    def logs(self, name: str | None = None) -> str:
        """What the processes said, or the named one."""
        files = sorted((self.var / "log").glob(f"{name or '*'}.log"))
        return "\n".join(f"== {file.stem}\n{file.read_text(errors='replace')}" for file in files)

    def manage(self, *words: str, as_owner: bool = False) -> str:
        """Run a management command against the instance; gives what it printed."""
        return self._run(manage_command(*words), as_owner=as_owner)

    def inside(self, script: str) -> str:
        """Run Python with the instance's settings; gives what it printed.

        It is `manage.py shell` in a process that stays for as long as the settings are the same.
        """
        environment = self.environment()
        kept = self._inside
        if kept is None or not kept.is_alive() or kept.environment != environment:
            if kept is not None:
                kept.close()
            kept = self._inside = Inside(environment, self.var / "log" / "inside.log")
        return kept.run(script)

    def celery(self, *words: str) -> str:
        """Run a command of Celery against the instance's worker; gives what it printed."""
        return self._run([sys.executable, "-m", "celery", "-A", "config", *words])

    def environment(self, *, as_owner: bool = False) -> dict[str, str]:
        """The variables of the instance's processes."""
        keys = _value(os.environ, "SALLYPORT_KEY_ENCRYPTION_KEYS") or SAMPLE_KEYS
        return _bare_environment() | {
            "PYTHONUNBUFFERED": "1",
            MARK: self.mark,
            "SALLYPORT_ENVIRONMENT": "test",
            "SALLYPORT_PORT": str(self.port),
            "SALLYPORT_VAR_DIR": str(self.var),
            "SALLYPORT_SECRET_KEY": f"{self.mark}{self.mark}{self.mark}",
            "SALLYPORT_KEY_ENCRYPTION_KEYS": keys,
            "SALLYPORT_DATABASE_URL": self.database_url if as_owner else self.runtime_url,
            "SALLYPORT_REDIS_URL": self.redis_url,
            **self.extra,
        }

    # --- making -------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return urlsplit(self.database_url).path.lstrip("/")

    def _prepare(self) -> None:
        (self.var / "log").mkdir()
        self._slot = slots.claim(
            database_url=self.servers.owner_url,
            redis_url=self.servers.redis_url,
            name="sallyport_instance",
            is_shared=self.servers.is_shared,
        )
        with template.lock(self.servers.owner_url) as connection:
            name = template.ensure(
                connection, owner_url=self.servers.owner_url, environment=self.environment()
            )
            template.copy(connection, name, to=self._name)
        if self.with_demo:
            self.manage("load_demo")
            self.demo = json.loads((self.var / "demo.json").read_text())

    def _run(self, command: list[str], *, as_owner: bool = False) -> str:
        answer = subprocess.run(
            command,
            cwd=PROJECT,
            env=self.environment(as_owner=as_owner),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode != 0:
            raise RuntimeError(f"{' '.join(command[1:])}:\n{answer.stdout}{answer.stderr}")
        return answer.stdout

    def _spawn(self, name: str, command: list[str]) -> None:
        with (self.var / "log" / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                tethered(command),
                cwd=PROJECT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _chosen(self, name: str | None) -> dict[str, subprocess.Popen[bytes]]:
        # The worker first: what it still does may need the web's neighbours, not the reverse.
        order = ("worker", "web") if name is None else (name,)
        return {key: self.processes[key] for key in order if key in self.processes}

    def _bury(self, name: str) -> None:
        """Make sure that neither the process nor a child of its own lives."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def _maintenance(self) -> psycopg.Connection:
        return psycopg.connect(
            slots.with_database(self.servers.owner_url, "postgres"), autocommit=True
        )


def free_port() -> int:
    """A port that is free now, and below those that the system gives to whoever connects."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


SAMPLE_KEYS = "k1:" + "QUJD" * 10 + "QUI="


def _value(environment: Mapping[str, str], name: str) -> str:
    if environment.get(name):
        return environment[name]
    path = environment.get(f"{name}_FILE")
    return Path(path).read_text().strip() if path else ""


def _bare_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
