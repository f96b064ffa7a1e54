"""A119: one person's passkey on another person's account; handles that lie or are missing."""

import pytest
from django.test import Client as Browser

from audit.models import AuditEvent
from mfa.models import PasskeyFactor, WebAuthnHandle
from mfa.passkeys import handle_of
from sessions.models import LoginSession
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import SoftAuthenticator, b64
from tests.support.entrances import give_password


@pytest.fixture
def attackers(outsider: Person) -> SoftAuthenticator:
    key = passkeys.authenticator()
    passkeys.register(outsider, key)
    return key


@pytest.fixture
def victims(newcomer: Person) -> SoftAuthenticator:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    return key


def nobody_got_in() -> bool:
    return not LoginSession.unscoped.exists()


def test_ones_own_passkey_is_no_second_factor_for_another(
    client: Browser, newcomer: Person, victims: object, attackers: SoftAuthenticator
) -> None:
    """The attacker knows the victim's password, and has a passkey of their own."""
    give_password(client, newcomer)
    options = passkeys.options(client, passkeys.CHALLENGE)

    answer = passkeys.finish(client, passkeys.CHALLENGE, attackers.get(options))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_passkey")
    assert nobody_got_in()
    failed = AuditEvent.objects.get(event="mfa.challenge.failed")
    assert failed.subject == f"accounts.User:{newcomer.user.pk}"


def test_ones_own_key_under_anothers_credential_id_is_refused(
    client: Browser, newcomer: Person, victims: SoftAuthenticator, attackers: SoftAuthenticator
) -> None:
    credential_id = next(iter(victims.keys))
    attackers.keys[credential_id] = next(iter(attackers.keys.values()))
    attackers.keys[credential_id].handle = b64(handle_of(newcomer.user))

    answer = passkeys.sign_in(client, attackers, credential_id=credential_id)

    assert answer.status_code == 400
    assert nobody_got_in()


def test_a_handle_of_another_user_is_refused(
    client: Browser, newcomer: Person, attackers: SoftAuthenticator
) -> None:
    answer = passkeys.sign_in(client, attackers, user_handle=b64(handle_of(newcomer.user)))

    assert answer.status_code == 400
    assert nobody_got_in()


@pytest.mark.parametrize("handle", [None, "", b64(b"\0" * 64), b64(b"x"), "%%%", 7, [], {}])
def test_signing_in_needs_the_handle(
    client: Browser, attackers: SoftAuthenticator, handle: object
) -> None:
    answer = passkeys.sign_in(client, attackers, user_handle=handle)

    assert answer.status_code == 400
    assert nobody_got_in()


def test_a_second_factor_may_leave_the_handle_out_but_not_change_it(
    client: Browser, newcomer: Person, outsider: Person, victims: SoftAuthenticator
) -> None:
    give_password(client, newcomer)
    options = passkeys.options(client, passkeys.CHALLENGE)
    wrong = victims.get(options, user_handle=b64(handle_of(outsider.user)))
    assert passkeys.finish(client, passkeys.CHALLENGE, wrong).status_code == 400

    options = passkeys.options(client, passkeys.CHALLENGE)
    left_out = victims.get(options, user_handle=None)

    assert passkeys.finish(client, passkeys.CHALLENGE, left_out).status_code == 200


def test_handles_are_random_and_say_nothing(
    newcomer: Person, outsider: Person, victims: object, attackers: object
) -> None:
    handles = [bytes(row.handle) for row in WebAuthnHandle.objects.all()]

    assert {len(handle) for handle in handles} == {64}
    assert len(set(handles)) == 2
    assert not any(newcomer.user.pk.bytes in handle for handle in handles)


def test_an_unconfirmed_passkey_is_none(
    client: Browser, newcomer: Person, victims: SoftAuthenticator
) -> None:
    PasskeyFactor.objects.update(confirmed=False)

    assert passkeys.sign_in(client, victims).json()["error"] == "unknown_credential"
    assert nobody_got_in()
