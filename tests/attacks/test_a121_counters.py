"""A121: a copied authenticator: its counter stands still, falls back, or comes out of order."""

import pytest
from django.core import mail
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from mfa import flows
from mfa import passkeys as mechanism
from mfa.models import PasskeyFactor
from sessions.models import LoginSession
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import BE, BS, HARDWARE, SYNCED, UP, UV, SoftAuthenticator
from tests.support.racing import race


@pytest.fixture
def key(newcomer: Person) -> SoftAuthenticator:
    """A security key that has been used once, with its counter at 7."""
    key = passkeys.authenticator(flags=HARDWARE)
    passkeys.register(newcomer, key)
    assert passkeys.sign_in(Browser(), key, counter=7).status_code == 200
    return key


def counter() -> int:
    return PasskeyFactor.objects.get().sign_count


@pytest.mark.parametrize("shown", [7, 6, 1, 0])
def test_a_counter_that_does_not_grow_is_refused_and_told(
    client: Browser, newcomer: Person, key: SoftAuthenticator, shown: int
) -> None:
    mail.outbox.clear()

    answer = passkeys.sign_in(client, key, counter=shown)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_passkey")
    assert LoginSession.unscoped.filter(user=newcomer.user).count() == 1
    assert counter() == 7
    event = AuditEvent.objects.get(event="mfa.passkey.counter_regressed")
    assert (event.facts["counter"], event.facts["presented"]) == (7, shown)
    assert [message.subject for message in mail.outbox] == [
        "One of your passkeys may have been copied"
    ]
    assert AuditEvent.objects.filter(event="accounts.login.failed").count() == 1


def test_a_counter_that_grows_is_kept(client: Browser, key: SoftAuthenticator) -> None:
    assert passkeys.sign_in(client, key, counter=4_294_967_295).status_code == 200
    assert counter() == 4_294_967_295


def test_an_invalid_signature_is_no_sign_of_a_copy(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    """Otherwise a stranger could raise the alarm without the key."""
    other = passkeys.authenticator(flags=HARDWARE)
    other.create(mechanism.registration_options(user=newcomer.user, browser="x", now=clock.now()))
    credential_id = next(iter(key.keys))
    other.keys[credential_id] = next(iter(other.keys.values()))

    passkeys.sign_in(client, other, credential_id=credential_id, counter=1)

    assert not AuditEvent.objects.filter(event="mfa.passkey.counter_regressed").exists()


def test_always_zero_is_how_synchronised_passkeys_count(client: Browser, newcomer: Person) -> None:
    synced = passkeys.authenticator(counts=False)
    passkeys.register(newcomer, synced)

    assert [passkeys.sign_in(Browser(), synced).status_code for _ in range(2)] == [200, 200]


@pytest.mark.parametrize(
    ("registered", "shown"),
    [(SYNCED, UP | UV), (HARDWARE, SYNCED), (HARDWARE, UP | UV | BE), (UP | UV, UP | UV | BS)],
    ids=["BE lost", "BE gained", "BE gained, not backed up", "BS without BE"],
)
def test_backup_eligibility_never_changes(
    client: Browser, newcomer: Person, registered: int, shown: int
) -> None:
    key = passkeys.authenticator(flags=registered)
    passkeys.register(newcomer, key)

    answer = passkeys.sign_in(client, key, flags=shown)

    assert answer.status_code == 400
    assert not LoginSession.unscoped.filter(user=newcomer.user).exists()


def test_the_backup_state_may_change_and_is_kept(client: Browser, newcomer: Person) -> None:
    key = passkeys.authenticator(flags=UP | UV | BE)
    passkeys.register(newcomer, key)
    assert not PasskeyFactor.objects.get().backed_up

    passkeys.sign_in(client, key, flags=UP | UV | BE | BS)

    assert PasskeyFactor.objects.get().backed_up


@pytest.mark.django_db(transaction=True)
def test_two_copies_at_once_with_one_counter_do_not_both_get_in(
    newcomer: Person, now: object
) -> None:
    runners = 8
    key = passkeys.authenticator(flags=HARDWARE)
    passkeys.register(newcomer, key)
    answers = [
        key.get(
            mechanism.authentication_options(
                purpose=mechanism.Purpose.LOGIN, user=None, browser="b", now=now
            ),
            counter=9,
        )
        for _ in range(runners)
    ]

    def prove(number: int) -> bool:
        attempt = flows.prove_passkey(
            raw=answers[number],
            purpose=mechanism.Purpose.LOGIN,
            user=None,
            browser="b",
            now=clock.now(),
        )
        return attempt.proof is not None

    assert race(prove, runners=runners).count(True) == 1
    assert counter() == 9
    assert AuditEvent.objects.filter(event="mfa.passkey.counter_regressed").count() == runners - 1
