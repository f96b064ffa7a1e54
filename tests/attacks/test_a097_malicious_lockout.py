"""A097: somebody keeps failing in order to keep somebody else out."""

from django.test import Client as Browser
from django.urls import reverse

from accounts import budget
from accounts.models import GuessBudget
from core import clock
from tests import cast
from tests.cast import PASSWORD, Person
from tests.support import passkeys


def fail(browser: Browser, email: str, address: str):
    return browser.post(
        reverse("account_login"), {"login": email, "password": "wrong"}, REMOTE_ADDR=address
    )


def test_axes_locks_the_attackers_address_not_the_account(
    client: Browser, newcomer: Person
) -> None:
    answers = [fail(client, newcomer.email, "203.0.113.9").status_code for _ in range(11)]
    assert answers[:9] == [200] * 9
    assert answers[-1] == 429
    assert GuessBudget.objects.get().total == 10, "an attempt during the lock is not counted"
    response = Browser().post(
        reverse("account_login"),
        {"login": newcomer.email, "password": PASSWORD},
        REMOTE_ADDR="192.0.2.10",
    )
    assert response.status_code == 302


def test_a_lock_is_not_prolonged_by_more_failures(newcomer: Person, later) -> None:
    for _ in range(20):
        budget.spend(newcomer.email, now=clock.now())
    for _ in range(14):
        later(minutes=1)
        fail(Browser(), newcomer.email, "203.0.113.9")
    later(minutes=1)
    response = Browser().post(
        reverse("account_login"),
        {"login": newcomer.email, "password": PASSWORD},
        REMOTE_ADDR="192.0.2.10",
    )
    assert response.status_code == 302


def test_who_is_signed_in_stays_signed_in(client: Browser, newcomer: Person) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    for _ in range(20):
        budget.spend(newcomer.email, now=clock.now())
    assert client.get(reverse("console:home")).status_code == 200


def test_the_owner_is_told_once_in_a_lock(
    client: Browser, newcomer: Person, settings, mailoutbox
) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    settings.AXES_FAILURE_LIMIT = 100_000
    for _ in range(30):
        fail(client, newcomer.email, "203.0.113.9")
    assert [mail.subject for mail in mailoutbox] == ["Sign-in to your account was paused"]


def test_the_way_out_cannot_be_locked(client: Browser, newcomer: Person, mailoutbox) -> None:
    for _ in range(20):
        budget.spend(newcomer.email, now=clock.now())
    client.post(reverse("account_reset_password"), {"email": newcomer.email})
    assert mailoutbox[-1].subject == "Set a new password"


def test_who_holds_a_passkey_gets_in_meanwhile(client: Browser, newcomer: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    for _ in range(20):
        budget.spend(newcomer.email, now=clock.now())

    assert passkeys.sign_in(client, key).status_code == 200
    assert client.get(reverse("console:home")).status_code == 200
