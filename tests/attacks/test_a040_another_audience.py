"""A040: a token that was made for one API is shown at another."""

from typing import Any

import pytest
from django.test import Client as Browser

from audit.models import AuditEvent
from idp.models import Client
from tests import cast
from tests.support import exchange, oauth
from tests.support.exchange import api
from tests.support.own_tokens import changed, is_worth_nothing

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("iss", ["https://other.example", "http://localhost:8000/", None, "", []])
def test_a_token_of_another_issuer_is_none_of_ours(tokens: dict, iss: Any) -> None:
    assert is_worth_nothing(changed(tokens["access_token"], iss=iss))


def test_no_page_and_no_administration_takes_a_token(
    approver: cast.Person, acme_web: Client
) -> None:
    """Pages know cookies alone: a token, even an administrator's, opens none."""
    signed_in = cast.sign_in(Browser(), approver)
    text = oauth.redeem(acme_web, oauth.issue_code(acme_web, signed_in)).json["access_token"]
    thief = Browser()

    for path in ("/", "/admin/", "/admin/idp/client/", "/sessions/", "/security/", "/mfa/totp/"):
        response = thief.get(path, headers={"authorization": f"Bearer {text}"})
        assert response.status_code == 302, path
        assert "login" in response["Location"]


def test_registrations_are_not_managed_by_it(acme_web: Client, tokens: dict) -> None:
    before = Client.unscoped.count()
    bearer = f"Bearer {tokens['access_token']}"

    created = oauth.send(
        "POST", "/oauth/register", form='{"redirect_uris":["https://evil.example/"]}',
        authorization=bearer, content_type="application/json",
    )  # fmt: skip
    looked = oauth.send("GET", f"/oauth/register/{acme_web.client_id}", authorization=bearer)

    assert (created.status, created.error) == (401, "invalid_token")
    assert (looked.status, looked.error) == (401, "invalid_token")
    assert Client.unscoped.count() == before


@pytest.mark.parametrize(
    "target", ["acme-gateway", "https://ledger.example/", "HTTPS://LEDGER.example"]
)
def test_an_api_cannot_exchange_what_is_not_for_it(acme: Any, session: Any, target: str) -> None:
    """The audience is compared whole: a name that only resembles it is another's."""
    gateway = api(acme, "gateway")
    caller = cast.client("caller", acme, audience=target, is_first_party=True)
    token = oauth.redeem(caller, oauth.issue_code(caller, session)).json["access_token"]

    reply = exchange.exchange(gateway, token)

    assert (reply.status, reply.error) == (400, "invalid_request")
    assert not AuditEvent.objects.filter(event="idp.token.exchanged").exists()


@pytest.mark.parametrize("aud", [None, "", [], {}, 5, "gateway2", ["Gateway"], "gate"])
def test_without_an_audience_it_is_for_nobody(acme: Any, session: Any, aud: Any) -> None:
    gateway = api(acme, "gateway")
    caller = cast.client("caller", acme, audience="gateway", is_first_party=True)
    token = oauth.redeem(caller, oauth.issue_code(caller, session)).json["access_token"]

    assert exchange.exchange(gateway, token).status == 200
    reply = exchange.exchange(gateway, changed(token, aud=aud))

    assert (reply.status, reply.error) == (400, "invalid_request")


def test_another_organisation_learns_nothing_of_it(globex_web: Client, tokens: dict) -> None:
    told = oauth.send(
        "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
        authorization=oauth.basic(globex_web.client_id),
    )  # fmt: skip

    assert told.json == {"active": False}
