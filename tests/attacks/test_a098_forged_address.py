"""A098: headers that claim another address, in order to slip under limits or into the audit."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from audit.events import Event
from audit.models import AuditEvent
from risk.models import FailedSignIn, SignIn
from tests.cast import Person

FORGED = [
    {"HTTP_X_FORWARDED_FOR": "198.51.100.1"},
    {"HTTP_X_REAL_IP": "198.51.100.1"},
    {"HTTP_FORWARDED": "for=198.51.100.1"},
    {"HTTP_X_FORWARDED_FOR": "198.51.100.1, 198.51.100.2"},
    {"HTTP_X_FORWARDED_FOR": "not an address"},
    {"HTTP_X_FORWARDED_FOR": ", ".join(["198.51.100.1"] * 10_000)},
    {"HTTP_X_FORWARDED_FOR": "\x00, '; DROP TABLE"},
]


def fail(browser: Browser, **headers: str):
    return browser.post(
        reverse("account_login"),
        {"login": "nina@acme.example", "password": "wrong"},
        REMOTE_ADDR="203.0.113.9",
        **headers,
    )


@pytest.mark.parametrize("headers", FORGED)
def test_without_trusted_proxies_the_peer_counts(
    client: Browser, newcomer: Person, headers: dict[str, str]
) -> None:
    assert fail(client, **headers).status_code == 200
    assert AuditEvent.objects.get(event=Event.LOGIN_FAILED).address == "203.0.113.9"


def test_a_new_claim_each_time_does_not_evade_the_lock(client: Browser, newcomer: Person) -> None:
    answers = [
        fail(client, HTTP_X_FORWARDED_FOR=f"198.51.100.{number}").status_code
        for number in range(12)
    ]
    assert answers[-1] == 429


@pytest.mark.parametrize(
    ("claimed", "seen"),
    [
        ("198.51.100.1", "198.51.100.1"),
        ("6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("6.6.6.6, not-an-address", "203.0.113.9"),
        ("", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_behind_one_proxy_its_own_entry_counts(
    client: Browser, newcomer: Person, settings, claimed: str, seen: str
) -> None:
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert fail(client, HTTP_X_FORWARDED_FOR=claimed).status_code == 200
    assert AuditEvent.objects.get(event=Event.LOGIN_FAILED).address == seen


def test_an_address_in_another_spelling_is_no_other_address(
    client: Browser, newcomer: Person
) -> None:
    """A socket for both versions says `::ffff:203.0.113.9`: a lock on 203.0.113.9 has to hold it."""
    client.post(
        reverse("account_login"),
        {"login": "nina@acme.example", "password": "wrong"},
        REMOTE_ADDR="::ffff:203.0.113.9",
    )

    assert AuditEvent.objects.get(event=Event.LOGIN_FAILED).address == "203.0.113.9"


def test_fewer_hops_than_proxies_are_no_fault(client: Browser, newcomer: Person, settings) -> None:
    """AA4: allauth raises ImproperlyConfigured here, a 500."""
    settings.TRUSTED_PROXY_COUNT = settings.ALLAUTH_TRUSTED_PROXY_COUNT = 3
    assert fail(client, HTTP_X_FORWARDED_FOR="198.51.100.1").status_code == 200
    assert AuditEvent.objects.get(event=Event.LOGIN_FAILED).address == "203.0.113.9"


@pytest.mark.parametrize("headers", FORGED)
def test_risk_judges_the_peer_not_the_claim(
    client: Browser, newcomer: Person, headers: dict[str, str]
) -> None:
    client.post(
        reverse("account_login"),
        {"login": newcomer.email, "password": newcomer.password},
        REMOTE_ADDR="203.0.113.9",
        **headers,
    )

    assert SignIn.unscoped.get().address == "203.0.113.9"


def test_a_new_claim_each_time_does_not_hide_a_spray(client: Browser, db: None) -> None:
    for number in range(6):
        client.post(
            reverse("account_login"),
            {"login": f"p{number}@acme.example", "password": "wrong"},
            REMOTE_ADDR="203.0.113.9",
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
        )

    assert FailedSignIn.objects.values("address").distinct().count() == 1
