"""The peer: django-oauth-toolkit, tuned, in a virtual environment of its own."""

import hashlib
import json
import secrets
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.cluster import Cluster
from bench.load import REDIRECT_URI, VERIFIER, Work
from bench.servers import REPOSITORY, Server, Unavailable, clean_environment
from config.embedded import Services

REQUIREMENTS = REPOSITORY / "bench" / "requirements-dot.txt"
DATABASE = "bench_dot"
CLIENT_ID = "bench"
INSTALLS_WITHIN_SECONDS = 600


class Toolkit:
    name = "django-oauth-toolkit, tuned"
    notes = (
        "granian WSGI 2 x 2, no middleware, connections kept, client secret by one SHA-256, "
        "RS256 ID tokens, opaque access tokens, rotation and reuse protection on"
    )

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / "dot"
        self.secret = secrets.token_urlsafe(32)
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        if self._server is None:
            raise RuntimeError("start() comes first")
        return self._server

    def prepare(self, cluster: Cluster, _services: Services) -> None:
        self._install()
        cluster.create_database(DATABASE)
        key_file = self.folder / "dot-signing-key.pem"
        key_file.touch(mode=0o600)
        key_file.write_bytes(
            rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        challenge = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest())
        self.environment = clean_environment() | {
            "DJANGO_SETTINGS_MODULE": "bench.dot.settings",
            "BENCH_DOT_SECRET_KEY": secrets.token_urlsafe(32),
            "BENCH_DOT_RSA_KEY_FILE": str(key_file),
            "BENCH_DOT_DB_HOST": cluster.host,
            "BENCH_DOT_DB_PORT": str(cluster.port),
            "BENCH_DOT_DB_NAME": DATABASE,
            "BENCH_DOT_DB_USER": cluster.user,
            "BENCH_DOT_DB_PASSWORD": cluster.password,
            "BENCH_CLIENT_ID": CLIENT_ID,
            "BENCH_CLIENT_SECRET": self.secret,
            "BENCH_REDIRECT_URI": REDIRECT_URI,
            "BENCH_CHALLENGE": challenge.rstrip(b"=").decode(),
        }
        self._python("-m", "django", "migrate", "--verbosity", "0")
        self._python("-m", "bench.dot.seed", "client")

    def start(self) -> None:
        self._server = Server(
            python=self.venv / "bin" / "python",
            application="bench.dot.wsgi:application",
            environment=self.environment,
            log=self.folder / "dot.log",
        )
        self._server.wait_for(self.paths()[Work.JWKS])

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()

    def versions(self) -> dict[str, str]:
        listed = self._python("-m", "pip", "list", "--format", "json")
        names = {"django", "django-oauth-toolkit", "granian", "psycopg", "cryptography", "jwcrypto"}
        return {
            package["name"].lower(): package["version"]
            for package in json.loads(listed)
            if package["name"].lower() in names
        }

    def paths(self) -> Mapping[Work, str]:
        return {
            Work.CLIENT_CREDENTIALS: "/o/token/",
            Work.REFRESH: "/o/token/",
            Work.CODE: "/o/token/",
            Work.INTROSPECTION: "/o/introspect/",
            Work.JWKS: "/o/.well-known/jwks.json",
        }

    def client(self, work: Work) -> tuple[str, str, str]:
        """The toolkit allows an application one grant type, so the machine is one of its own."""
        machine = work is Work.CLIENT_CREDENTIALS
        return (
            (f"{CLIENT_ID}-machine", self.secret, "api")
            if machine
            else (CLIENT_ID, self.secret, "openid")
        )

    def seed(self, work: Work, *, count: int, into: Path) -> None:
        self._python("-m", "bench.dot.seed", work, str(count), str(into))

    def extras(self, _work: Work, *, count: int, folder: Path) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def _install(self) -> None:
        """Build the virtual environment, unless the one that is there has these requirements."""
        wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
        stamp = self.venv / "requirements.sha256"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print("installing django-oauth-toolkit in its own environment ...", flush=True)
        python = str(self.venv / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        try:
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(self.venv)],
                [*pip, "--requirement", str(REQUIREMENTS)],
            ):
                subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    timeout=INSTALLS_WITHIN_SECONDS,
                )
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
            raise Unavailable(
                f"it could not be installed here: {said[-1] if said else error}"
            ) from error
        stamp.write_text(wanted)

    def _python(self, *words: str) -> str:
        """Run the toolkit's interpreter on something short; its words if it fails."""
        answer = subprocess.run(
            [self.venv / "bin" / "python", *words],
            cwd=REPOSITORY,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise RuntimeError(f"{' '.join(words)} failed:\n{answer.stderr[-2000:]}")
        return answer.stdout
