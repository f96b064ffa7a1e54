"""A125: learn who exists, or whose passkey is whose, from the options of a ceremony."""

import pytest
from django.test import Client as Browser

from tests.cast import Person
from tests.support import passkeys


def test_options_of_signing_in_are_the_same_for_everybody(newcomer: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    asked = [{}, {"email": newcomer.email}, {"login": "nobody@acme.example"}, {"username": "x"}]

    answers = [passkeys.post(Browser(), passkeys.LOGIN[0], body).json() for body in asked]

    for answer in answers:
        answer.pop("challenge")
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["allowCredentials"] == []


def test_a_stranger_gets_no_credential_ids(newcomer: Person) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    stranger = Browser()

    for ceremony in (passkeys.CHALLENGE, passkeys.STEP_UP, passkeys.ADD):
        answer = passkeys.post(stranger, ceremony[0], {"email": newcomer.email})
        assert key.credential_ids[0] not in answer.content.decode()


@pytest.mark.usefixtures("early_in_a_window")
def test_beginning_is_limited_by_address(db: None) -> None:
    from mfa.limits import CEREMONIES_PER_ADDRESS

    browser = Browser()
    statuses = [
        passkeys.post(browser, passkeys.LOGIN[0], {}).status_code
        for _ in range(CEREMONIES_PER_ADDRESS.burst + 1)
    ]

    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {200}
