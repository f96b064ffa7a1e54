"""A009: the provider is used to lead a victim from its own good name to an evil place."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, is_error_page, nothing_was_issued, path
from tests.support.registering import initial_token, register

EVIL = "https://evil.example/landing"


@pytest.fixture
def victim(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


@pytest.mark.parametrize(
    "changes",
    [{}, {"prompt": "none"}, {"scope": "x"}, {"response_type": "x"}, {"prompt": "none login"}],
    ids=["good", "silent", "scope", "type", "prompt"],
)
def test_an_address_that_nobody_has_registered_is_never_gone_to(
    acme_web: Client, victim: Browser, changes: dict[str, Any]
) -> None:
    for client in (acme_web, "nobody"):
        assert is_error_page(authorize(victim, client, redirect_uri=EVIL, **changes))
    assert nothing_was_issued()


def test_a_stranger_registers_nothing(db: None, acme: Organisation) -> None:
    """Closed unless an operator opens it; who may, brings a token of an administrator."""
    for token in (None, "made-up"):
        reply = register(token, redirect_uris=[EVIL])
        assert (reply.status, reply.error) == (401, "invalid_token")
    assert not Client.unscoped.exists()


@pytest.mark.parametrize("prompt", [None, "login"])
def test_who_registered_itself_waits_for_the_persons_consent(
    acme: Organisation, victim: Browser, prompt: str | None
) -> None:
    register(initial_token(acme), redirect_uris=[EVIL])
    evil = Client.unscoped.get()

    response = authorize(victim, evil, redirect_uri=EVIL, scope="openid", prompt=prompt)

    assert path(response) in {"/oauth/consent", "/accounts/login/", "/step-up/"}
    assert nothing_was_issued()


def test_silently_it_learns_that_consent_is_missing_and_nothing_else(
    acme: Organisation, victim: Browser
) -> None:
    register(initial_token(acme), redirect_uris=[cast.REDIRECT_URI])
    evil = Client.unscoped.get()

    told = answer(authorize(victim, evil, scope="openid", prompt="none"))

    assert told["error"] == "consent_required"
    assert told.keys() == {"error", "error_description", "state", "iss"}
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/accounts/login/", "next"),
        ("/step-up/", "next"),
        ("/oauth/end-session", "post_logout_redirect_uri"),
    ],
)
@pytest.mark.parametrize(
    "evil",
    [EVIL, "//evil.example/", "\\\\evil.example", "https:evil.example", "javascript:alert(1)",
     "/\\evil.example", "http://localhost:8000@evil.example/", "\thttps://evil.example/"],
)  # fmt: skip
def test_no_page_of_ours_leads_there(
    victim: Browser, employee: Person, address: str, name: str, evil: str
) -> None:
    asked = victim.get(address, {name: evil})
    signed_in = Browser().post(
        "/accounts/login/", {"login": employee.email, "password": employee.password, "next": evil}
    )
    ended = victim.post("/oauth/end-session", {name: evil, "decision": "sign_out"})

    for response in (asked, signed_in, ended):
        for header in ("Location", "Refresh"):
            assert "evil.example" not in response.headers.get(header, "").partition("?")[0]
            assert "javascript:" not in response.headers.get(header, "")
        assert f'href="{evil}"' not in response.content.decode()
