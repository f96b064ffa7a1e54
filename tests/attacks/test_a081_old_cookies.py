"""A081: a cookie that was kept, after what it stood for has ended. Dead within one request."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as CookieSession
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import Organisation
from core import clock
from mfa import flows as factors
from sessions import flows as sessions
from sessions.current import current_session_id
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person

pytestmark = pytest.mark.django_db

PAGE = "/security/"


def ended(who: Person, session: LoginSession) -> None:
    sessions.end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())


CHANGES = {
    "ended from another browser": ended,
    "signed out everywhere": lambda who, session: sessions.sign_out_everywhere(
        user=who.user, reason=EndReason.ENDED_BY_ADMINISTRATOR, now=clock.now(), actor="-"
    ),
    "row deleted": lambda who, session: session.delete(),
    "cookie session deleted": lambda who, session: CookieSession.objects.all().delete(),
    "account closed": lambda who, session: accounts.deactivate_user(user=who.user, now=clock.now()),
    "organisation closed": lambda who, session: Organisation.objects.update(is_active=False),
    "password changed": lambda who, session: accounts.change_password(
        user=who.user, password="another long password 77", now=clock.now()
    ),
    "factor removed": lambda who, session: factors.remove_totp(user=who.user, now=clock.now()),
    "address changed": lambda who, session: accounts.note_email_change(
        user=who.user, old=who.email, new="new@acme.example", now=clock.now()
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_very_next_request_is_a_strangers(
    client: Browser, employee: Person, change: Any, later: Any
) -> None:
    session = cast.sign_in(client, employee)
    kept = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert client.get(PAGE).status_code == 200
    current_session_id.set(None)

    change(employee, session)
    if change is CHANGES["organisation closed"]:
        later(minutes=1)  # what only policy sees bites within a minute

    thief = Browser()
    thief.cookies[settings.SESSION_COOKIE_NAME] = kept
    answer = thief.get(PAGE)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_the_cookie_of_who_signed_out_is_worth_nothing(client: Browser, employee: Person) -> None:
    session = cast.sign_in(client, employee)
    kept = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.post("/accounts/logout/")

    thief = Browser()
    thief.cookies[settings.SESSION_COOKIE_NAME] = kept

    assert thief.get(PAGE).status_code == 302
    session.refresh_from_db()
    assert session.end_reason == EndReason.SIGNED_OUT
    assert not CookieSession.objects.filter(session_key=kept).exists()


def test_there_is_one_session_backend_and_it_is_the_database() -> None:
    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
