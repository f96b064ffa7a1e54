"""A116: an assertion or registration without user verification."""

import pytest
from django.test import Client as Browser

from audit.models import AuditEvent
from core.errors import Refusal
from mfa.models import PasskeyFactor
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import BE, BS, UP, UV, SoftAuthenticator
from tests.support.entrances import give_password

WITHOUT = [UP | BE | BS, BE | BS, UV | BE | BS]


@pytest.fixture
def key(newcomer: Person) -> SoftAuthenticator:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    return key


@pytest.mark.parametrize("flags", WITHOUT, ids=["no UV", "neither", "no UP"])
def test_it_signs_nobody_in(
    client: Browser, newcomer: Person, key: SoftAuthenticator, flags: int
) -> None:
    answer = passkeys.sign_in(client, key, flags=flags)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_passkey")
    assert not LoginSession.unscoped.filter(user=newcomer.user).exists()
    failed = AuditEvent.objects.get(event="mfa.challenge.failed")
    assert failed.subject == f"accounts.User:{newcomer.user.pk}"
    assert AuditEvent.objects.filter(event="accounts.login.failed").count() == 1


@pytest.mark.parametrize("flags", WITHOUT, ids=["no UV", "neither", "no UP"])
def test_it_is_no_second_factor(
    client: Browser, newcomer: Person, key: SoftAuthenticator, flags: int
) -> None:
    give_password(client, newcomer)
    options = passkeys.options(client, passkeys.CHALLENGE)

    answer = passkeys.finish(client, passkeys.CHALLENGE, key.get(options, flags=flags))

    assert options["userVerification"] == "required"
    assert answer.status_code == 400
    assert not LoginSession.unscoped.filter(user=newcomer.user).exists()


def test_it_steps_nothing_up(client: Browser, newcomer: Person, key: SoftAuthenticator) -> None:
    session = cast.sign_in(client, newcomer, acr="aal1")
    options = passkeys.options(client, passkeys.STEP_UP)

    answer = passkeys.finish(client, passkeys.STEP_UP, key.get(options, flags=UP | BE | BS))

    assert options["userVerification"] == "required"
    assert answer.status_code == 400
    session.refresh_from_db()
    assert session.acr == "aal1"


@pytest.mark.parametrize("flags", WITHOUT, ids=["no UV", "neither", "no UP"])
def test_it_is_not_registered(newcomer: Person, flags: int) -> None:
    with pytest.raises(Refusal, match="invalid_passkey"):
        passkeys.register(newcomer, passkeys.authenticator(), flags=flags)

    assert not PasskeyFactor.objects.exists()


def test_with_verification_the_same_key_works(client: Browser, key: SoftAuthenticator) -> None:
    assert passkeys.sign_in(client, key).status_code == 200
