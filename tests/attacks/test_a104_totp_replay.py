"""A104: a TOTP code that was used is used again: in turn, in disguise, in parallel, elsewhere."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from mfa.models import TotpFactor
from sessions.models import LoginSession
from tests.cast import Person
from tests.support.entrances import give_code, give_password
from tests.support.racing import race


def sessions_of(who: Person) -> int:
    return LoginSession.unscoped.filter(user=who.user).count()


def full_width(code: str) -> str:
    return "".join(chr(0xFF10 + int(digit)) for digit in code)


@pytest.fixture
def spent(employee: Person) -> str:
    """A code that has opened one session."""
    code = employee.totp_code()
    first = Browser()
    give_password(first, employee)
    assert give_code(first, code).status_code == 302
    assert sessions_of(employee) == 1
    return code


@pytest.mark.parametrize(
    "disguise",
    [
        str,
        full_width,
        lambda code: f"{code[:3]} {code[3:]}",
        lambda code: f" {code}\n",
        lambda code: f"{code}\x00",
        lambda code: f"+{code}",
    ],
    ids=["plain", "full-width", "grouped", "padded", "nul", "signed"],
)
def test_a_used_code_opens_nothing(spent: str, employee: Person, disguise: object) -> None:
    attacker = Browser()
    give_password(attacker, employee)

    answer = give_code(attacker, disguise(spent))

    assert answer.status_code == 200
    assert sessions_of(employee) == 1
    assert AuditEvent.objects.filter(event="mfa.challenge.passed").count() == 1


def test_a_flushed_cache_forgets_nothing(spent: str, employee: Person) -> None:
    cache.clear()
    attacker = Browser()
    give_password(attacker, employee)

    assert give_code(attacker, spent).status_code == 200
    assert sessions_of(employee) == 1


def test_step_up_takes_no_code_that_signed_in(spent: str, employee: Person) -> None:
    from tests import cast

    attacker = Browser()
    session = cast.sign_in(attacker, employee, acr="aal1")

    answer = attacker.post("/step-up/?acr=aal2", {"password": employee.password, "code": spent})

    assert answer.status_code == 200
    session.refresh_from_db()
    assert session.acr == "aal1"


def test_a_code_of_an_earlier_step_is_refused_after_a_later_one(
    employee: Person, now: object
) -> None:
    earlier = employee.totp_code(at=now - timedelta(seconds=30))
    browser, attacker = Browser(), Browser()
    give_password(browser, employee)
    give_code(browser, employee.totp_code())
    give_password(attacker, employee)

    assert give_code(attacker, earlier).status_code == 200
    assert sessions_of(employee) == 1


def test_drift_does_not_walk(employee: Person, later: object) -> None:
    for _ in range(4):
        browser = Browser()
        give_password(browser, employee)
        give_code(browser, employee.totp_code(at=clock.now() + timedelta(seconds=30)))
        later(seconds=60)

    attacker = Browser()
    give_password(attacker, employee)
    answer = give_code(attacker, employee.totp_code(at=clock.now() + timedelta(seconds=60)))

    assert answer.status_code == 200
    assert sessions_of(employee) == 4


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_gets_in(employee: Person) -> None:
    runners = 12
    browsers = [Browser() for _ in range(runners)]
    for browser in browsers:
        give_password(browser, employee)
    code = employee.totp_code()

    answers = race(lambda number: give_code(browsers[number], code).status_code, runners=runners)

    assert answers.count(302) == 1
    assert sessions_of(employee) == 1
    assert AuditEvent.objects.filter(event="mfa.challenge.passed").count() == 1
    assert TotpFactor.objects.get().last_step > 0
