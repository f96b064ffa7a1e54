"""A082: a session that never ends: left open, kept alive by polling, or by moving the cookie's end."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as CookieSession
from django.test import Client as Browser

from sessions.models import LoginSession
from tests import cast
from tests.cast import Person

pytestmark = pytest.mark.django_db

PAGE = "/security/"


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


def test_it_is_over_when_nobody_uses_it(client: Browser, session: LoginSession, later: Any) -> None:
    idle: timedelta = settings.SESSION_IDLE_LIFETIME
    later(seconds=idle.total_seconds() - 5)
    assert client.get(PAGE).status_code == 200
    later(seconds=idle.total_seconds() + 61)

    assert client.get(PAGE).status_code == 302


def test_it_is_over_however_busy(client: Browser, session: LoginSession, later: Any) -> None:
    absolute: timedelta = settings.SESSION_ABSOLUTE_LIFETIME
    step = settings.SESSION_IDLE_LIFETIME / 2
    passed = timedelta(0)
    while passed + step < absolute - timedelta(minutes=1):
        later(seconds=step.total_seconds())
        passed += step
        assert client.get(PAGE).status_code == 200, passed

    later(seconds=(absolute - passed).total_seconds())

    assert client.get(PAGE).status_code == 302


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/healthz", {}),
        ("/no/such/page/", {}),
        ("/security/", {"Sec-Fetch-Dest": "empty", "Sec-Fetch-Mode": "cors"}),
        ("/security/", {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Mode": "navigate"}),
    ],
    ids=["health", "nothing", "script", "frame"],
)
def test_what_polls_by_itself_is_no_use_of_it(
    client: Browser, session: LoginSession, path: str, headers: dict[str, str], later: Any
) -> None:
    used = session.last_used_at
    for _ in range(3):
        later(hours=6)
        client.get(path, headers=headers)

    session.refresh_from_db()
    assert session.last_used_at == used


def test_the_row_decides_whatever_the_cookie_says(
    client: Browser, session: LoginSession, later: Any
) -> None:
    moved = later(seconds=settings.SESSION_ABSOLUTE_LIFETIME.total_seconds())
    CookieSession.objects.update(expire_date=moved + timedelta(days=365))
    LoginSession.unscoped.update(last_used_at=moved)

    assert client.get(PAGE).status_code == 302


def test_neither_does_asking_for_sensitive_things_make_it_longer(
    client: Browser, session: LoginSession, employee: Person, later: Any
) -> None:
    end = session.expires_at
    later(hours=1)
    client.post("/step-up/?acr=aal2", {"password": employee.password, "code": employee.totp_code()})

    session.refresh_from_db()
    assert session.expires_at == end
