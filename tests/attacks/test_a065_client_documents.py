"""A065, A066: a client_id that is an address may lead nowhere inside, and speaks for itself alone."""

import socket
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import is_error_page, nothing_was_issued
from tests.support.documents import allow, ask, callback, consent_page, fetches, publish
from tests.support.elsewhere import Elsewhere

INSIDE = [
    "127.0.0.1", "127.1", "0x7f.1", "2130706433", "localhost", "a.localhost", "169.254.169.254",
    "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[fd00::1]", "0.0.0.0", "127.0.0.1.",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _open(settings, acme: Organisation) -> None:
    settings.CLIENT_DOCUMENTS_ORGANISATION = "acme"
    settings.CLIENT_DOCUMENTS_HOSTS = ["*"]


@pytest.fixture
def alice(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


@pytest.mark.parametrize("host", INSIDE)
def test_nothing_inside_is_asked(client: Browser, host: str) -> None:
    uri = f"https://{host}/client.json"

    assert is_error_page(client.get("/oauth/authorize", {"client_id": uri, "redirect_uri": uri}))
    assert not Client.unscoped.exists()


def test_a_name_that_leads_inside_is_not_asked(
    settings, client: Browser, elsewhere: Elsewhere
) -> None:
    client_id = publish(elsewhere)
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    assert is_error_page(ask(client, elsewhere, client_id))
    assert fetches(elsewhere) == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(alice: Browser, elsewhere: Elsewhere, status: int) -> None:
    publish(elsewhere, path="/real.json")
    client_id = publish(elsewhere, status=status, headers={"Location": elsewhere.url("/real.json")})

    assert is_error_page(ask(alice, elsewhere, client_id))
    assert fetches(elsewhere, "/real.json") == 0


def test_a_document_that_speaks_of_another_address_is_refused(
    alice: Browser, elsewhere: Elsewhere
) -> None:
    """Whoever can put a file on a host cannot pass for the client beside it."""
    publish(elsewhere, path="/real.json")
    swapped = publish(elsewhere, path="/upload.json", client_id=elsewhere.url("/real.json"))

    assert is_error_page(ask(alice, elsewhere, swapped))
    assert AuditEvent.objects.get(event="idp.registration.refused").facts["client_id"] == swapped


@pytest.mark.parametrize(
    "uri", ["https://evil.example/callback", "https://localhost/callback", "com.bank.app:/cb"]
)
def test_codes_go_to_no_other_host(alice: Browser, elsewhere: Elsewhere, uri: str) -> None:
    client_id = publish(elsewhere, redirect_uris=[uri], application_type="native")

    assert is_error_page(ask(alice, elsewhere, client_id, redirect_uri=uri))
    assert nothing_was_issued()


def test_a_document_swapped_after_consent_gets_no_code_elsewhere(
    alice: Browser, elsewhere: Elsewhere, later: Any
) -> None:
    client_id = publish(elsewhere)
    allow(alice, ask(alice, elsewhere, client_id))
    publish(elsewhere, redirect_uris=["https://evil.example/callback"])
    later(hours=2)

    response = ask(alice, elsewhere, client_id, redirect_uri="https://evil.example/callback")

    assert is_error_page(response)
    assert Client.unscoped.get().redirect_uris == [callback(elsewhere)]


def test_other_alphabets_are_refused_and_punycode_is_shown_as_such(
    alice: Browser, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, port, **__: [(2, 1, 6, "", ("127.0.0.1", port))]
    )
    homograph = "https://xn--pypal-4ve.example/client.json"
    assert is_error_page(
        alice.get(
            "/oauth/authorize",
            {"client_id": "https://p\u0430ypal.example/client.json", "redirect_uri": homograph},
        )
    )
    with Elsewhere(host="xn--pypal-4ve.example") as server:
        client_id = publish(server, client_name="PayPal")

        page = consent_page(alice, ask(alice, server, client_id))

    assert 'id="consent-host">xn--pypal-4ve.example<' in page
    assert "p\u0430ypal" not in page


@pytest.mark.usefixtures("early_in_a_window")
def test_a_stranger_makes_us_ask_only_so_often(client: Browser, elsewhere: Elsewhere) -> None:
    statuses = []
    for number in range(35):
        publish(elsewhere, path=f"/{number}.json")
        statuses.append(ask(client, elsewhere, elsewhere.url(f"/{number}.json")).status_code)

    assert statuses[:30] == [303] * 30
    assert statuses[30:] == [400] * 5
    assert len(elsewhere.requests) == 30
    assert not Client.unscoped.exists()
