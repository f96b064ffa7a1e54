"""A112: meet "recent and strong" by something recent and weak."""

from datetime import timedelta

from django.contrib.auth import login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.test import Client as Browser

from core import clock
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.entrances import give_password


def test_a_fresh_password_does_not_open_what_needs_two_fresh_factors(
    client: Browser, employee: Person
) -> None:
    cast.sign_in(client, employee)
    clock.shift(timedelta(minutes=11))

    for acr in ("", "aal1", "aal0", "aal9"):
        client.post(f"/step-up/?acr={acr}&max_age=600", {"password": employee.password})

    assert client.get("/mfa/totp/remove/").status_code == 302


def test_signing_in_over_an_old_sign_in_takes_nothing_of_it_along(employee: Person) -> None:
    """One cookie session holds an old code and a new password."""
    now = clock.now().timestamp()
    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "testserver", "SERVER_PORT": "80"}
    request.session = SessionStore()
    request.session["account_authentication_methods"] = [
        {"method": "password", "at": now - 86_400},
        {"method": "mfa", "type": "totp", "id": 1, "at": now - 86_390},
        {"method": "password", "at": now},
    ]
    request.session["account_authentication_methods_user"] = str(employee.user.pk)

    login(request, employee.user, backend="accounts.backends.PasswordBackend")

    assert LoginSession.unscoped.get().acr == "aal1"


def test_what_somebody_else_proved_in_this_browser_counts_for_nothing(
    employee: Person, outsider: Person
) -> None:
    now = clock.now().timestamp()
    request = HttpRequest()
    request.META |= {"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "testserver", "SERVER_PORT": "80"}
    request.session = SessionStore()
    request.session["account_authentication_methods"] = [
        {"method": "mfa", "type": "webauthn", "id": 1, "passwordless": True, "at": now}
    ]
    request.session["account_authentication_methods_user"] = str(outsider.user.pk)

    login(request, employee.user, backend="accounts.backends.PasswordBackend")

    session = LoginSession.unscoped.get()
    assert session.acr == ""
    assert session.outcome == "deny"


def test_half_a_login_in_the_same_browser_refreshes_nothing(
    client: Browser, employee: Person
) -> None:
    session = cast.sign_in(client, employee)
    clock.shift(timedelta(minutes=11))

    give_password(client, employee)

    session.refresh_from_db()
    assert clock.now() - session.auth_time > timedelta(minutes=10)
    assert client.get("/mfa/totp/remove/").status_code == 302
