"""A079: the cookie from before signing in is worth nothing afterwards."""

from typing import Any

from django.conf import settings
from django.test import Client as Browser

from audit.models import AuditEvent
from core.ids import digest
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import PASSWORD, Person
from tests.support.authorize import answer, authorize, nothing_was_issued, query
from tests.support.entrances import give_code, give_password


def test_a_fixed_cookie_follows_nobody_in(acme_web: Client, newcomer: Person) -> None:
    victim, attacker = Browser(), Browser()
    location = authorize(attacker, acme_web)
    fixed = attacker.cookies[settings.SESSION_COOKIE_NAME].value
    victim.cookies[settings.SESSION_COOKIE_NAME] = fixed

    victim.post(location["Location"], {"login": newcomer.email, "password": newcomer.password})

    assert victim.cookies[settings.SESSION_COOKIE_NAME].value != fixed
    resumed = attacker.get(query(location)["next"])
    assert resumed.status_code == 404
    assert answer(authorize(attacker, acme_web, prompt="none"))["error"] == "login_required"
    assert nothing_was_issued()


def cookie(browser: Browser) -> str:
    return browser.cookies[settings.SESSION_COOKIE_NAME].value


def opens(value: str, path: str = "/sessions/") -> bool:
    """Whether somebody else with this cookie gets in."""
    thief = Browser()
    thief.cookies[settings.SESSION_COOKIE_NAME] = value
    return thief.get(path).status_code == 200


def test_the_cookie_of_half_a_sign_in_is_not_that_of_the_whole(employee: Person) -> None:
    victim = Browser()
    give_password(victim, employee)
    halfway = cookie(victim)

    give_code(victim, employee.totp_code())

    assert cookie(victim) != halfway
    assert opens(cookie(victim))
    assert not opens(halfway)
    assert LoginSession.unscoped.filter(user=employee.user).count() == 1


def test_nor_is_the_cookie_from_before_a_step_up(employee: Person, later: Any) -> None:
    victim = Browser()
    cast.sign_in(victim, employee)
    before = cookie(victim)
    later(hours=1)

    victim.post(
        "/step-up/?next=/security/",
        {"method": "password_and_totp", "password": PASSWORD, "code": employee.totp_code()},
    )

    assert AuditEvent.objects.filter(event="sessions.assurance.raised").count() == 1
    row = LoginSession.unscoped.get()
    assert bytes(row.session_key_digest) == digest(cookie(victim))
    assert cookie(victim) != before
    assert not opens(before)


def test_the_next_person_begins_anew(employee: Person, newcomer: Person) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    first = cookie(browser)
    session = browser.session
    session["left_behind"] = "of the first"
    session.save()

    browser.post("/accounts/logout/")
    browser.post("/accounts/login/", {"login": newcomer.email, "password": newcomer.password})

    assert cookie(browser) != first
    assert "left_behind" not in browser.session
    assert not opens(first)
    alive = LoginSession.unscoped.filter(ended_at=None)
    assert [row.user for row in alive] == [newcomer.user]
