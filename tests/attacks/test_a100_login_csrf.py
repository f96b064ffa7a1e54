"""A100: another site signs a victim's browser in, as the attacker.

Whatever the victim does then is the attacker's to see. So no door signs anybody in without the
token of a page that this very browser was shown.
"""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import flows as accounts
from core import clock
from devices.models import Browser as SeenBrowser
from sessions.models import LoginSession
from tests.cast import PASSWORD, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def victim() -> Browser:
    """A browser that holds to what the server demands of forms."""
    return Browser(enforce_csrf_checks=True)


def token_of(page: Any) -> str:
    return str(page.context["csrf_token"])


def is_nobody(browser: Browser) -> bool:
    return (
        browser.get("/sessions/").status_code == 302
        and not LoginSession.unscoped.exists()
        and not SeenBrowser.unscoped.exists()
    )


DOORS = {
    "password": lambda attacker: (
        reverse("account_login"), {"login": attacker.email, "password": PASSWORD}
    ),
    "passkey": lambda attacker: (reverse("mfa:passkey_login"), {"credential": "{}"}),
    "sign-up": lambda attacker: (
        reverse("account_signup"),
        {"email": "mallory@acme.example", "password1": PASSWORD, "name": "Mallory"},
    ),
    "second factor": lambda attacker: (reverse("mfa:challenge"), {"code": "123456"}),
    "step-up": lambda attacker: (reverse("sessions:step_up"), {"password": PASSWORD}),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize("token", ["none", "of the attacker's own browser", "made up"])
def test_a_form_of_another_site_signs_nobody_in(
    victim: Browser, newcomer: Person, door: Any, token: str
) -> None:
    path, form = door(newcomer)
    victim.get(reverse("account_login"))
    given = {
        "none": "",
        "of the attacker's own browser": token_of(Browser().get(reverse("account_login"))),
        "made up": "x" * 64,
    }[token]

    answer = victim.post(path, form | {"csrfmiddlewaretoken": given})

    assert answer.status_code == 403
    assert is_nobody(victim)


def test_nor_does_a_link(victim: Browser, newcomer: Person) -> None:
    for path, form in (door(newcomer) for door in DOORS.values()):
        victim.get(path, form)

    assert is_nobody(victim)


def test_nor_does_an_invitation_that_the_attacker_was_sent(victim: Browser, acme: Any) -> None:
    """It is the attacker's to accept: another site cannot do it in the victim's browser."""
    _, link = accounts.invite(organisation=acme, email="mallory@acme.example", now=clock.now())

    answer = victim.post(link, {"name": "Mallory", "password": PASSWORD})

    assert answer.status_code == 403
    assert is_nobody(victim)


def test_the_same_form_of_our_own_page_does(victim: Browser, newcomer: Person) -> None:
    """So that the refusals above say something."""
    page = victim.get(reverse("account_login"))
    path, form = DOORS["password"](newcomer)

    answer = victim.post(path, form | {"csrfmiddlewaretoken": token_of(page)})

    assert (answer.status_code, LoginSession.unscoped.count()) == (302, 1)
