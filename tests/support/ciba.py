"""Drives backchannel authentication: the client's side, and the person's in a browser."""

from typing import Any

from django.conf import settings
from django.test import Client as Browser

from accounts.models import Organisation
from core import clock
from core.ids import new_token
from idp.models import BackchannelAuthentication, Client
from idp.models.client import CIBA
from tests import cast
from tests.support import oauth, request_objects

PATH = "/oauth/bc-authorize"
TOKEN = "n" * 43
POLL = {"backchannel_token_delivery_mode": "poll"}


def asker(of: Organisation, name: str = "acme-bank", **fields: Any) -> Client:
    """A confidential client of a third party that may ask people."""
    metadata = POLL | fields.pop("metadata", {})
    values = {"grant_types": [CIBA, "refresh_token"], "redirect_uris": [], "metadata": metadata}
    return cast.client(name, of, **(values | fields))


def signer(of: Organisation, name: str = "acme-signer", **metadata: Any) -> Client:
    """A client that has to sign its requests, by ES256. fields: of its row."""
    alg = {"backchannel_authentication_request_signing_alg": "ES256"}
    fields = metadata.pop("fields", {})
    return asker(of, name, metadata={"jwks": request_objects.jwks()} | alg | metadata, **fields)


def ask(client: Client, **changes: Any) -> oauth.Reply:
    """Ask for alice; `changes` replace or (None) drop fields."""
    form = {"scope": "openid profile", "login_hint": "alice@acme.example"} | changes
    form = {name: value for name, value in form.items() if value is not None}
    return send(client, form)


def send(client: Client, form: dict[str, Any], **environ: Any) -> oauth.Reply:
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", PATH, form=form, authorization=authorization, **environ)


def claims(client: Client, **changes: Any) -> dict[str, Any]:
    """A correct signed request; `changes` replace or (None) drop claims."""
    now = int(clock.now().timestamp())
    whole = {
        "iss": client.client_id, "aud": settings.ISSUER, "iat": now, "nbf": now, "exp": now + 300,
        "jti": new_token(), "scope": "openid profile", "login_hint": "alice@acme.example",
    }  # fmt: skip
    return {name: value for name, value in (whole | changes).items() if value is not None}


def ask_signed(
    client: Client, *, alg: str = "ES256", by: Any = None, **changes: Any
) -> oauth.Reply:
    text = request_objects.sign(claims(client, **changes), alg=alg, by=by)
    return send(client, {"request": text})


def poll(client: Client, auth_req_id: str, **environ: Any) -> oauth.Reply:
    return oauth.token(client, {"grant_type": CIBA, "auth_req_id": auth_req_id}, **environ)


def page_of(asked: BackchannelAuthentication | None = None) -> str:
    """The address of the page of a request, or of the only one."""
    row = asked or BackchannelAuthentication.unscoped.get()
    return f"/authentication-requests/{row.id}/"


def decide(browser: Browser, decision: str = "allow") -> Any:
    """Answer the newest request."""
    row = BackchannelAuthentication.unscoped.order_by("-created_at").first()
    return browser.post(page_of(row), {"decision": decision})
