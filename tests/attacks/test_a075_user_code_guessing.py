"""A075: guessing at user codes, and polling faster than allowed."""

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from core import clock, user_codes
from idp.models import Client, DeviceAuthorization
from tests import cast
from tests.support import device
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def tv(acme) -> Client:
    return device.television(acme)


@pytest.fixture
def codes(tv) -> dict:
    return device.start(tv).json


def other(user_code: str, *, half: int = 1) -> str:
    """A code that differs in one letter of its first or second half."""
    letters = list(user_code.replace("-", ""))
    place = half * 4
    letters[place] = "B" if letters[place] != "B" else "C"
    return "".join(letters)


def test_a_code_has_34_bits_without_vowels(tv):
    for _ in range(20):
        code = device.start(tv).json["user_code"]
        assert len(code) == 9
        assert set(code) <= {*"BCDFGHJKLMNPQRSTVWXZ-"}
    assert 20**8 > 2**34


@pytest.mark.usefixtures("early_in_a_window")
def test_ten_tries_and_no_more(client: Browser, session, codes):
    wrong = other(codes["user_code"], half=0)
    answers = [device.enter(client, wrong).status_code for _ in range(11)]

    assert answers == [200] * 10 + [429]
    assert device.enter(client, codes["user_code"]).status_code == 429
    assert AuditEvent.objects.filter(event=Event.DEVICE_CODE_MISTYPED).count() == 10


@pytest.mark.usefixtures("early_in_a_window")
def test_another_sign_in_of_the_same_person_brings_no_more(client, session, employee, codes):
    for _ in range(10):
        device.enter(client, other(codes["user_code"], half=0))
    again = Browser(REMOTE_ADDR="192.0.2.9")
    cast.sign_in(again, employee)

    assert device.enter(again, codes["user_code"]).status_code == 429


@pytest.mark.usefixtures("early_in_a_window")
def test_another_person_at_the_same_address_brings_no_more(client, session, approver, codes):
    for _ in range(10):
        device.enter(client, other(codes["user_code"], half=0))
    colleague = Browser()
    cast.sign_in(colleague, approver)

    assert device.enter(colleague, codes["user_code"]).status_code == 429
    colleague.defaults["REMOTE_ADDR"] = "192.0.2.9"
    assert device.enter(colleague, codes["user_code"]).status_code == 303


@pytest.mark.usefixtures("early_in_a_window")
@pytest.mark.django_db(transaction=True)
def test_parallel_tries_are_paid_for_before_they_are_judged(client, session, codes):
    wrong = other(codes["user_code"], half=0)

    def guess(_: int) -> int:
        browser = Browser()
        browser.cookies = client.cookies
        return device.enter(browser, wrong).status_code

    answers = race(guess, runners=20)

    assert answers.count(200) == 10
    assert answers.count(429) == 10


def test_a_code_that_is_guessed_at_dies(client, session, tv, codes):
    for _ in range(user_codes.MAX_WRONG_TRIES):
        assert DeviceAuthorization.unscoped.get().denied_at is None
        device.enter(client, other(codes["user_code"]))

    assert DeviceAuthorization.unscoped.get().denied_at is not None
    assert "That code is wrong" in device.enter(client, codes["user_code"]).content.decode()
    assert device.poll(tv, codes["device_code"]).error == "access_denied"


def test_people_of_another_organisation_kill_no_code(outsider, codes):
    browser = Browser()
    cast.sign_in(browser, outsider)
    for _ in range(9):
        device.enter(browser, other(codes["user_code"]))

    row = DeviceAuthorization.unscoped.get()
    assert (row.wrong_tries, row.denied_at) == (0, None)


def test_polling_too_fast_slows_down_for_good(client, session, tv, codes, later):
    assert device.poll(tv, codes["device_code"]).error == "authorization_pending"
    assert device.poll(tv, codes["device_code"]).error == "slow_down"
    later(seconds=6)
    assert device.poll(tv, codes["device_code"]).error == "slow_down", "ten seconds now"
    later(seconds=16)
    assert device.poll(tv, codes["device_code"]).error == "authorization_pending"
    assert DeviceAuthorization.unscoped.get().interval_seconds == 15

    device.decide(client, codes["user_code"])
    assert device.poll(tv, codes["device_code"]).status == 200


def test_another_client_cannot_slow_it_down(acme, tv, codes):
    thief = device.television(acme, "another-tv")
    device.poll(tv, codes["device_code"])
    for _ in range(3):
        device.poll(thief, codes["device_code"])

    row = DeviceAuthorization.unscoped.get()
    assert row.interval_seconds == 5
    assert row.last_polled_at <= clock.now()
