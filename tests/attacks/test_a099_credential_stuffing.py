"""A099: one try on each of many accounts, which no count of a single account notices.

What the tries have in common is where they come from: a sign-in that succeeds from there is judged by
them, and so is one from the same network.
"""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from risk import geo
from risk.levels import RiskLevel
from risk.models import FailedSignIn, SignIn
from sessions.models import LoginSession
from tests.cast import FIREFOX, PASSWORD, Person
from tests.support import mmdb

BOT, NEIGHBOUR, HOME = "81.5.5.5", "81.5.5.6", "81.9.9.9"


@pytest.fixture(autouse=True)
def _one_network(tmp_path, settings):
    settings.ACCOUNT_RATE_LIMITS = False
    settings.AXES_FAILURE_LIMIT = 100_000
    settings.GEO_DATABASE = mmdb.write(
        tmp_path / "as.mmdb", {"81.0.0.0/8": {"autonomous_system_number": 7}}
    )
    settings.GEO_DIR = settings.GEO_DATABASE
    geo.forget()
    yield
    geo.forget()


def sign_in(browser: Browser, login: str, password: str, address: str):
    return browser.post(
        reverse("account_login"),
        {"login": login, "password": password},
        REMOTE_ADDR=address,
        HTTP_USER_AGENT=FIREFOX,
    )


def stuff(accounts: int) -> None:
    for number in range(accounts):
        sign_in(Browser(), f"p{number}@acme.example", "leaked elsewhere", BOT)


def codes() -> list[str]:
    return [code for code, _ in SignIn.unscoped.latest("at").reasons]


def test_the_one_that_fits_is_not_let_in_as_harmless(newcomer: Person, later) -> None:
    sign_in(Browser(), newcomer.email, PASSWORD, HOME)
    later(days=3)
    stuff(20)

    sign_in(Browser(), newcomer.email, PASSWORD, BOT)

    assert "spray" in codes()
    assert LoginSession.unscoped.latest("started_at").risk_level >= RiskLevel.MEDIUM


def test_a_neighbouring_address_of_the_same_network_is_judged_as_well(
    newcomer: Person, later
) -> None:
    sign_in(Browser(), newcomer.email, PASSWORD, HOME)
    later(days=3)
    stuff(50)

    sign_in(Browser(), newcomer.email, PASSWORD, NEIGHBOUR)

    assert "spray" in codes()


def test_accounts_that_nobody_has_are_counted_alike(db: None) -> None:
    stuff(6)

    assert FailedSignIn.objects.values("account").distinct().count() == 6
