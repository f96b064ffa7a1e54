"""RFC 9470 §3, §4: what a resource's challenge asks for, the authorization endpoint delivers."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import HARDWARE
from tests.support.authorize import answer, authorize, nothing_was_issued
from tests.support.oauth import basic, claims_of, redeem, refresh, send

pytestmark = pytest.mark.django_db(transaction=True)


def tokens(client: Client, response: Any) -> dict[str, Any]:
    granted: dict[str, Any] = redeem(client, answer(response)["code"]).json
    return granted


def asked_of(response: Any) -> dict[str, list[str]]:
    """What the step-up page is asked for."""
    assert urlsplit(response["Location"]).path == "/step-up/", response["Location"]
    return parse_qs(urlsplit(response["Location"]).query)


@pytest.mark.spec("RFC 9470", "4", "the token carries the class that was asked for and met")
@pytest.mark.parametrize(
    ("held", "asked", "said"),
    [
        ("phr", "phr", "phr"),
        ("phrh", "phrh", "phrh"),
        ("phrh", "phr", "phr"),
        ("phrh", "aal2", "aal2"),
        ("phr", "aal2 phr", "aal2"),
        ("phr", "urn:unknown phr", "phr"),
        ("phr", "", "aal2"),
        ("aal2", "aal1", "aal1"),
        ("aal2", "", "aal2"),
    ],
)
def test_the_class_asked_for_is_the_class_said(
    acme_web: Client, employee: Person, held: str, asked: str, said: str
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee, acr=held)

    granted = tokens(acme_web, authorize(browser, acme_web, acr_values=asked))

    assert claims_of(granted["access_token"])["acr"] == said
    assert claims_of(granted["id_token"])["acr"] == said
    renewed = refresh(acme_web, granted["refresh_token"]).json
    assert claims_of(renewed["access_token"])["acr"] == said


@pytest.mark.spec("RFC 9470", "4", "a class that is not met leads to the page that proves it")
@pytest.mark.parametrize("asked", ["phr", "phrh"])
def test_a_passkey_is_asked_for(acme_web: Client, employee: Person, asked: str) -> None:
    passkeys.register(employee, passkeys.authenticator(flags=HARDWARE))
    browser = Browser()
    cast.sign_in(browser, employee, acr="aal2")

    response = authorize(browser, acme_web, acr_values=asked)

    assert asked_of(response)["acr"] == [asked]
    assert nothing_was_issued()
    page = browser.get(response["Location"]).content.decode()
    assert "passkey-step-up" in page
    assert 'name="password"' not in page, "a password would not reach this class"


@pytest.mark.spec("OpenID Core", "5.5.1.1", "acr_values are a wish: who has no passkey goes on")
def test_without_a_passkey_the_wish_is_passed_over(acme_web: Client, employee: Person) -> None:
    browser = Browser()
    cast.sign_in(browser, employee, acr="aal2")

    granted = tokens(acme_web, authorize(browser, acme_web, acr_values="phr"))

    assert claims_of(granted["id_token"])["acr"] == "aal2"


@pytest.mark.spec("RFC 9470", "4", "a client that demands a class gets it, or nothing")
def test_a_client_may_demand_a_passkey(acme_web: Client, employee: Person) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(required_acr="phr")
    browser = Browser()
    cast.sign_in(browser, employee, acr="aal2")

    response = authorize(browser, acme_web)

    page = browser.get(response["Location"]).content.decode()
    assert asked_of(response)["acr"] == ["phr"]
    assert "Add a passkey" in page
    assert "authenticator app" not in page, "an app would not reach this class"
    assert nothing_was_issued()


@pytest.mark.spec("RFC 9470", "4", "max_age asks for a recent sign-in")
def test_max_age_asks_again(acme_web: Client, employee: Person, later: Any) -> None:
    browser = Browser()
    cast.sign_in(browser, employee, acr="aal2")
    later(minutes=10)

    response = authorize(browser, acme_web, max_age="300")

    assert asked_of(response)["max_age"] == ["300"]


@pytest.mark.spec("RFC 9470", "6.2", "introspection tells acr and auth_time")
def test_introspection_tells_what_a_resource_judges_by(
    acme_web: Client, employee: Person, later: Any
) -> None:
    browser = Browser()
    session = cast.sign_in(browser, employee, acr="phr")
    granted = tokens(acme_web, authorize(browser, acme_web, acr_values="phr"))
    later(seconds=30)

    seen = send(
        "POST",
        "/oauth/introspect",
        form={"token": granted["access_token"]},
        authorization=basic(acme_web.client_id),
    ).json

    assert seen["acr"] == "phr"
    assert seen["auth_time"] == int(session.auth_time.timestamp())


@pytest.mark.spec("RFC 9470", "4", "a session that was weakened says no more than it holds")
def test_a_class_is_not_kept_when_the_session_falls_below(
    acme_web: Client, employee: Person
) -> None:
    browser = Browser()
    session = cast.sign_in(browser, employee, acr="phr")
    granted = tokens(acme_web, authorize(browser, acme_web, acr_values="phr"))
    type(session).unscoped.filter(pk=session.pk).update(acr="aal2")

    renewed = refresh(acme_web, granted["refresh_token"]).json

    assert claims_of(renewed["access_token"])["acr"] == "aal2"
