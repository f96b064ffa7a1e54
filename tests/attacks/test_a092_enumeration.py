"""A092: nobody learns which addresses have an account, by text, status, cookies, mail or time."""

import re
import statistics
import time
from collections.abc import Callable

import pytest
from django.core.cache import cache
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget
from audit.events import Event
from audit.models import AuditEvent
from tests.cast import PASSWORD, Person

UNKNOWN = "nobody@acme.example"


def login(browser: Browser, email: str):
    return browser.post(reverse("account_login"), {"login": email, "password": "a wrong guess"})


def reset(browser: Browser, email: str):
    return browser.post(reverse("account_reset_password"), {"email": email})


def sign_up(browser: Browser, email: str):
    return browser.post(reverse("account_signup"), {"email": email, "password1": PASSWORD})


@pytest.fixture(autouse=True)
def _open(settings) -> None:
    settings.SIGNUP = "open"
    settings.ACCOUNT_RATE_LIMITS = False
    settings.AXES_FAILURE_LIMIT = 100_000


def shape(response, email: str) -> tuple[object, ...]:
    """What an onlooker sees, without the address itself and without random values."""
    text = response.content.decode().replace(email, "ADDRESS")
    text = re.sub(r'(nonce|value|data-countdown)="[^"]*"', "", text)
    headers = {name for name in response.headers if name != "Content-Length"}
    return response.status_code, response.get("Location"), text, headers, set(response.cookies)


@pytest.mark.parametrize("ask", [login, reset, sign_up])
def test_known_and_unknown_addresses_look_the_same(
    newcomer: Person, ask: Callable[..., object], mailoutbox
) -> None:
    known, unknown = ask(Browser(), newcomer.email), ask(Browser(), UNKNOWN)
    assert shape(known, newcomer.email) == shape(unknown, UNKNOWN)
    assert len([m for m in mailoutbox if m.to == [newcomer.email]]) == len(
        [m for m in mailoutbox if m.to == [UNKNOWN]]
    ), "each gets a mail, or neither does"


def test_a_lock_comes_for_both_and_looks_the_same(newcomer: Person) -> None:
    """Else whoever keeps guessing learns by whether they are stopped."""
    answers = {}
    for email in (newcomer.email, UNKNOWN):
        answers[email] = [login(Browser(), email) for _ in range(budget.WINDOW_FAILURES + 1)]

    assert [answer.status_code for answer in answers[UNKNOWN]] == [200] * 20 + [429]
    assert shape(answers[newcomer.email][-1], newcomer.email) == shape(
        answers[UNKNOWN][-1], UNKNOWN
    )


def test_both_are_written_down(newcomer: Person) -> None:
    login(Browser(), newcomer.email)
    login(Browser(), UNKNOWN)
    told = AuditEvent.objects.filter(event=Event.LOGIN_FAILED).order_by("id")
    assert [event.facts["is_known"] for event in told] == [True, False]
    assert UNKNOWN not in str([event.facts for event in told])


def test_an_unknown_address_costs_one_password_hash_like_a_known_one(
    newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash is nearly all of the time that a sign-in takes."""
    from accounts.passwords import Argon2Hasher

    counted: list[str] = []
    for name in ("encode", "verify"):
        real = getattr(Argon2Hasher, name)

        def count(self, *args, _real=real, _name=name):
            counted.append(_name)
            return _real(self, *args)

        monkeypatch.setattr(Argon2Hasher, name, count)
    for ask in (login, sign_up):
        counted.clear()
        ask(Browser(), newcomer.email)
        known = len(counted)
        counted.clear()
        ask(Browser(), f"{ask.__name__}.{UNKNOWN}")
        assert (known, len(counted)) == (1, 1), ask.__name__


def test_signing_in_takes_the_same_time(newcomer: Person) -> None:
    """Processor time, which other load on the machine does not stretch: within a fifth.

    A coarse measure; the hash count above is exact.
    """
    times: dict[str, list[float]] = {newcomer.email: [], UNKNOWN: []}
    browser = Browser()
    for _ in range(15):
        for email, taken in times.items():
            cache.clear()
            from accounts.models import GuessBudget

            GuessBudget.objects.all().delete()
            began = time.thread_time()
            login(browser, email)
            taken.append(time.thread_time() - began)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert abs(known - unknown) < 0.2 * max(known, unknown)
