"""Ourselves: the product as it ships, web processes only, on the database of the run.

Codes are put into their table by COPY. Refresh families and access tokens come from codes that
were exchanged at the running server, outside the timed part: nothing here knows how a token looks.
"""

import hashlib
import http.client
import json
import secrets
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.cluster import Cluster
from bench.load import REDIRECT_URI, VERIFIER, Work
from bench.measure import product_versions
from bench.servers import REPOSITORY, Server, clean_environment, free_port
from config.children import environment_for, manage_command
from config.embedded import Services
from config.embedded.postgres import DATABASE

COPY_CODES = """
COPY idp_authorizationcode (digest, organisation_id, client_id, user_id, session_id, redirect_uri,
  challenge, nonce, scope, created_at, expires_at) FROM STDIN
"""
SCOPE = "openid"
# A person's session is judged at each use: what is seeded must be as young as a real one.
CODE_LIFETIME = "15 minutes"


class Instance:
    """The one server process tree that both variants ask."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.seeded: dict[str, Any] = {}
        self.running: Server | None = None

    def prepare(self, cluster: Cluster, services: Services) -> None:
        """Migrate and seed, once."""
        self.cluster = cluster
        own = clean_environment() | {
            "SALLYPORT_ENVIRONMENT": "development",
            "SALLYPORT_BASE_URL": f"http://127.0.0.1:{self.port}",
            "SALLYPORT_PORT": str(self.port),
        }
        self.environment = environment_for(services.environment(), own=own)
        owner = environment_for(services.environment(), own=own, as_owner=True)
        _run(manage_command("migrate", "--no-input", "-v", "0"), owner)
        self.seeded = json.loads(_run([sys.executable, "-m", "bench.sallyport_seed"], owner))

    def start(self) -> None:
        self.running = Server(
            python=Path(sys.executable),
            application="config.wsgi:application",
            environment=self.environment,
            log=self.folder / "sallyport.log",
            port=self.port,
        )
        self.running.wait_for("/oauth/jwks")

    def stop(self) -> None:
        if self.running is not None:
            self.running.stop()


class Sallyport:
    """One client of the product; `algorithm` signs both its tokens."""

    def __init__(self, instance: Instance, *, algorithm: str, name: str) -> None:
        self.instance = instance
        self.algorithm = algorithm
        self.name = name
        self.notes = (
            f"as shipped, policy and audit on, {algorithm} ID tokens and {algorithm} at+jwt access "
            "tokens, rotation with family revocation"
        )

    @property
    def server(self) -> Server:
        if self.instance.running is None:
            raise RuntimeError("start() comes first")
        return self.instance.running

    def prepare(self, cluster: Cluster, services: Services) -> None:
        if not self.instance.seeded:
            self.instance.prepare(cluster, services)

    def start(self) -> None:
        if self.instance.running is None:
            self.instance.start()

    def stop(self) -> None:
        self.instance.stop()

    def versions(self) -> dict[str, str]:
        return product_versions()

    def paths(self) -> Mapping[Work, str]:
        """The key set is the same for both variants, so one of them asks for it."""
        jwks = {Work.JWKS: "/oauth/jwks"} if self.algorithm == "ES256" else {}
        return jwks | {
            Work.CLIENT_CREDENTIALS: "/oauth/token",
            Work.REFRESH: "/oauth/token",
            Work.CODE: "/oauth/token",
            Work.INTROSPECTION: "/oauth/introspect",
        }

    def client(self, _work: Work) -> tuple[str, str, str]:
        client = self.instance.seeded["clients"][self.algorithm]
        return client["name"], client["secret"], ""

    def seed(self, work: Work, *, count: int, into: Path) -> None:
        tokens = self._codes(count)
        if work is not Work.CODE:
            wanted = "refresh_token" if work is Work.REFRESH else "access_token"
            tokens = [granted[wanted] for granted in self._exchange(tokens)]
        into.write_text("\n".join(tokens) + "\n", encoding="ascii")

    def _codes(self, count: int) -> list[str]:
        codes = [secrets.token_urlsafe(32) for _ in range(count)]
        challenge = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
        seeded = self.instance.seeded
        with self.instance.cluster.connect(DATABASE) as connection:
            row = connection.execute(f"SELECT now(), now() + interval '{CODE_LIFETIME}'").fetchone()
            with connection.cursor().copy(COPY_CODES) as copy:
                for code in codes:
                    copy.write_row(
                        (
                            hashlib.sha256(code.encode()).digest(),
                            seeded["organisation"],
                            seeded["clients"][self.algorithm]["id"],
                            seeded["user"],
                            seeded["session"],
                            REDIRECT_URI,
                            challenge.rstrip(b"=").decode(),
                            secrets.token_urlsafe(16),
                            SCOPE,
                            *(row or ()),
                        )
                    )
            connection.execute("VACUUM ANALYZE")
        return codes

    def _exchange(self, codes: list[str]) -> list[dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.instance.port, timeout=30)
        client_id, client_secret, _ = self.client(Work.CODE)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Authorization": "Basic " + b64encode(f"{client_id}:{client_secret}".encode()).decode(),
        }
        granted = []
        for code in codes:
            form = {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": REDIRECT_URI,
                "code_verifier": VERIFIER,
            }
            connection.request("POST", "/oauth/token", urlencode(form), headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                raise RuntimeError(f"seeding: {answer.status} {body[:300]!r}")
            granted.append(json.loads(body))
        connection.close()
        return granted


def variants(folder: Path) -> list[Sallyport]:
    """The default, and RS256 beside it, since the peer signs by that."""
    instance = Instance(folder)
    return [
        Sallyport(instance, algorithm="ES256", name="Sallyport"),
        Sallyport(instance, algorithm="RS256", name="Sallyport, RS256"),
    ]


def _run(command: list[str], environment: dict[str, str]) -> str:
    answer = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise RuntimeError(f"{' '.join(command[1:])} failed:\n{answer.stderr[-2000:]}")
    return answer.stdout
