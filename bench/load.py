"""What is asked of a provider, which answers are right, and who asks: wrk, or our own generator."""

import json
import shutil
import subprocess
import sys
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

VERIFIER = "bench-verifier-of-a-machine-not-a-person-0123456789"
REDIRECT_URI = "http://127.0.0.1:9/callback"
INSTALL_WRK = "apt-get install wrk (Debian, Ubuntu), dnf install wrk (Fedora), brew install wrk"


class Work(StrEnum):
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH = "refresh"
    CODE = "code"
    INTROSPECTION = "introspection"
    JWKS = "jwks"


# The members that a right answer has, beside status 200.
MARKS = {
    Work.CLIENT_CREDENTIALS: ("access_token",),
    Work.REFRESH: ("access_token", "refresh_token", "id_token"),
    Work.CODE: ("access_token", "refresh_token", "id_token"),
    Work.INTROSPECTION: ("active",),
    Work.JWKS: ("keys",),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    work: Work
    base_url: str
    path: str
    client_id: str
    client_secret: str
    scope: str
    tokens: Path | None
    connections: int
    seconds: int

    def body(self) -> str:
        """The form, up to the token that the generator appends."""
        return {
            Work.CLIENT_CREDENTIALS: "grant_type=client_credentials"
            + (f"&scope={quote(self.scope)}" if self.scope else ""),
            Work.REFRESH: "grant_type=refresh_token&refresh_token=",
            Work.CODE: (
                f"grant_type=authorization_code&redirect_uri={quote(REDIRECT_URI, safe='')}"
                f"&code_verifier={VERIFIER}&code="
            ),
            Work.INTROSPECTION: "token=",
            Work.JWKS: "",
        }[self.work]

    def write(self, path: Path) -> None:
        """Leave the job as "name=value" lines, which Lua and Python read alike."""
        jwks = self.work is Work.JWKS
        credentials = f"{quote(self.client_id)}:{quote(self.client_secret)}"
        lines = {
            "work": self.work,
            "url": self.base_url,
            "path": self.path,
            "method": "GET" if jwks else "POST",
            "basic": "" if jwks else b64encode(credentials.encode()).decode(),
            "body": self.body(),
            "tokens": self.tokens or "",
            "marks": " ".join(MARKS[self.work]),
            "connections": self.connections,
            "seconds": self.seconds,
        }
        path.touch(mode=0o600)  # It holds the client's secret.
        path.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came back. A cell with anything but good answers is void."""

    good: int
    bad: int
    starved: int
    socket_errors: int
    seconds: float
    p50_ms: float
    p99_ms: float
    first_error: str

    @property
    def trouble(self) -> str:
        """Why this cell counts for nothing; empty if it counts."""
        if self.bad or self.socket_errors:
            return f"{self.bad + self.socket_errors} wrong answers: {self.first_error or 'socket'}"
        if self.starved:  # Last: wrong answers empty the pool, too.
            return f"{self.starved} requests found no fresh token"
        return "" if self.good else "no answer at all"


def generator() -> str:
    """The name and version of what makes the load."""
    wrk = shutil.which("wrk")
    if wrk is None:
        return "python (bench/generator.py)"
    words = subprocess.run([wrk, "--version"], capture_output=True, text=True, check=False)
    return " ".join((words.stdout or words.stderr).split()[:2])


def run(job: Job, *, folder: Path) -> Outcome:
    """Put the load on a provider for job.seconds and count what it answered."""
    job_file = folder / "job"
    job.write(job_file)
    wrk = shutil.which("wrk")
    if wrk is None:
        command = [sys.executable, "-m", "bench.generator", str(job_file)]
    else:
        command = [wrk, "--threads", "1", "--connections", str(job.connections)]
        command += ["--duration", f"{job.seconds}s", "--timeout", "10s"]
        command += ["--script", str(Path(__file__).with_name("wrk.lua")), job.base_url]
        command += ["--", str(job_file)]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=job.seconds + 60
    )
    if answer.returncode:
        raise RuntimeError(f"{command[0]} failed: {answer.stdout[-500:]}{answer.stderr[-500:]}")
    return Outcome(**json.loads(answer.stdout.strip().splitlines()[-1]))
