"""Drives the machine endpoints through the WSGI application, as an HTTP client would."""

import base64
import io
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from core import clock
from core.ids import digest, new_token
from idp.grants.authorization_code import s256
from idp.models import AuthorizationCode, Client
from sessions.models import LoginSession
from tests import cast

VERIFIER = "v" * 64


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        return self.json.get("error") if self.body else None


def basic(client_id: str, secret: str = cast.SECRET) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()


def send(
    method: str,
    path: str,
    *,
    form: dict[str, Any] | str | None = None,
    authorization: str | None = None,
    query: str = "",
    content_type: str = "application/x-www-form-urlencoded",
    **environ: Any,
) -> Reply:
    """One request; `environ` adds to the WSGI environment, or replaces what is in it."""
    body = form if isinstance(form, str) else urlencode(form or {}, doseq=True)
    raw = body.encode("latin-1")
    host = urlsplit(settings.ISSUER).hostname
    env: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type if method in {"POST", "PUT"} else "",
        "CONTENT_LENGTH": str(len(raw)),
        "HTTP_HOST": host,
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.input": io.BytesIO(raw),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    }
    if authorization is not None:
        env["HTTP_AUTHORIZATION"] = authorization
    return ask(env | environ)


def ask(environ: dict[str, Any]) -> Reply:
    """Have the WSGI application answer in this process; tests/specs sends it over TLS instead."""
    from config.wsgi import application

    captured: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        captured.update(status=int(status.split()[0]), headers=dict(headers))

    chunks = b"".join(application(environ, start_response))
    return Reply(captured["status"], captured["headers"], chunks)


def issue_code(
    client: Client,
    session: LoginSession,
    *,
    scope: str = "openid profile email",
    nonce: str = "n-1",
    verifier: str = VERIFIER,
    **fields: Any,
) -> str:
    """A fresh authorization code, as the authorization endpoint leaves it."""
    code = new_token()
    now = clock.now()
    values: dict[str, Any] = {
        "redirect_uri": cast.REDIRECT_URI,
        "challenge": s256(verifier),
        "expires_at": now + timedelta(seconds=60),
    }
    AuthorizationCode.objects.create(
        digest=digest(code),
        organisation_id=client.organisation_id,
        client=client,
        user_id=session.user_id,
        session=session,
        nonce=nonce,
        scope=scope,
        created_at=now,
        **(values | fields),
    )
    return code


def redeem(client: Client, code: str, **changes: Any) -> Reply:
    """Exchange a code; `changes` replace or (None) drop fields."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": cast.REDIRECT_URI,
        "code_verifier": VERIFIER,
    }
    return token(client, form | changes)


def refresh(client: Client, refresh_token: str, **changes: Any) -> Reply:
    return token(client, {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes)


def token(client: Client, form: dict[str, Any], **environ: Any) -> Reply:
    form = {name: value for name, value in form.items() if value is not None}
    if client.kind == Client.Kind.PUBLIC:
        form = {"client_id": client.client_id} | form
        return send("POST", "/oauth/token", form=form, **environ)
    authorization = basic(client.client_id)
    return send("POST", "/oauth/token", form=form, authorization=authorization, **environ)


def claims_of(jwt: str) -> dict[str, Any]:
    """The claims of a JWT, unverified."""
    return _part(jwt, 1)


def header_of(jwt: str) -> dict[str, Any]:
    return _part(jwt, 0)


def _part(jwt: str, index: int) -> dict[str, Any]:
    text = jwt.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
