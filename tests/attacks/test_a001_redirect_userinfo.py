"""A001: a redirect_uri with a user part, or several @."""

import pytest
from django.test import Client as Browser

from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, is_error_page, nothing_was_issued

HOST = "app.acme.example"


@pytest.mark.parametrize(
    "uri",
    [
        f"https://{HOST}@evil.example/callback",
        f"https://{HOST}:443@evil.example/callback",
        f"https://a@b@{HOST}/callback",
        f"https://user:secret@{HOST}/callback",
        f"https://@{HOST}/callback",
        f"https://{HOST}%40evil.example/callback",
        f"https://evil.example\\@{HOST}/callback",
        f"https://evil.example#@{HOST}/callback",
    ],
)
def test_it_gets_a_page_and_no_redirect(acme_web: Client, employee: Person, uri: str) -> None:
    attacker = Browser()
    cast.sign_in(attacker, employee)

    response = authorize(attacker, acme_web, redirect_uri=uri)

    assert is_error_page(response)
    assert "evil.example" not in response.content.decode()
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()
