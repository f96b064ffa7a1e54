"""A002: every byte of a redirect_uri counts."""

import pytest
from django.test import Client as Browser

from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, is_error_page, nothing_was_issued

GOOD = cast.REDIRECT_URI


@pytest.mark.parametrize(
    "uri",
    [
        f"{GOOD}/../x",
        f"{GOOD}/..;/x",
        f"{GOOD}/%2e%2e/x",
        f"{GOOD}%2f..%2fx",
        f"{GOOD}%252f..%252fx",
        f"{GOOD}\\..\\x",
        f"{GOOD}/",
        f"{GOOD}.",
        f"{GOOD}?",
        f"{GOOD}?a=1",
        f"{GOOD}#",
        f"{GOOD}#a",
        f"{GOOD};a",
        f"{GOOD} ",
        f" {GOOD}",
        f"{GOOD}%00",
        f"{GOOD}%20",
        GOOD.replace("callback", "%63allback"),
        GOOD.replace("callback", "Callback"),
        GOOD.replace("https", "HTTPS"),
        GOOD.replace("https", "http"),
        GOOD.replace(".example", ".example."),
        GOOD.replace(".example", ".example:443"),
        GOOD.replace("app.", "App."),
        GOOD.replace("://", ":/"),
        GOOD.replace("/callback", "//callback"),
        GOOD.replace("/callback", "/./callback"),
    ],
)
def test_any_difference_is_another_address(acme_web: Client, employee: Person, uri: str) -> None:
    attacker = Browser()
    cast.sign_in(attacker, employee)

    assert is_error_page(authorize(attacker, acme_web, redirect_uri=uri))
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()
