"""OpenID Connect Core 1.0 §4: a sign-in that begins at the provider."""

from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.test import Client as Browser

from core import clock
from idp.flows import grant_consent
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.over_tls import ISSUER

ADDRESS = "https://app.acme.example/start?via=sallyport"


def page(browser: Browser, who: Person, client: Client) -> str:
    cast.sign_in(browser, who)
    grant_consent(user=who.user, client=client, scopes=["openid"], session_id=None, now=clock.now())
    return unescape(browser.get("/security/applications/").content.decode())


@pytest.mark.spec("OpenID Connect Core", "4", "the link has the issuer")
def test_the_list_of_applications_leads_there(client: Browser, employee: Person, acme: Any) -> None:
    app = cast.client("acme-app", acme, metadata={"initiate_login_uri": ADDRESS})

    text = page(client, employee, app)

    assert f'href="{ADDRESS}&{urlencode({"iss": ISSUER}, quote_via=quote)}"' in text


def test_without_an_address_there_is_no_link(
    client: Browser, employee: Person, acme_web: Client
) -> None:
    assert "iss=" not in page(client, employee, acme_web)


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "http://app.acme.example/"])
def test_what_came_in_otherwise_is_not_shown(
    client: Browser, employee: Person, acme: Any, uri: str
) -> None:
    app = cast.client("acme-app", acme, metadata={"initiate_login_uri": uri})

    assert uri not in page(client, employee, app)
