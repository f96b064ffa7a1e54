"""A039: a token of one kind is shown where another kind belongs."""

import base64
from typing import Any

import pytest
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from idp.models import Client, RefreshFamily
from tests.support import assertions, oauth
from tests.support.authorize import answer, authorize
from tests.support.own_tokens import changed, is_worth_nothing, sign

pytestmark = pytest.mark.django_db


@pytest.fixture
def logout_token(acme_web: Client, tokens: dict) -> str:
    """As back-channel logout sends it."""
    known = oauth.claims_of(tokens["id_token"])
    return sign(
        {
            **{name: known[name] for name in ("iss", "aud", "sub", "sid", "iat")},
            "exp": known["iat"] + 120,
            "jti": oauth.claims_of(tokens["access_token"])["jti"],
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        },
        typ="logout+jwt",
    )


def test_as_an_access_token_only_an_access_token_will_do(
    acme_web: Client, client: Browser, tokens: dict, logout_token: str
) -> None:
    signed_answer = answer(authorize(client, acme_web, response_mode="query.jwt"))["response"]

    for text in (tokens["id_token"], tokens["refresh_token"], logout_token, signed_answer):
        userinfo = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {text}")
        assert (userinfo.status, userinfo.error) == (401, "invalid_token")
    for text in (tokens["id_token"], logout_token, signed_answer):
        assert is_worth_nothing(text)


def typed(text: str, kind: str | None) -> str:
    """The same claims under our own signature, with another `typ`."""
    return sign(oauth.claims_of(text), typ=kind)


@pytest.mark.parametrize("kind", [None, "JWT", "jwt", "logout+jwt", "AT+JWT", "application/at+jwt"])
def test_the_type_of_an_access_token_is_compared(tokens: dict, kind: str | None) -> None:
    assert not is_worth_nothing(typed(tokens["access_token"], "at+jwt"))
    assert is_worth_nothing(typed(tokens["access_token"], kind))


@pytest.mark.parametrize("where", ["authorize", "end_session"])
def test_as_a_hint_only_an_id_token_will_do(
    acme_web: Client, client: Browser, tokens: dict, logout_token: str, where: str
) -> None:
    access = changed(tokens["access_token"], aud=acme_web.client_id)
    for text in (access, tokens["refresh_token"], logout_token):
        if where == "authorize":
            told = answer(authorize(client, acme_web, prompt="none", id_token_hint=text))
            assert told["error"] == "invalid_request"
        else:
            page = client.get("/oauth/end-session", {"id_token_hint": text})
            assert page.status_code in {200, 400}  # asked, or refused: never signed out by it
            assert client.get("/sessions/").status_code == 200


@pytest.mark.parametrize("name", ["access_token", "id_token", "refresh_token"])
def test_none_of_them_authenticates_a_client(
    acme: Any, acme_web: Client, tokens: dict, name: str
) -> None:
    assertions.client(acme)
    for text in (tokens[name], tokens[name].split(".", 1)[0]):
        for client_id in (None, "acme-web", "acme-keys"):
            reply = assertions.present(text, client_id=client_id)
            assert (reply.status, reply.error) == (401, "invalid_client")
    ours = sign(assertions.claims(), typ="at+jwt")
    assert assertions.present(ours).error == "invalid_client"
    assert not AuditEvent.objects.filter(event="idp.token.issued").exists()


def test_a_client_assertion_is_no_token_of_ours(acme: Any, acme_web: Client, tokens: dict) -> None:
    assertions.client(acme)
    claims = oauth.claims_of(tokens["access_token"]) | assertions.claims()

    assert is_worth_nothing(assertions.sign(claims, typ="at+jwt"))


@pytest.mark.parametrize("name", ["access_token", "id_token"])
def test_none_of_them_refreshes(acme_web: Client, tokens: dict, name: str) -> None:
    assert oauth.refresh(acme_web, tokens[name]).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().generation == 0


def test_a_refresh_token_is_no_code_and_a_code_no_refresh_token(
    acme_web: Client, session: Any
) -> None:
    code = oauth.issue_code(acme_web, session)

    assert oauth.refresh(acme_web, code).error == "invalid_grant"
    tokens = oauth.redeem(acme_web, code).json
    assert oauth.redeem(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    assert RefreshFamily.unscoped.get().revoked_at is None


def test_a_made_up_refresh_token_revokes_nothing(acme_web: Client, tokens: dict) -> None:
    """Knowing the family's id is not enough: the tag does not fit."""
    family = RefreshFamily.unscoped.get()
    body = family.pk.bytes + (0).to_bytes(4) + b"s" * 48
    text = base64.urlsafe_b64encode(body).rstrip(b"=").decode()

    assert oauth.refresh(acme_web, text).error == "invalid_grant"
    family.refresh_from_db()
    assert family.revoked_at is None
    assert family.expires_at > clock.now()
