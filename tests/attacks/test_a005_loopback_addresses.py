"""A005: an address on the loopback that only resembles the registered one.

Here nothing may differ, the port neither: stricter than RFC 8252 §7.3.
"""

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from core import clock
from core.errors import Refusal
from idp.flows import register_client
from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, is_error_page, nothing_was_issued

REGISTERED = ["http://127.0.0.1:8765/callback", "http://[::1]:8765/callback"]


@pytest.fixture
def native(acme: Organisation) -> Client:
    return cast.client("native", acme, kind="public", redirect_uris=REGISTERED)


@pytest.mark.parametrize("uri", REGISTERED)
def test_the_registered_ones_are_good(native: Client, employee: Person, uri: str) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)

    assert authorize(browser, native, redirect_uri=uri).status_code == 303


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:8766/callback",
        "http://127.0.0.1/callback",
        "http://[::1]/callback",
        "http://localhost:8765/callback",
        "http://127.0.0.1.evil.example:8765/callback",
        "http://localhost.evil.example/callback",
        "http://localhost:80@evil.example/callback",
        "http://127.0.0.1:8765@evil.example/callback",
        "http://127.1:8765/callback",
        "http://0x7f000001:8765/callback",
        "http://2130706433:8765/callback",
        "http://[::ffff:127.0.0.1]:8765/callback",
        "http://[0:0:0:0:0:0:0:1]:8765/callback",
        "http://127.0.0.2:8765/callback",
        "https://127.0.0.1:8765/callback",
        "http://127.0.0.1:8765/callback/..",
        "http://127.0.0.1:08765/callback",
    ],
)
def test_no_other_is(native: Client, employee: Person, uri: str) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)

    response = authorize(browser, native, redirect_uri=uri)

    assert is_error_page(response)
    assert "evil.example" not in response.content.decode()
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost.evil.example/callback", "http://127.0.0.1.evil.example/",
        "http://127.0.0.1@evil.example/", "http://localhost:80@evil.example/",
        "http://192.168.1.1/callback", "http://0.0.0.0/callback", "http://[::]/callback",
        "http://evil.example/callback",
    ],
)  # fmt: skip
def test_plain_http_to_elsewhere_cannot_be_registered(acme: Organisation, uri: str) -> None:
    with pytest.raises(Refusal):
        register_client(
            organisation=acme, name="App", kind="public", redirect_uris=[uri], now=clock.now()
        )

    assert not Client.unscoped.exists()
