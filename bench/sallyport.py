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
import time
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey

from bench.cluster import Cluster
from bench.load import REDIRECT_URI, VERIFIER, Work, authorization_request, challenge
from bench.measure import product_versions
from bench.servers import REPOSITORY, Server, clean_environment, free_port
from config.children import environment_for, manage_command
from config.embedded import Services
from config.embedded.postgres import DATABASE

COPY_CODES = """
COPY idp_authorizationcode (digest, organisation_id, client_id, user_id, session_id, redirect_uri,
  challenge, nonce, scope, terms, created_at, expires_at) FROM STDIN
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
            "SALLYPORT_FORWARD_AUTH__PROXIES": '["127.0.0.1/32"]',
        }
        self.environment = environment_for(services.environment(), own=own)
        owner = environment_for(services.environment(), own=own, as_owner=True)
        self.owner_environment = owner
        _run(manage_command("migrate", "--no-input", "-v", "0"), owner)
        self.seeded = json.loads(_run([sys.executable, "-m", "bench.sallyport_seed"], owner))

    def run_module(self, name: str) -> str:
        """Run a module in the instance's environment, as the owner; gives what it printed."""
        return _run([sys.executable, "-m", name], self.owner_environment)

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
        """What does not depend on the algorithm, or what no peer has, one variant asks for."""
        once = {
            Work.JWKS: "/oauth/jwks",
            Work.AUTHORIZE: "/oauth/token",
            Work.PAR: "/oauth/par",
            Work.DPOP_REFRESH: "/oauth/token",
            Work.PRIVATE_KEY_JWT: "/oauth/token",
            Work.FORWARD_AUTH: "/forward-auth/nginx",
        }
        return (once if self.algorithm == "ES256" else {}) | {
            Work.CLIENT_CREDENTIALS: "/oauth/token",
            Work.REFRESH: "/oauth/token",
            Work.CODE: "/oauth/token",
            Work.INTROSPECTION: "/oauth/introspect",
        }

    def client(self, work: Work) -> tuple[str, str, str]:
        client = self._client(work)
        is_secret = work not in (Work.JWKS, Work.PRIVATE_KEY_JWT, Work.FORWARD_AUTH)
        return client["name"], client["secret"] if is_secret else "", ""

    def seed(self, work: Work, *, count: int, into: Path) -> None:
        if work is Work.PRIVATE_KEY_JWT:
            tokens = [self._assertion() for _ in range(count)]
        else:
            tokens = self._codes(self._client(work)["id"], count)
            if work is not Work.CODE:
                wanted = "access_token" if work is Work.INTROSPECTION else "refresh_token"
                tokens = [granted[wanted] for granted in self._exchange(work, tokens)]
        into.write_text("\n".join(tokens) + "\n", encoding="ascii")

    def extras(self, work: Work, *, count: int, folder: Path) -> dict[str, Any]:
        if work is Work.AUTHORIZE:
            request = authorization_request(self._client(work)["name"])
            cookie = self.instance.seeded["cookie"]
            return {"cookie": cookie, "authorize": f"/oauth/authorize?{request}"}
        if work is Work.FORWARD_AUTH:
            return {"headers": tuple(self.instance.seeded["forwarded"])}
        if work is not Work.DPOP_REFRESH:
            return {}
        proofs = folder / "proofs"
        proofs.write_text("".join(f"{self._proof()}\n" for _ in range(count)), encoding="ascii")
        return {"proofs": proofs}

    def _client(self, work: Work) -> dict[str, str]:
        kind = {Work.DPOP_REFRESH: "DPoP", Work.PRIVATE_KEY_JWT: "assertion"}
        client: dict[str, str] = self.instance.seeded["clients"][kind.get(work, self.algorithm)]
        return client

    def _proof(self) -> str:
        """A DPoP proof for the token endpoint (RFC 9449 §4.2)."""
        key = ECKey.import_key(self.instance.seeded["keys"]["dpop"])
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
        claims = {"htm": "POST", "htu": f"{self._issuer}/oauth/token"}
        return self._signed(header, claims, key)

    def _assertion(self) -> str:
        """A client's proof of itself (RFC 7523 §3)."""
        key = ECKey.import_key(self.instance.seeded["keys"]["assertion"])
        name = self._client(Work.PRIVATE_KEY_JWT)["name"]
        claims = {"iss": name, "sub": name, "aud": self._issuer, "exp": int(time.time()) + 50}
        return self._signed({"alg": "ES256", "kid": key.kid}, claims, key)

    def _signed(self, header: dict[str, Any], claims: dict[str, Any], key: ECKey) -> str:
        fresh = {"iat": int(time.time()), "jti": secrets.token_urlsafe(16)}
        return jwt.encode(header, claims | fresh, key)

    @property
    def _issuer(self) -> str:
        return f"http://127.0.0.1:{self.instance.port}"

    def _codes(self, client: str, count: int) -> list[str]:
        codes = [secrets.token_urlsafe(32) for _ in range(count)]
        seeded = self.instance.seeded
        with self.instance.cluster.connect(DATABASE) as connection:
            row = connection.execute(f"SELECT now(), now() + interval '{CODE_LIFETIME}'").fetchone()
            with connection.cursor().copy(COPY_CODES) as copy:
                for code in codes:
                    copy.write_row(
                        (
                            hashlib.sha256(code.encode()).digest(),
                            seeded["organisation"],
                            client,
                            seeded["user"],
                            seeded["session"],
                            REDIRECT_URI,
                            challenge(),
                            secrets.token_urlsafe(16),
                            SCOPE,
                            "{}",
                            *(row or ()),
                        )
                    )
            connection.execute("VACUUM ANALYZE")
        return codes

    def _exchange(self, work: Work, codes: list[str]) -> list[dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.instance.port, timeout=30)
        client_id, client_secret, _ = self.client(work)
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
            if work is Work.DPOP_REFRESH:
                headers["DPoP"] = self._proof()
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
