"""A072: a client that acts for itself asks for scopes of people, or for what is not its own."""

from typing import Any

import pytest

from audit.models import AuditEvent
from idp.models import Client, RefreshFamily
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db
OF_PEOPLE = ["openid", "profile", "email", "address", "phone", "offline_access"]


@pytest.fixture
def machine(acme: Any) -> Client:
    """Registered for people's scopes as well, for its other grant types."""
    return cast.client(
        "machine",
        acme,
        grant_types=["client_credentials", "authorization_code", "refresh_token"],
        scopes=[*OF_PEOPLE, "reports", "vault"],
    )


def ask(client: Client, scope: str | None = None) -> oauth.Reply:
    return oauth.token(client, {"grant_type": "client_credentials", "scope": scope})


@pytest.mark.parametrize(
    "scope", [*OF_PEOPLE, "reports openid", "admin", "roles", "REPORTS", "reports vault other", "*"]
)
def test_it_is_refused(machine: Client, scope: str) -> None:
    reply = ask(machine, scope)

    assert (reply.status, reply.error) == (400, "invalid_scope")
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()


@pytest.mark.parametrize("scope", [None, "", "reports", "vault reports"])
def test_what_it_gets_is_its_own_and_of_no_person(machine: Client, scope: str | None) -> None:
    answer = ask(machine, scope).json

    claims = oauth.claims_of(answer["access_token"])
    assert set(answer["scope"].split()) <= {"reports", "vault"}
    assert claims["scope"] == answer["scope"]
    assert claims["sub"] == machine.client_id
    assert not {"sid", "acr", "roles", "email"} & claims.keys()
    assert not {"id_token", "refresh_token"} & answer.keys()
    assert not RefreshFamily.unscoped.exists()


def test_userinfo_knows_nobody_by_it(machine: Client) -> None:
    text = ask(machine).json["access_token"]

    reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {text}")

    assert (reply.status, reply.error) == (403, "insufficient_scope")


@pytest.mark.parametrize("kind", ["public", "confidential"])
def test_nobody_else_has_it_at_all(acme: Any, kind: str) -> None:
    other = cast.client("other", acme, kind=kind, scopes=["reports"])

    assert ask(other, "reports").error in {"unauthorized_client", "invalid_client"}
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()
