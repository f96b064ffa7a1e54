"""Start a provider under granian and know when it answers."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from bench.cluster import Cluster
from bench.load import Work
from config.children import web_command
from config.embedded import Services

REPOSITORY = Path(__file__).resolve().parent.parent
STARTS_WITHIN_SECONDS = 60
STOPS_WITHIN_SECONDS = 15
# Said with the figures: the same for every peer.
SHAPE = " ".join(web_command(port=0)[2:-1]).replace(" --host 127.0.0.1 --port 0", "")


class Unavailable(Exception):  # noqa: N818 - a reason, not a fault
    """This peer cannot run here; the text says why, and the run goes on without it."""


class Peer(Protocol):
    name: str
    notes: str

    @property
    def server(self) -> "Server": ...

    def prepare(self, cluster: Cluster, services: Services) -> None:
        """Make database, tables and client. Raises Unavailable."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def versions(self) -> dict[str, str]: ...

    def paths(self) -> Mapping[Work, str]:
        """Where each work is asked for; a work that is not in it is left out."""

    def client(self, work: Work) -> tuple[str, str, str]:
        """The client's id, its secret and the scope it asks for."""

    def seed(self, work: Work, *, count: int, into: Path) -> None:
        """Make fresh tokens outside the timed part and write them to a file, one on a line."""

    def extras(self, work: Work, *, count: int, folder: Path) -> dict[str, Any]:
        """What the job of a work needs beside tokens (`Job`): proofs, cookie, authorize."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One granian process tree with its log, in the shape in which the product ships."""

    def __init__(
        self,
        *,
        python: Path,
        application: str,
        environment: dict[str, str],
        log: Path,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.log = log
        self.last_error = ""
        options = web_command(port=self.port)[1:-1]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [python, *options, application],
                cwd=REPOSITORY,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_for(self, path: str) -> None:
        """Return once the path answers 200."""
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urllib.request.urlopen(self.base_url + path, timeout=5):  # noqa: S310
                    return
            except urllib.error.HTTPError as error:
                self.last_error = f"{path} answers {error.code}"
                time.sleep(0.5)
            except OSError as error:
                self.last_error = str(error)
                time.sleep(0.1)
        end = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"the server did not start ({self.last_error}):\n{end}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def clean_environment() -> dict[str, str]:
    """What a server may inherit: no PG*, DJANGO_* or SALLYPORT_* of the caller's shell."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PIP_", "SSL_", "HTTPS_PROXY", "NO_PROXY")
    return {name: value for name, value in os.environ.items() if name.startswith(kept)} | {
        "PYTHONUNBUFFERED": "1"
    }
