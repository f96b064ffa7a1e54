"""Steps that several stories share, and what audit wrote down of them."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.urls import reverse

from audit.models import AuditEvent
from idp.models import Client
from mfa.totp import step_at
from tests import cast
from tests.browser.people import totp
from tests.journeys.visitor import Visitor
from tests.support import oauth
from tests.support.authorize import parameters


def go_to(visitor: Visitor, client: Client, **changes: Any) -> None:
    """Be sent to the authorization endpoint by an application."""
    visitor.open(f"/oauth/authorize?{urlencode(parameters(client, **changes))}")


def sign_in(visitor: Visitor, email: str, password: str) -> None:
    if visitor.path != reverse("account_login"):
        visitor.open(reverse("account_login"))
    visitor.submit("login-form", login=email, password=password)


def come_back(visitor: Visitor, client: Client) -> dict[str, Any]:
    """Be back at the application, which exchanges the code; gives the tokens."""
    assert visitor.gone_to.startswith(cast.REDIRECT_URI), (visitor.url, visitor.text[:2000])
    answer = dict(parse_qsl(urlsplit(visitor.gone_to).query))
    assert answer["state"] == "s-1"
    reply = oauth.redeem(client, answer["code"])
    assert reply.status == 200, reply.body
    return reply.json


def app_code(secret: str, now: datetime) -> str:
    """What an authenticator app shows that was given this key."""
    return totp(secret, step_at(now))


def introspect(client: Client, token: str) -> dict[str, Any]:
    return oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": token},
        authorization=oauth.basic(client.client_id),
    ).json


def userinfo(token: str) -> oauth.Reply:
    return oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")


def audited() -> list[str]:
    """The names of what was written down of people, in order; keys are made when first needed."""
    return [
        event.event
        for event in AuditEvent.objects.order_by("id")
        if not event.event.startswith(("protection.", "idp.signing_key.", "idp.encryption_key."))
    ]
