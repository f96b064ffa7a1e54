"""A105: guess six digits at full speed: new sessions, new addresses, both pages, a password reset."""

from itertools import count

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from accounts import budget
from audit.models import AuditEvent
from core import clock
from mfa.models import MAX_FAILURES_IN_A_ROW, TotpFactor
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.entrances import give_code, give_password
from tests.support.racing import race


@pytest.fixture(autouse=True)
def _cheap_passwords(settings: object) -> None:
    """Guessing enters the password again and again; how dear that is does not matter here."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]


@pytest.fixture
def wrong(employee: Person) -> object:
    """Wrong codes, never a right one."""

    def codes() -> str:
        right = {employee.totp_code()}
        return next(f"{n:06d}" for n in count(1) if f"{n:06d}" not in right)

    return codes


def tries() -> int:
    """How many guesses were judged."""
    return AuditEvent.objects.filter(event="mfa.challenge.failed").count()


def guess_until_stopped(who: Person, wrong: object, address: str, most: int = 30) -> int:
    """A new session that gives the password and guesses; the status it was stopped with."""
    browser = Browser(REMOTE_ADDR=address)
    answer = give_password(browser, who)
    for _ in range(most):
        if answer.status_code == 429:
            break
        answer = give_code(browser, wrong())
    return answer.status_code


def test_new_sessions_addresses_and_passwords_buy_no_guesses(
    employee: Person, wrong: object, later: object
) -> None:
    for round_number in range(10):
        for address in range(1, 5):
            guess_until_stopped(employee, wrong, f"198.51.100.{10 * round_number + address}")
        later(minutes=16)

    assert tries() == budget.TOTAL_FAILURES
    assert not LoginSession.unscoped.filter(user=employee.user).exists()
    cache.clear()  # allauth's limits of floods are in the way, and are not what holds
    late = Browser(REMOTE_ADDR="203.0.113.9")
    assert give_password(late, employee).status_code == 429
    assert AuditEvent.objects.filter(event="accounts.account.locked").exists()


def test_a_window_stops_after_twenty(employee: Person, wrong: object) -> None:
    for address in range(1, 6):
        guess_until_stopped(employee, wrong, f"198.51.100.{address}")

    assert tries() == budget.WINDOW_FAILURES


def test_step_up_draws_on_the_same_budget(employee: Person, wrong: object) -> None:
    for address in range(1, 4):
        guess_until_stopped(employee, wrong, f"198.51.100.{address}", most=7)
    inside = Browser(REMOTE_ADDR="198.51.100.99")
    cast.sign_in(inside, employee, acr="aal1")
    before = tries()

    budget.clear(employee.email, now=clock.now())
    for _ in range(30):
        inside.post(
            "/step-up/?acr=aal2", {"password": employee.password, "code": wrong()},
            REMOTE_ADDR="198.51.100.99",
        )  # fmt: skip

    assert before == 20
    assert tries() - before <= budget.WINDOW_FAILURES


def test_a_right_password_in_between_resets_nothing(employee: Person, wrong: object) -> None:
    browser = Browser()
    give_password(browser, employee)
    give_code(browser, wrong())
    give_password(Browser(), employee)

    from accounts.models import GuessBudget

    assert GuessBudget.objects.get(key=budget.key_of(employee.email)).total == 1


def test_a_password_reset_buys_no_guesses_at_the_code(
    employee: Person, wrong: object, now: object
) -> None:
    """Whoever reads the victim's mail can reset the password, which clears the account's budget."""
    for number in range(MAX_FAILURES_IN_A_ROW + 10):
        if number % 9 == 0:
            budget.clear(employee.email, now=now)
            browser = Browser(REMOTE_ADDR=f"198.51.100.{number}")
            give_password(browser, employee)
        give_code(browser, wrong())

    assert TotpFactor.objects.get().failures == MAX_FAILURES_IN_A_ROW
    assert AuditEvent.objects.filter(event="mfa.factor.locked").count() == 1
    budget.clear(employee.email, now=now)
    browser = Browser(REMOTE_ADDR="203.0.113.9")
    give_password(browser, employee)
    answer = give_code(browser, employee.totp_code())
    assert "locked after too many wrong codes" in answer.content.decode()
    assert not LoginSession.unscoped.filter(user=employee.user).exists()


@pytest.mark.django_db(transaction=True)
def test_guesses_in_parallel_do_not_outrun_the_count(employee: Person, wrong: object) -> None:
    runners = 12
    for _ in range(budget.WINDOW_FAILURES - 4):
        budget.spend(employee.email, now=clock.now())
    browsers = [Browser(REMOTE_ADDR=f"198.51.100.{number}") for number in range(runners)]
    for browser in browsers:
        assert give_password(browser, employee).status_code == 302
    code = wrong()

    answers = race(lambda number: give_code(browsers[number], code).status_code, runners=runners)

    assert tries() == 4
    assert answers.count(429) >= runners - 4
