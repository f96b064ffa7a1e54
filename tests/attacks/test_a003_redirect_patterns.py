"""A003: no prefix, suffix, wildcard or pattern is ever matched."""

import pytest
from django.test import Client as Browser

from core import clock
from core.errors import Refusal
from idp.flows import update_client
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, is_error_page, nothing_was_issued


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.acme.example.evil.example/callback",
        "https://appxacme.example/callback",
        "https://app.acmeXexample/callback",
        "https://evil-app.acme.example/callback",
        "https://other.app.acme.example/callback",
        "https://app.acme.example/callback/more",
        "https://app.acme.example/",
        "https://app.acme.example",
        "https://.*",
        "*",
    ],
)
def test_what_only_looks_alike_is_refused(acme_web: Client, employee: Person, uri: str) -> None:
    attacker = Browser()
    cast.sign_in(attacker, employee)

    assert is_error_page(authorize(attacker, acme_web, redirect_uri=uri))
    assert nothing_was_issued()


def test_a_pattern_cannot_be_registered(acme_web: Client) -> None:
    for pattern in ("https://*.acme.example/callback", "https://app.acme.example/.*"):
        with pytest.raises(Refusal):
            update_client(client=acme_web, redirect_uris=[pattern], now=clock.now())


def test_a_pattern_that_got_into_the_table_matches_itself_alone(
    acme_web: Client, employee: Person
) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(redirect_uris=["https://app.acme.example/.*"])
    attacker = Browser()
    cast.sign_in(attacker, employee)

    assert is_error_page(authorize(attacker, acme_web))
    assert nothing_was_issued()
