"""What is asked of a provider, which answers are right, and who asks: wrk, or our own generator."""

import hashlib
import json
import shutil
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote, urlencode

VERIFIER = "bench-verifier-of-a-machine-not-a-person-0123456789"
REDIRECT_URI = "http://127.0.0.1:9/callback"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
INSTALL_WRK = "apt-get install wrk (Debian, Ubuntu), dnf install wrk (Fedora), brew install wrk"


class Work(StrEnum):
    CLIENT_CREDENTIALS = "client_credentials"
    REFRESH = "refresh"
    CODE = "code"
    INTROSPECTION = "introspection"
    JWKS = "jwks"
    AUTHORIZE = "authorize_token"
    PAR = "par"
    DPOP_REFRESH = "dpop_refresh"
    PRIVATE_KEY_JWT = "private_key_jwt"
    FORWARD_AUTH = "forward_auth"


@dataclass(frozen=True)
class Shape:
    """What a right answer looks like, and where a request's token comes from.

    marks: members of a right answer. takes: "" for no token; "once" from the pool, which it leaves;
    "again", which goes back; "rotates", where the answer brings the next one; "codes", where the
    authorization endpoint is asked for one first. header: what a right answer has among its own.
    """

    marks: tuple[str, ...]
    takes: str = ""
    status: int = 200
    header: str = ""


TOKENS = ("access_token", "refresh_token", "id_token")
SHAPES = {
    Work.CLIENT_CREDENTIALS: Shape(("access_token",)),
    Work.REFRESH: Shape(TOKENS, "rotates"),
    Work.CODE: Shape(TOKENS, "once"),
    Work.INTROSPECTION: Shape(("active",), "again"),
    Work.JWKS: Shape(("keys",)),
    Work.AUTHORIZE: Shape(TOKENS, "codes"),
    Work.PAR: Shape(("request_uri",), status=201),
    Work.DPOP_REFRESH: Shape(TOKENS, "rotates"),
    Work.PRIVATE_KEY_JWT: Shape(("access_token",), "once"),
    Work.FORWARD_AUTH: Shape((), header="remote-assertion"),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """tokens: the pool, one on a line. proofs: a DPoP header for each request, one on a line.

    cookie: of a browser that is signed in. authorize: the address that gives it a code.
    """

    work: Work
    base_url: str
    path: str
    client_id: str
    client_secret: str
    scope: str
    tokens: Path | None
    connections: int
    seconds: int
    proofs: Path | None = None
    cookie: str = ""
    authorize: str = ""
    headers: tuple[str, ...] = ()

    def body(self) -> str:
        """The form, up to the token that the generator appends."""
        exchange = (
            f"grant_type=authorization_code&redirect_uri={quote(REDIRECT_URI, safe='')}"
            f"&code_verifier={VERIFIER}&code="
        )
        return {
            Work.CLIENT_CREDENTIALS: "grant_type=client_credentials"
            + (f"&scope={quote(self.scope)}" if self.scope else ""),
            Work.REFRESH: "grant_type=refresh_token&refresh_token=",
            Work.CODE: exchange,
            Work.INTROSPECTION: "token=",
            Work.JWKS: "",
            Work.AUTHORIZE: exchange,
            Work.PAR: authorization_request(self.client_id),
            Work.DPOP_REFRESH: "grant_type=refresh_token&refresh_token=",
            Work.PRIVATE_KEY_JWT: (
                "grant_type=client_credentials&client_assertion_type="
                f"{quote(ASSERTION_TYPE, safe='')}&client_assertion="
            ),
            Work.FORWARD_AUTH: "",
        }[self.work]

    def write(self, path: Path) -> None:
        """Leave the job as "name=value" lines, which Lua and Python read alike."""
        only_reads = self.work in (Work.JWKS, Work.FORWARD_AUTH)
        shape = SHAPES[self.work]
        credentials = f"{quote(self.client_id)}:{quote(self.client_secret)}"
        lines = {
            "takes": shape.takes,
            "status": shape.status,
            "url": self.base_url,
            "path": self.path,
            "method": "GET" if only_reads else "POST",
            "basic": b64encode(credentials.encode()).decode() if self.client_secret else "",
            "body": self.body(),
            "tokens": self.tokens or "",
            "proofs": self.proofs or "",
            "cookie": self.cookie,
            "authorize": self.authorize,
            "marks": " ".join(shape.marks),
            "headers": "\t".join(self.headers),
            "header": shape.header,
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
    p95_ms: float
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


def challenge() -> str:
    """The S256 challenge of VERIFIER."""
    digest = hashlib.sha256(VERIFIER.encode()).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def authorization_request(client_id: str) -> str:
    """The parameters of a sign-in to one of the clients, urlencoded."""
    return urlencode(
        {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid",
            "state": "bench",
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
        }
    )


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
