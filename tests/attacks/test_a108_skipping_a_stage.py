"""A108: get past the second step without taking it."""

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import reverse

from core.ids import new_token
from mfa.models import TotpFactor
from sessions.models import LoginSession
from tests.cast import Person
from tests.support import passkeys
from tests.support.entrances import give_code, give_password

INSIDE = [
    "/", "/security/", "/sessions/", "/mfa/passkeys/", "/mfa/totp/", "/mfa/totp/remove/",
    "/mfa/passkeys/add/", "/mfa/recovery-codes/", "/step-up/", "/admin/", "/accounts/email/",
    "/accounts/password/change/",
]  # fmt: skip


@pytest.fixture
def halfway(client: Browser, employee: Person) -> Browser:
    """The attacker knows the password."""
    assert give_password(client, employee).status_code == 302
    return client


def nobody_got_in(who: Person) -> bool:
    return not LoginSession.unscoped.filter(user=who.user).exists()


@pytest.mark.parametrize("path", INSIDE)
@pytest.mark.parametrize("method", ["get", "post"])
def test_every_page_inside_is_closed_to_half_a_login(
    halfway: Browser, employee: Person, path: str, method: str
) -> None:
    answer = getattr(halfway, method)(path)

    assert answer.status_code == 302
    doors = ("/accounts/login/", "/mfa/challenge/", "/admin/login/")  # the last leads to the first
    assert answer["Location"].startswith(doors)
    assert nobody_got_in(employee)


@pytest.mark.parametrize("path", [*passkeys.ADD, *passkeys.STEP_UP])
def test_ceremonies_inside_are_closed_to_half_a_login(
    halfway: Browser, employee: Person, path: str
) -> None:
    answer = passkeys.post(halfway, path, {})

    assert answer.status_code == 302
    assert nobody_got_in(employee)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"code": ""},
        {"method": "", "code": ""},
        {"method": "password", "code": "x"},
        {"method": "passkey"},
        {"method": "recovery", "code": "k7mq-x2ra-9fte-w3pn"},
        {"next": "/security/"},
        {"stage": "second_factor", "handled": "true"},
    ],
)
def test_an_empty_or_strange_answer_completes_nothing(
    halfway: Browser, employee: Person, values: dict[str, str]
) -> None:
    answer = halfway.post("/mfa/challenge/", values)

    assert answer.status_code == 200
    assert nobody_got_in(employee)


def test_going_back_to_the_beginning_resumes_at_the_challenge(
    halfway: Browser, employee: Person
) -> None:
    assert halfway.get("/accounts/login/")["Location"] == "/mfa/challenge/"
    assert nobody_got_in(employee)


def test_the_challenge_without_a_first_step_is_closed(client: Browser, employee: Person) -> None:
    answer = give_code(client, employee.totp_code())

    assert answer["Location"] == "/accounts/login/"
    assert nobody_got_in(employee)
    assert TotpFactor.objects.get().last_step == -1


def test_a_first_step_as_oneself_does_not_open_anothers_second(
    client: Browser, employee: Person, outsider: Person
) -> None:
    """Two tabs of one browser: own password, then the victim's name, then own code."""
    give_password(client, outsider)
    give_password(client, employee, password="a guess that is wrong")
    give_code(client, outsider.totp_code())

    assert nobody_got_in(employee)


def test_the_second_tab_decides_whose_code_is_asked_for(
    client: Browser, employee: Person, outsider: Person
) -> None:
    give_password(client, outsider)
    client.post(reverse("account_logout"))
    give_password(client, employee)

    answer = give_code(client, outsider.totp_code())

    assert answer.status_code == 200
    assert nobody_got_in(employee)
    assert nobody_got_in(outsider)


def test_half_a_login_does_not_last(halfway: Browser, employee: Person) -> None:
    session = halfway.session
    session["account_login"]["initiated_at"] -= settings_timeout() + 1
    session.save()

    answer = give_code(halfway, employee.totp_code())

    assert answer["Location"] == "/accounts/login/"
    assert nobody_got_in(employee)


def settings_timeout() -> int:
    from allauth.account import app_settings

    return app_settings.LOGIN_TIMEOUT


def test_a_stage_is_not_replayed_after_it_was_completed(client: Browser, employee: Person) -> None:
    give_password(client, employee)
    give_code(client, employee.totp_code())
    client.post(reverse("account_logout"))

    answer = give_code(client, employee.totp_code())

    assert answer["Location"] == "/accounts/login/"
    assert not LoginSession.unscoped.filter(user=employee.user, ended_at=None).exists()


def test_an_invented_cookie_is_nobody(client: Browser, employee: Person) -> None:
    client.cookies[settings.SESSION_COOKIE_NAME] = new_token()

    assert client.get("/security/").status_code == 302
