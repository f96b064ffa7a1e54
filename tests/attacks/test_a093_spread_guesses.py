"""A093: guesses spread over spellings, addresses and paths draw on one count for the account."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget
from accounts.models import GuessBudget
from audit.events import Event
from audit.models import AuditEvent
from risk.models import FailedSignIn, SignIn
from tests import cast
from tests.cast import PASSWORD, Person

SPELLINGS = ["nina@acme.example", "NINA@acme.example", " nina@ACME.EXAMPLE ", "Nina@Acme.Example"]


@pytest.fixture(autouse=True)
def _only_the_budget(settings) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    settings.AXES_FAILURE_LIMIT = 100_000


def guess(browser: Browser, login: str, password: str = "a wrong guess", address: str = "10.0.0.1"):
    return browser.post(
        reverse("account_login"), {"login": login, "password": password}, REMOTE_ADDR=address
    )


def test_spellings_and_addresses_share_one_count(client: Browser, newcomer: Person) -> None:
    for number in range(20):
        guess(client, SPELLINGS[number % 4], address=f"10.0.{number}.1")
    assert GuessBudget.objects.get().total == 20
    locked = guess(client, newcomer.email, PASSWORD, address="192.0.2.7")
    assert locked.status_code == 429
    assert int(locked["Retry-After"]) > 0
    assert "_auth_user_id" not in client.session
    assert AuditEvent.objects.filter(event=Event.ACCOUNT_LOCKED).count() == 1


def test_the_password_page_behind_a_session_draws_on_it_too(
    client: Browser, newcomer: Person
) -> None:
    for _ in range(19):
        guess(Browser(), newcomer.email)
    cast.sign_in(client, newcomer, acr="aal1")  # clears the count: a whole sign-in
    for number in range(20):
        client.post(
            reverse("account_change_password"),
            {"oldpassword": f"wrong {number}", "password1": "x", "password2": "x"},
        )
    assert GuessBudget.objects.get().window_failures == budget.WINDOW_FAILURES
    assert guess(Browser(), newcomer.email, PASSWORD).status_code == 429


def test_unicode_lookalikes_are_other_addresses_not_more_guesses_at_this_one(
    client: Browser, newcomer: Person
) -> None:
    for login in ("nına@acme.example", "nina@acme.example\u200b", "\uff4eina@acme.example"):  # noqa: RUF001
        guess(client, login, PASSWORD)
        assert "_auth_user_id" not in client.session


def test_spellings_are_one_account_for_risk_as_well(client: Browser, newcomer: Person) -> None:
    for number in range(8):
        guess(client, SPELLINGS[number % 4], address=f"10.0.{number}.1")

    assert FailedSignIn.objects.values("account").distinct().count() == 1
    assert FailedSignIn.objects.count() == 8


def test_a_burst_of_guesses_counts_against_the_sign_in_that_follows(
    newcomer: Person,
) -> None:
    for number in range(8):
        guess(Browser(), SPELLINGS[number % 4], address=f"10.0.{number}.1")

    guess(Browser(), newcomer.email, PASSWORD, address="10.0.0.1")

    assert "failures" in [code for code, _ in SignIn.unscoped.get().reasons]
