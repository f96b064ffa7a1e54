"""Who this client is, and whom it trusts to sign people in."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PORT = 8010
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
NAME_IN_CONFIG = "demo"


class SettingsError(Exception):
    """A setting is missing or wrong; the text tells which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    issuer: str
    client_id: str
    client_secret: str
    port: int
    scope: str = "openid profile email roles"

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def redirect_uri(self) -> str:
        return f"{self.origin}/callback"

    @property
    def post_logout_redirect_uri(self) -> str:
        return f"{self.origin}/"


def read_settings() -> Settings:
    """Read the environment. Raises SettingsError."""
    config = os.environ.get("DEMO_CLIENT_CONFIG")
    port = int(os.environ.get("DEMO_CLIENT_PORT", DEFAULT_PORT))
    issuer, client_id, secret = _from_config(Path(config)) if config else _from_environment()
    address = urlsplit(issuer)
    if address.scheme != "https" and address.hostname not in LOOPBACK:
        raise SettingsError(f"the issuer {issuer} must use https (http is for this machine alone)")
    return Settings(issuer=issuer.rstrip("/"), client_id=client_id, client_secret=secret, port=port)


def _from_config(path: Path) -> tuple[str, str, str]:
    try:
        demo = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"DEMO_CLIENT_CONFIG: {path} cannot be read: {error}") from error
    for client in demo.get("clients", ()):
        if client["name"] == NAME_IN_CONFIG:
            return demo["base_url"], client["client_id"], client["client_secret"]
    raise SettingsError(f'DEMO_CLIENT_CONFIG: {path} has no client named "{NAME_IN_CONFIG}"')


def _from_environment() -> tuple[str, str, str]:
    try:
        issuer = os.environ["DEMO_CLIENT_ISSUER"]
        client_id = os.environ["DEMO_CLIENT_ID"]
        secret = Path(os.environ["DEMO_CLIENT_SECRET_FILE"]).read_text(encoding="utf-8")
    except KeyError as error:
        raise SettingsError(f"set {error.args[0]}, or DEMO_CLIENT_CONFIG") from error
    except OSError as error:
        raise SettingsError(f"DEMO_CLIENT_SECRET_FILE: {error}") from error
    return issuer, client_id, secret.strip()
