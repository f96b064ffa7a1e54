"""A067: what a client or a person says is put into an address that this server calls."""

import re
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from django.test import Client as Browser

from core import clock
from core.errors import Refusal
from idp import flows, tasks
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.elsewhere import Elsewhere
from tests.support.registering import initial_token, register

pytestmark = pytest.mark.django_db
TEMPLATES = [
    "https://a.example/{sid}", "https://{client_id}.example/", "https://a.example/${sub}",
    "https://a.example/{{ user.email }}", "https://a.example/<sid>", "https://a.example/%s|id",
    "https://a.example/{state}?x={iss}",
]  # fmt: skip


@pytest.mark.parametrize("uri", TEMPLATES)
@pytest.mark.parametrize(
    "name", ["backchannel_logout_uri", "frontchannel_logout_uri", "jwks_uri", "initiate_login_uri"]
)
def test_a_template_cannot_be_registered(acme: Any, name: str, uri: str) -> None:
    reply = register(initial_token(acme), **{name: uri})

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert not Client.unscoped.exists()


@pytest.mark.parametrize("uri", TEMPLATES)
def test_nor_as_an_address_to_return_to(acme: Any, uri: str) -> None:
    with pytest.raises(Refusal):
        flows.register_client(
            organisation=acme, name="Wiki", kind="confidential", now=clock.now(),
            redirect_uris=[cast.REDIRECT_URI], post_logout_redirect_uris=[uri],
        )  # fmt: skip

    assert not Client.unscoped.exists()


def test_logout_is_told_at_the_address_that_stands_there_whoever_signs_out(
    acme: Any, employee: Person, elsewhere: Elsewhere
) -> None:
    """Odd names of session, person and client travel in the signed token, never in the address."""
    path = "/logout/%7Bsid%7D/%s/../?a={}"
    uri = elsewhere.url(path)
    odd = cast.client("acme-{sid}", acme, metadata={"backchannel_logout_uri": uri})
    employee.user.name = "{sub}/../admin?x=%s"
    employee.user.save(update_fields=["name"])
    browser = Browser()
    session = cast.sign_in(browser, employee)
    oauth.redeem(odd, oauth.issue_code(odd, session, nonce="{iss}"))
    browser.post("/accounts/logout/?state={sid}")

    tasks.deliver_logout_tokens()

    assert [(method, asked) for method, asked, *_ in elsewhere.requests] == [("POST", path)]


def test_in_the_browser_iss_and_sid_are_added_as_plain_parameters(
    acme: Any, employee: Person
) -> None:
    uri = "https://app.acme.example/out?keep=%7Bsid%7D"
    framed = cast.client("framed", acme, metadata={"frontchannel_logout_uri": uri})
    browser = Browser()
    session = cast.sign_in(browser, employee)
    oauth.redeem(framed, oauth.issue_code(framed, session))

    page = browser.post("/accounts/logout/").content.decode()

    (source,) = re.findall(r'<iframe [^>]*src="([^"]*)"', page)
    parts = urlsplit(source.replace("&amp;", "&"))
    assert (parts.netloc, parts.path) == ("app.acme.example", "/out")
    assert parse_qs(parts.query) == {
        "keep": ["{sid}"], "iss": ["http://localhost:8000"], "sid": [str(session.id)],
    }  # fmt: skip


@pytest.mark.parametrize(
    "state", ["{sid}", "a&post_logout_redirect_uri=x", "%0d%0aa", "#x", "../x"]
)
def test_state_is_one_value_of_the_query(
    acme_web: Client, client: Browser, tokens: dict, state: str
) -> None:
    asked = {
        "id_token_hint": tokens["id_token"], "state": state,
        "post_logout_redirect_uri": "https://app.acme.example/",
    }  # fmt: skip

    response = client.get("/oauth/end-session", asked)

    location = response.headers.get("Location") or response["Refresh"].partition(";url=")[2]
    parts = urlsplit(location)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://app.acme.example/"
    assert parse_qsl(parts.query) == [("state", state)]
    assert not parts.fragment
