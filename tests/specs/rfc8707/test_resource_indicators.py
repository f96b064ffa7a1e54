"""RFC 8707, Resource Indicators for OAuth 2.0."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import AuthorizationCode, Client, RefreshFamily
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, authorize, nothing_was_issued
from tests.support.over_tls import ISSUER
from tests.support.push import push

pytestmark = pytest.mark.django_db

LEDGER, STOCK = "https://ledger.example/api", "https://stock.example/"


@pytest.fixture
def client_of_two(acme: Organisation) -> Client:
    return cast.client(
        "two-apis", acme, is_first_party=True, audience="https://main.example",
        metadata={"resources": [LEDGER, STOCK]},
    )  # fmt: skip


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


def tokens(browser: Browser, application: Client, *resources: str, **form: Any) -> Any:
    response = authorize(browser, application, scope="profile", resource=list(resources))
    return oauth.redeem(application, answer(response)["code"], **form)


def audience(reply: Any) -> Any:
    return oauth.claims_of(reply.json["access_token"])["aud"]


def test_section_2_1_the_token_is_for_what_was_named(
    client: Browser, session: LoginSession, client_of_two: Client
) -> None:
    assert audience(tokens(client, client_of_two, LEDGER)) == LEDGER
    assert audience(tokens(client, client_of_two, LEDGER, STOCK)) == [LEDGER, STOCK]
    assert audience(tokens(client, client_of_two)) == "https://main.example"


def test_section_2_1_a_clients_own_audience_may_be_named(
    client: Browser, session: LoginSession, client_of_two: Client
) -> None:
    reply = tokens(client, client_of_two, "https://main.example")

    assert audience(reply) == "https://main.example"


def test_userinfo_stays_an_audience_of_its_own(
    client: Browser, session: LoginSession, client_of_two: Client
) -> None:
    response = authorize(client, client_of_two, scope="openid", resource=LEDGER)

    assert audience(oauth.redeem(client_of_two, answer(response)["code"])) == [LEDGER, ISSUER]


@pytest.mark.parametrize(
    "resource",
    [
        "https://other.example/",
        LEDGER + "/",
        LEDGER + "#fragment",
        "/api",
        "ledger",
        [LEDGER, "https://other.example/"],
    ],
)
def test_section_2_what_is_not_registered_or_no_absolute_uri_is_an_invalid_target(
    client: Browser, session: LoginSession, client_of_two: Client, resource: Any
) -> None:
    response = authorize(client, client_of_two, resource=resource)

    assert answer(response)["error"] == "invalid_target"
    assert push(client_of_two, resource=resource).error == "invalid_target"
    assert nothing_was_issued()


def test_section_2_2_the_token_request_names_some_of_them(
    client: Browser, session: LoginSession, client_of_two: Client
) -> None:
    first = tokens(client, client_of_two, LEDGER, STOCK, resource=STOCK)
    assert audience(first) == STOCK
    second = oauth.refresh(client_of_two, first.json["refresh_token"], resource=LEDGER)
    assert audience(second) == LEDGER
    third = oauth.refresh(client_of_two, second.json["refresh_token"], resource=[LEDGER, STOCK])
    assert audience(third) == [LEDGER, STOCK]
    fourth = oauth.refresh(client_of_two, third.json["refresh_token"])
    assert audience(fourth) == [LEDGER, STOCK]


def test_section_2_2_but_none_that_was_not_granted_and_nothing_is_spent(
    client: Browser, session: LoginSession, client_of_two: Client
) -> None:
    response = authorize(client, client_of_two, scope="profile", resource=LEDGER)
    code = answer(response)["code"]

    refused = oauth.redeem(client_of_two, code, resource=STOCK)

    assert (refused.status, refused.error) == (400, "invalid_target")
    assert not RefreshFamily.unscoped.exists()
    assert AuthorizationCode.unscoped.get().used_at is None
    first = oauth.redeem(client_of_two, code)
    again = oauth.refresh(client_of_two, first.json["refresh_token"], resource=STOCK)
    assert again.error == "invalid_target"
    assert RefreshFamily.unscoped.get().generation == 0


def test_section_2_2_named_at_the_token_endpoint_alone_it_must_be_registered(
    client: Browser, session: LoginSession, client_of_two: Client
) -> None:
    assert audience(tokens(client, client_of_two, resource=STOCK)) == STOCK
    assert tokens(client, client_of_two, resource="https://x.example").error == "invalid_target"


def test_client_credentials_may_name_them(acme: Organisation) -> None:
    machine = cast.client(
        "machine-of-two", acme, grant_types=["client_credentials"], scopes=["roles"],
        metadata={"resources": [LEDGER, STOCK]},
    )  # fmt: skip
    form = {"grant_type": "client_credentials"}

    assert audience(oauth.token(machine, form | {"resource": LEDGER})) == LEDGER
    assert audience(oauth.token(machine, form | {"resource": [LEDGER, STOCK]})) == [LEDGER, STOCK]
    assert oauth.token(machine, form | {"resource": "https://x.example"}).error == "invalid_target"


def test_only_resource_may_be_repeated(acme_machine: Client) -> None:
    form = {"grant_type": "client_credentials", "scope": ["roles", "roles"]}

    assert oauth.token(acme_machine, form).error == "invalid_request"
