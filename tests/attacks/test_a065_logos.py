"""A065, A066: a logo is at an address inside, leads there, or has the server ask a victim."""

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp import flows, tasks
from idp.models import Client, ClientLogo
from tests import cast
from tests.cast import Person
from tests.support import pictures
from tests.support.authorize import authorize, query
from tests.support.elsewhere import Elsewhere
from tests.support.registering import initial_token, register

PNG = "image/png"


def error() -> str:
    row = ClientLogo.unscoped.get()
    assert row.content is None
    return row.last_error


def test_a_name_that_leads_inside_is_not_asked(
    settings, acme: Organisation, elsewhere: Elsewhere
) -> None:
    """It was open when it was registered; who is behind it counts when it is asked."""
    uri = elsewhere.serve("/logo", pictures.png(), content_type=PNG)
    assert register(initial_token(acme), logo_uri=uri).status == 201
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    assert tasks.fetch_client_logos() == 0
    assert elsewhere.requests == []
    assert "not open" in error()


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1/l.png", "https://[::1]/l.png", "https://169.254.169.254/l.png",
        "https://0x7f.1/l.png", "http://logo.example/l.png", "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x", "https://u:p@logo.example/l.png",
    ],
)  # fmt: skip
def test_what_got_into_a_row_in_some_other_way_is_not_asked(acme: Organisation, uri: str) -> None:
    client = cast.client("acme-ledger", acme, metadata={"logo_uri": uri})
    ClientLogo.objects.create(
        client=client, organisation=acme, uri=uri, next_attempt_at=client.created_at
    )

    assert tasks.fetch_client_logos() == 0
    assert error()


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(acme: Organisation, elsewhere: Elsewhere, status: int) -> None:
    elsewhere.serve("/inside", pictures.png(), content_type=PNG)
    elsewhere.pages["/logo"] = (status, {"Location": elsewhere.url("/inside")}, b"")
    register(initial_token(acme), logo_uri=elsewhere.url("/logo"))

    assert tasks.fetch_client_logos() == 0
    assert [path for _, path, *_ in elsewhere.requests] == ["/logo"]
    assert "redirect" in error()


def test_no_request_of_anybody_has_a_logo_fetched(
    acme: Organisation, employee: Person, elsewhere: Elsewhere
) -> None:
    uri = elsewhere.serve("/logo", pictures.png(), content_type=PNG)
    token = initial_token(acme, uses=3)
    for _ in range(3):
        register(token, logo_uri=uri)
    browser = Browser()
    cast.sign_in(browser, employee)
    for client in Client.unscoped.all():
        page = browser.get("/oauth/consent", {"id": query(authorize(browser, client))["id"]})
        assert uri not in page.content.decode()
        browser.get("/client-logos/" + "00" * 32)
    flows.update_client(client=client, name="Ledger", now=client.changed_at)

    assert elsewhere.requests == []
