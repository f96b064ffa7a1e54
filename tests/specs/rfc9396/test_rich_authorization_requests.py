"""RFC 9396, OAuth 2.0 Rich Authorization Requests."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.machine import discovery
from idp.models import AuthorizationRequest, Client, Consent, RefreshFamily
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth, registering
from tests.support.authorize import answer, authorize, nothing_was_issued, path
from tests.support.push import open_pushed, push, pushed

pytestmark = pytest.mark.django_db

PAYMENT = {
    "type": "payment",
    "actions": ["initiate", "status"],
    "instructedAmount": {"currency": "EUR", "amount": "123.50"},
    "creditorName": "<b>Merchant & Sons</b>",
}
ACCOUNT = {"type": "account", "locations": ["https://bank.example"], "actions": ["read"]}


@pytest.fixture(params=[True, False], ids=["first party", "third party"])
def bank(acme: Organisation, request: Any) -> Client:
    return cast.client(
        "bank", acme, is_first_party=request.param,
        metadata={"authorization_details_types": ["payment", "account"]},
    )  # fmt: skip


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


def ask(browser: Browser, bank: Client, *details: Any, **changes: Any) -> Any:
    return authorize(browser, bank, authorization_details=json.dumps(details, indent=1), **changes)


def allow(browser: Browser) -> Any:
    row = AuthorizationRequest.unscoped.latest("created_at")
    back = browser.post("/oauth/consent", {"request": str(row.id), "decision": "allow"})
    return browser.get(back["Location"])


def test_section_3_the_user_is_shown_what_exactly_is_asked_for(
    client: Browser, session: LoginSession, bank: Client
) -> None:
    response = ask(client, bank, PAYMENT)
    assert path(response) == "/oauth/consent"

    page = client.get(response["Location"]).content.decode()

    assert "payment" in page
    assert "initiate, status" in page
    assert "&lt;b&gt;Merchant &amp; Sons&lt;/b&gt;" in page
    assert "<b>Merchant" not in page
    assert "123.50" in page


def test_section_7_what_was_allowed_is_in_the_answer_the_token_and_introspection(
    client: Browser, session: LoginSession, bank: Client
) -> None:
    ask(client, bank, PAYMENT, ACCOUNT)

    reply = oauth.redeem(bank, answer(allow(client))["code"])

    assert reply.json["authorization_details"] == [PAYMENT, ACCOUNT]
    token = reply.json["access_token"]
    assert oauth.claims_of(token)["authorization_details"] == [PAYMENT, ACCOUNT]
    seen = oauth.send(
        "POST", "/oauth/introspect", form={"token": token}, authorization=oauth.basic("bank")
    )
    assert seen.json["authorization_details"] == [PAYMENT, ACCOUNT]
    again = oauth.refresh(bank, reply.json["refresh_token"])
    assert again.json["authorization_details"] == [PAYMENT, ACCOUNT]


def test_what_was_allowed_once_is_asked_again(
    client: Browser, session: LoginSession, bank: Client
) -> None:
    ask(client, bank, PAYMENT)
    allow(client)

    assert path(ask(client, bank, PAYMENT)) == "/oauth/consent"
    assert answer(ask(client, bank, PAYMENT, prompt="none"))["error"] == "consent_required"
    assert Consent.unscoped.get().scopes == ["openid", "profile"]


def test_a_pushed_request_is_asked_about_as_well(
    client: Browser, session: LoginSession, bank: Client
) -> None:
    reference = pushed(bank, authorization_details=json.dumps([PAYMENT]))

    assert path(open_pushed(client, bank, reference)) == "/oauth/consent"
    assert "code" in answer(allow(client))


DEEP: Any = "x"
for _ in range(20):
    DEEP = {"a": DEEP}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "payment",
        '["payment"]',
        "[" * 2900,
        '[{"type": "admin"}]',
        '[{"type": ["payment"]}]',
        '[{"actions": ["read"]}]',
        '[{"type": "payment", "actions": "read"}]',
        '[{"type": "payment", "identifier": 1}]',
        '[{"type": "payment", "a": "\\u0000"}]',
        '[{"type": "payment", "a": "\\ud800"}]',
        '[{"type": "payment", "a": "\\u202e"}]',
        '[{"type": "payment", "\\u0000": 1}]',
        '[{"type": "payment", "a": 1e999}]',
        '[{"type": "payment", "a": NaN}]',
        '[{"type": "payment", "a": ' + "9" * 5000 + "}]",
        '[{"type": "payment", "a": ' + "9" * 100 + "}]",
        json.dumps([{"type": "payment", "a": DEEP}]),
        json.dumps([PAYMENT] * 11),
        json.dumps([PAYMENT]) + " " * 5900,
    ],
)
def test_section_5_what_cannot_be_understood_or_was_not_registered_is_refused(
    client: Browser, session: LoginSession, bank: Client, text: str
) -> None:
    reply = push(bank, authorization_details=text)
    if text:
        assert reply.status == 400
        assert reply.error in {"invalid_authorization_details", "invalid_request"}
        assert nothing_was_issued()
        assert not AuthorizationRequest.unscoped.exists()
    else:
        assert reply.status == 201  # a parameter without a value counts as absent


def test_section_5_the_error_goes_back_to_the_client(
    client: Browser, session: LoginSession, bank: Client
) -> None:
    response = ask(client, bank, {"type": "admin"})

    assert answer(response)["error"] == "invalid_authorization_details"


def test_section_6_1_the_token_request_may_ask_for_some_of_them(
    client: Browser, session: LoginSession, bank: Client
) -> None:
    ask(client, bank, PAYMENT, ACCOUNT)
    code = answer(allow(client))["code"]

    more = oauth.redeem(bank, code, authorization_details=json.dumps([ACCOUNT | {"actions": []}]))
    assert (more.status, more.error) == (400, "invalid_authorization_details")
    assert not RefreshFamily.unscoped.exists()
    some = oauth.redeem(bank, code, authorization_details=json.dumps([ACCOUNT]))
    assert some.json["authorization_details"] == [ACCOUNT]


def test_section_6_a_client_may_ask_in_its_own_name(acme: Organisation) -> None:
    machine = cast.client(
        "machine", acme, grant_types=["client_credentials"], scopes=["roles"],
        metadata={"authorization_details_types": ["account"]},
    )  # fmt: skip
    form = {"grant_type": "client_credentials"}

    good = oauth.token(machine, form | {"authorization_details": json.dumps([ACCOUNT])})
    bad = oauth.token(machine, form | {"authorization_details": json.dumps([PAYMENT])})

    assert good.json["authorization_details"] == [ACCOUNT]
    assert bad.error == "invalid_authorization_details"


@pytest.mark.spec("RFC 9396", "10", "discovery names the types of the installation, if it has some")
def test_types_in_discovery(settings: Any) -> None:
    path = "/.well-known/oauth-authorization-server"
    assert "authorization_details_types_supported" not in oauth.send("GET", path).json

    settings.AUTHORIZATION_DETAILS_TYPES = ["payment"]
    discovery.document.cache_clear()

    said = oauth.send("GET", path).json
    assert said["authorization_details_types_supported"] == ["payment"]


@pytest.mark.spec("RFC 9396", "10", "a client registers types that discovery names, and no others")
def test_types_are_registered(acme: Organisation, settings: Any) -> None:
    settings.AUTHORIZATION_DETAILS_TYPES = ["payment"]

    kept, refused = (
        registering.register(registering.initial_token(acme), authorization_details_types=[name])
        for name in ("payment", "account")
    )

    assert kept.json["authorization_details_types"] == ["payment"]
    assert (refused.status, refused.error) == (400, "invalid_client_metadata")


def test_audit_names_types_and_resources_but_not_what_they_say(
    acme: Organisation, client: Browser, session: LoginSession
) -> None:
    api = "https://api.example"
    app = cast.client(
        "app", acme, is_first_party=True,
        metadata={"authorization_details_types": ["payment"], "resources": [api]},
    )  # fmt: skip
    ask(client, app, PAYMENT, PAYMENT, resource=api)
    allow(client)

    facts = AuditEvent.objects.get(event="idp.code.issued").facts

    assert facts["resource"] == [api]
    assert facts["authorization_details_types"] == ["payment"]
    assert "123.50" not in json.dumps(facts)
