"""A launcher to try things on: data folders of its own, and processes as root's account sees them."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from config.embedded import processes
from config.embedded.paths import Places, open_places
from config.embedded.services import PROJECT, launcher_lock, serving_pids, stop_servers


@contextlib.contextmanager
def data_folder(*, like: Path | None = None) -> Iterator[Path]:
    """A data folder that the servers' account can reach, emptied of servers at the end.

    like: a stopped data folder to copy, which saves a second of initialising.
    """
    base = Path(tempfile.mkdtemp(prefix="sp-", dir=_quick_folder()))
    base.chmod(0o711)
    try:
        if like is not None:
            subprocess.run(["cp", "-a", like, base / "var"], check=True)
        yield base / "var"
    finally:
        remove(base / "var")
        shutil.rmtree(base, ignore_errors=True)


def _quick_folder() -> str:
    """Memory where there is plenty: a killed process loses nothing of it, unlike a power cut."""
    memory = Path("/dev/shm")
    is_roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2_000_000_000
    return str(memory) if is_roomy and os.access(memory, os.W_OK) else "/tmp"


def remove(var: Path) -> None:
    if var.exists():
        places = open_places(var)
        with launcher_lock(places):
            stop_servers(places, hard=True)
        shutil.rmtree(places.elsewhere, ignore_errors=True)


def launcher(var: Path, command: str = "attach", **more: str) -> subprocess.Popen[str]:
    """The command line, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "config.embedded", command],
        env={**bare_environment(), "SALLYPORT_VAR_DIR": str(var), **more},
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_all(pids: dict[str, int]) -> None:
    victims = [*children_of(pids["postgres"]), *pids.values()]
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(processes.is_running(pid) for pid in victims))


def superuser(var: Path) -> psycopg.Connection:
    password = (var / "secrets" / "postgres_root_password").read_text().strip()
    sockets = json.loads((var / "embedded.json").read_text())["sockets"]
    return psycopg.connect(
        host=sockets,
        port=5432,
        user="sallyport_root",
        password=password,
        dbname="postgres",
        autocommit=True,
    )


def start(var: Path) -> dict[str, int]:
    """Start both services in a process that ends at once; their process numbers."""
    said, complaint = launcher(var).communicate(timeout=60)
    assert said, complaint
    return serving_pids(Places(var))


def said_by_start(var: Path, **more: str) -> str:
    said, complaint = launcher(var, **more).communicate(timeout=60)
    return "\n".join(json.loads(said)["lines"]) if said else complaint


def bare_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("SALLYPORT_", "PG"))}


def connect(var: Path, name: str = "database_owner_url") -> psycopg.Connection:
    url = (var / "secrets" / name).read_text().strip()
    return psycopg.connect(url, autocommit=True)


def wait_until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    answer = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in answer.stdout.split()]


def as_user(uid: int, gid: int) -> dict[str, Any]:
    """How a process is started as another account; nothing when that is our own."""
    if os.geteuid() != 0:
        return {}
    return {"user": uid, "group": gid, "extra_groups": []}
