"""A014, of those who register themselves: their words are text, their addresses plain https."""

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, query
from tests.support.registering import initial_token, register

MARKUP = '"><script>alert(1)</script>'


def consent_page(client: Client, who: Person) -> tuple[str, str]:
    browser = Browser()
    cast.sign_in(browser, who)
    page = browser.get("/oauth/consent", {"id": query(authorize(browser, client))["id"]})
    return page.content.decode(), page["Content-Security-Policy"]


def test_a_name_with_markup_is_shown_as_text(acme: Organisation, employee: Person) -> None:
    register(initial_token(acme), client_name=MARKUP)

    page, _ = consent_page(Client.unscoped.get(), employee)

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("name", ["Bank\u202eknab", "Bank\u200b", "a\r\nb", " ", "x" * 10_000])
def test_a_name_that_fakes_is_refused(acme: Organisation, name: str) -> None:
    reply = register(initial_token(acme), client_name=name)

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert not Client.unscoped.exists()
    assert AuditEvent.objects.filter(event="idp.registration.refused").count() == 1


@pytest.mark.parametrize(
    "uri",
    [
        'https://a.example/"onerror=alert(1)', "javascript:alert(1)", "data:image/svg+xml,<svg>",
        "https://a.example;script-src *", "https://a.example,https://b.example/", "https://*/",
        "https://'unsafe-inline'/", "https://a.example\\@b.example/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["logo_uri", "policy_uri", "tos_uri", "client_uri"])
def test_an_address_that_would_widen_the_page_is_refused(
    acme: Organisation, employee: Person, name: str, uri: str
) -> None:
    token = initial_token(acme)

    assert register(token, **{name: uri}).error == "invalid_client_metadata"

    # Nor does the page believe what stands in the row.
    assert register(token).status == 201
    client = Client.unscoped.get()
    Client.unscoped.filter(pk=client.pk).update(metadata={name: uri})
    page, policy = consent_page(client, employee)
    assert uri not in page
    assert "example" not in policy
    assert "<img" not in page
