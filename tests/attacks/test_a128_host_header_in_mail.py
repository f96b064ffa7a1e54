"""A128: a foreign Host must not get into the links that we mail."""

import pytest
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows
from accounts.models import Organisation, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from tests import cast
from tests.cast import PASSWORD, Person

EVIL = "evil.example"
ISSUER = "https://id.acme.example"
FORWARDED = [
    {"HTTP_X_FORWARDED_HOST": EVIL},
    {"HTTP_X_FORWARDED_PROTO": "http", "HTTP_X_FORWARDED_SERVER": EVIL},
    {"HTTP_FORWARDED": f"host={EVIL};proto=http"},
    {"HTTP_X_ORIGINAL_HOST": EVIL, "HTTP_X_HOST": EVIL},
]


@pytest.fixture(autouse=True)
def _ours(settings) -> None:
    settings.ISSUER = ISSUER
    settings.SIGNUP = "open"


def ask_reset(browser: Browser, email: str, **headers: str):
    return browser.post(reverse("account_reset_password"), {"email": email}, **headers)


def ask_signup(browser: Browser, email: str, **headers: str):
    form = {"email": email, "password1": PASSWORD}
    return browser.post(reverse("account_signup"), form, **headers)


@pytest.mark.parametrize("host", [EVIL, f"{EVIL}:80", "testserver@evil.example", "a..b", "[::1"])
@pytest.mark.parametrize("ask", [ask_reset, ask_signup])
def test_a_foreign_host_is_refused_and_mails_nothing(newcomer: Person, ask, host: str) -> None:
    response = ask(Browser(), newcomer.email, HTTP_HOST=host)
    assert response.status_code == 400
    assert mail.outbox == []
    assert not AuditEvent.objects.filter(event=Event.PASSWORD_RESET_REQUESTED).exists()
    assert User.unscoped.count() == 1


@pytest.mark.parametrize("headers", FORWARDED)
@pytest.mark.parametrize("ask", [ask_reset, ask_signup])
@pytest.mark.parametrize("email", ["nina@acme.example", "new@acme.example"])
def test_forwarding_headers_change_no_link(
    newcomer: Person, ask, email: str, headers: dict[str, str]
) -> None:
    ask(Browser(), email, **headers)
    (sent,) = mail.outbox
    assert EVIL not in sent.body
    assert "testserver" not in sent.body
    for link in [word for word in sent.body.split() if "://" in word]:
        assert link.startswith(f"{ISSUER}/"), link


def test_even_an_allowed_host_is_not_what_links_are_made_of(newcomer: Person, settings) -> None:
    settings.ALLOWED_HOSTS = ["testserver", "inside.acme.example"]
    ask_reset(Browser(), newcomer.email, HTTP_HOST="inside.acme.example")
    assert f"{ISSUER}/accounts/password/reset/key/" in mail.outbox[0].body
    assert "inside" not in mail.outbox[0].body


def test_notices_and_invitations_point_home(
    client: Browser, newcomer: Person, acme: Organisation
) -> None:
    flows.invite(organisation=acme, email="gus@acme.example", now=clock.now())
    cast.sign_in(client, newcomer, acr="aal1")
    client.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": "thistle marmalade orbit",
         "password2": "thistle marmalade orbit"},
        HTTP_X_FORWARDED_HOST=EVIL,
    )  # fmt: skip
    assert len(mail.outbox) == 2
    for sent in mail.outbox:
        links = [word for word in sent.body.split() if "://" in word]
        assert links
        assert all(link.startswith(f"{ISSUER}/") for link in links)
