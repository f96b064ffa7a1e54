"""A real Open Policy Agent: built once by Go from its module, and run as a server for a test.

    with Opa(POLICIES) as opa:
        httpx.post(f"{opa.url}/v1/data/sallyport/decision", json={"input": {}})

Without Go there is none, and the tests that need it are skipped with that reason.
"""

import fcntl
import os
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.support.instance import free_port

VERSION = "v1.20.2"
MODULE = f"github.com/open-policy-agent/opa@{VERSION}"
ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "var" / "peers" / f"opa-{VERSION}"
BUILD_SECONDS = 600
STARTS_WITHIN_SECONDS = 20


def binary() -> Path:
    """The program; skips the test where it cannot be had, or fails it in CI."""
    found = FOLDER / "opa"
    if found.exists():
        return found
    if shutil.which("go") is None:
        pytest.skip("Go is not here, which builds the Open Policy Agent (only these tests need it)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    # One that failed is not tried again by every other test of the run.
    failed = FOLDER / f"failed-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            reason = failed.read_text() if failed.exists() else _build()
            if reason:
                failed.write_text(reason)
                _give_up(reason)
    return found


def _build() -> str:
    """Why it could not be built; "" if it was."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        try:
            built = subprocess.run(
                ["go", "install", MODULE],
                env={**os.environ, "GOBIN": folder, "CGO_ENABLED": "0"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=BUILD_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"go install {MODULE} took longer than {BUILD_SECONDS} s"
        if built.returncode == 0:
            (Path(folder) / "opa").rename(FOLDER / "opa")  # whole or not at all
            return ""
    return f"go install {MODULE} failed: {built.stderr[-500:]}"


def _give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program itself: `opa test`, `opa check`."""
    return subprocess.run(
        [binary(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


class Opa:
    """A server with these files, or with what its configuration says.

    configuration: of OPA itself, as YAML or JSON. ca: who has signed its certificate, if it has
    one.
    """

    def __init__(
        self,
        *files: Path,
        configuration: str = "",
        arguments: Sequence[str] = (),
        ca: str = "",
    ) -> None:
        self.port = free_port()
        self._files, self._configuration = files, configuration
        self._arguments, self._ca = arguments, ca

    @property
    def url(self) -> str:
        return f"{'https://localhost' if self._ca else 'http://127.0.0.1'}:{self.port}"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        configuration = folder / "opa.yaml"
        configuration.write_text(self._configuration or "{}")
        self._log = (folder / "log").open("w+")
        self._process = subprocess.Popen(
            [
                *(binary(), "run", "--server", "--addr", f"127.0.0.1:{self.port}"),
                *("--log-level", "info", "--skip-version-check", "--config-file", configuration),
                *self._arguments,
                *self._files,
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + STARTS_WITHIN_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    @property
    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def revision(self, bundle: str) -> str:
        """Which revision of this bundle the server holds, "" for none."""
        asked = httpx.post(f"{self.url}/v1/data/x?provenance=true", json={"input": {}}).json()
        held = asked["provenance"].get("bundles", {}).get(bundle, {})
        return str(held.get("revision", ""))

    def _answers(self) -> bool:
        try:
            trusted = ssl.create_default_context(cadata=self._ca or None)
            answer = httpx.get(f"{self.url}/health", timeout=1, verify=trusted)
            return answer.status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False
