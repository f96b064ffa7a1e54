"""A006: no error of any kind redirects to an address that is not registered."""

from itertools import combinations
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, is_error_page, nothing_was_issued
from tests.support.request_objects import claims, sign, signing_client, unsigned

FAULTS: dict[str, Any] = {
    "response_type": "token",
    "response_mode": "form_post",
    "scope": "admin",
    "prompt": "none login",
    "request": "eyJ.e30.",
    "request_uri": "https://evil.example/r",
    "code_challenge": None,
    "max_age": "x",
    "id_token_hint": "x",
    "nonce": "n" * 600,
}
PAIRS = [dict(pair) for pair in combinations(FAULTS.items(), 2)]
EVIL = "https://evil.example/callback"


@pytest.mark.parametrize("faults", [{name: value} for name, value in FAULTS.items()] + PAIRS[:20])
def test_the_address_is_checked_before_anything_that_redirects(
    acme_web: Client, faults: dict[str, Any]
) -> None:
    response = authorize(Browser(), acme_web, redirect_uri=EVIL, **faults)

    assert is_error_page(response)
    assert "evil.example" not in response.content.decode()
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()


@pytest.mark.parametrize("prompt", ["none", "login", None])
def test_nor_for_a_client_that_is_unknown(db: None, prompt: str | None) -> None:
    response = authorize(Browser(), "nobody", redirect_uri=EVIL, prompt=prompt)

    assert is_error_page(response)
    assert nothing_was_issued()


def test_nor_for_an_address_of_another_client(
    acme_web: Client, acme_spa: Client, employee: Person
) -> None:
    Client.unscoped.filter(pk=acme_spa.pk).update(redirect_uris=[EVIL])
    victim = Browser()
    cast.sign_in(victim, employee)

    assert is_error_page(authorize(victim, acme_web, redirect_uri=EVIL))
    assert nothing_was_issued()


@pytest.mark.parametrize("inside", [EVIL, cast.REDIRECT_URI])
@pytest.mark.parametrize("is_signed", [True, False])
def test_nor_for_a_request_object_with_or_beside_such_an_address(
    acme: Organisation, inside: str, is_signed: bool
) -> None:
    client = signing_client("signer", acme)
    content = claims(client, redirect_uri=inside, response_type="token")
    text = sign(content) if is_signed else unsigned(content)

    response = authorize(Browser(), client, request=text, redirect_uri=EVIL)

    if is_signed and inside != EVIL:  # what is inside counts, and that is registered
        assert response["Location"].startswith(cast.REDIRECT_URI)
    else:
        assert is_error_page(response)
    assert nothing_was_issued()


@pytest.mark.parametrize("beside", [None, "", "x"])
def test_nor_for_a_request_object_that_cannot_be_read(acme: Organisation, beside: Any) -> None:
    client = signing_client("signer", acme)
    text = sign(claims(client, redirect_uri=EVIL))

    for broken in (text[:-3], f"{text}A", text.replace(".", "", 1), "x", ".."):
        response = authorize(Browser(), client, request=broken, redirect_uri=beside)
        assert is_error_page(response)
