"""A118: an answer is given twice, or a challenge answers something that it was not made for."""

from datetime import timedelta

import pytest
from django.test import Client as Browser

from core import clock
from core.errors import Refusal
from mfa import flows
from mfa import passkeys as mechanism
from mfa.models import PasskeyChallenge, PasskeyFactor
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import SoftAuthenticator, b64
from tests.support.entrances import give_password
from tests.support.racing import race


@pytest.fixture
def key(newcomer: Person) -> SoftAuthenticator:
    """A synchronised passkey: its counter stays at zero, so that only the challenge guards it."""
    key = passkeys.authenticator(counts=False)
    passkeys.register(newcomer, key)
    return key


def is_over(answer: object) -> bool:
    return (answer.status_code, answer.json()["error"]) == (400, "challenge_over")


def sessions_of(who: Person) -> int:
    return LoginSession.unscoped.filter(user=who.user).count()


def test_an_answer_is_good_once(client: Browser, newcomer: Person, key: SoftAuthenticator) -> None:
    credential = key.get(passkeys.options(client, passkeys.LOGIN))
    cookies = client.cookies.copy()
    assert passkeys.finish(client, passkeys.LOGIN, credential).status_code == 200
    again = Browser()
    again.cookies = cookies

    assert is_over(passkeys.finish(again, passkeys.LOGIN, credential))
    assert sessions_of(newcomer) == 1


def test_an_answer_that_failed_has_used_its_challenge(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    options = passkeys.options(client, passkeys.LOGIN)
    passkeys.finish(client, passkeys.LOGIN, key.get(options, crossOrigin=True))

    assert is_over(passkeys.finish(client, passkeys.LOGIN, key.get(options)))
    assert sessions_of(newcomer) == 0


def test_a_challenge_ends_after_five_minutes(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    options = passkeys.options(client, passkeys.LOGIN)
    clock.shift(timedelta(minutes=5))

    assert is_over(passkeys.finish(client, passkeys.LOGIN, key.get(options)))
    assert sessions_of(newcomer) == 0


def test_a_challenge_of_another_browser_is_refused(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    """The attacker begins, the victim's authenticator answers, the attacker brings the answer."""
    options = passkeys.options(client, passkeys.LOGIN)
    attacker = Browser()
    passkeys.options(attacker, passkeys.LOGIN)

    assert is_over(passkeys.finish(attacker, passkeys.LOGIN, key.get(options)))
    assert sessions_of(newcomer) == 0


def test_a_challenge_that_nobody_made_is_refused(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    options = passkeys.options(client, passkeys.LOGIN) | {"challenge": b64(b"x" * 32)}

    assert is_over(passkeys.finish(client, passkeys.LOGIN, key.get(options)))
    assert sessions_of(newcomer) == 0


def test_a_challenge_of_signing_in_is_no_second_factor(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    give_password(client, newcomer)
    for_login = passkeys.options(client, passkeys.LOGIN)

    assert is_over(passkeys.finish(client, passkeys.CHALLENGE, key.get(for_login)))
    assert sessions_of(newcomer) == 0


def test_a_challenge_of_step_up_does_not_sign_in(
    client: Browser, newcomer: Person, key: SoftAuthenticator
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    for_step_up = passkeys.options(client, passkeys.STEP_UP)
    credential = key.get(for_step_up)
    client.post("/accounts/logout/")

    assert is_over(passkeys.finish(client, passkeys.LOGIN, credential))
    assert not LoginSession.unscoped.filter(user=newcomer.user, ended_at=None).exists()


def test_a_challenge_of_one_user_answers_for_no_other(
    newcomer: Person, outsider: Person, key: SoftAuthenticator, now: object
) -> None:
    for_outsider = mechanism.authentication_options(
        purpose=mechanism.Purpose.STEP_UP, user=outsider.user, browser="shared", now=now
    )

    attempt = flows.prove_passkey(
        raw=key.get(for_outsider),
        purpose=mechanism.Purpose.STEP_UP,
        user=newcomer.user,
        browser="shared",
        now=now,
    )

    assert attempt.proof is None
    assert attempt.refusal is not None
    assert attempt.refusal.code == "challenge_over"


def test_a_challenge_of_one_purpose_serves_no_other_of_the_same_user(
    newcomer: Person, key: SoftAuthenticator, now: object
) -> None:
    for_second_factor = mechanism.authentication_options(
        purpose=mechanism.Purpose.SECOND_FACTOR, user=newcomer.user, browser="b", now=now
    )

    attempt = flows.prove_passkey(
        raw=key.get(for_second_factor),
        purpose=mechanism.Purpose.STEP_UP,
        user=newcomer.user,
        browser="b",
        now=now,
    )

    assert attempt.refusal is not None
    assert attempt.refusal.code == "challenge_over"


def test_a_registration_is_good_once(newcomer: Person, now: object) -> None:
    options = mechanism.registration_options(user=newcomer.user, browser="b", now=now)
    fresh = passkeys.authenticator()
    answer = fresh.create(options)
    flows.add_passkey(user=newcomer.user, raw=answer, name="", browser="b", now=now)
    PasskeyFactor.objects.all().delete()

    with pytest.raises(Refusal, match="challenge_over"):
        flows.add_passkey(user=newcomer.user, raw=answer, name="", browser="b", now=now)


@pytest.mark.django_db(transaction=True)
def test_of_many_answers_to_one_challenge_one_wins(newcomer: Person, now: object) -> None:
    runners = 24
    fresh = passkeys.authenticator(counts=False)
    passkeys.register(newcomer, fresh)
    options = mechanism.authentication_options(
        purpose=mechanism.Purpose.LOGIN, user=None, browser="b", now=now
    )
    answer = fresh.get(options)

    def prove(_: int) -> bool:
        attempt = flows.prove_passkey(
            raw=answer, purpose=mechanism.Purpose.LOGIN, user=None, browser="b", now=clock.now()
        )
        return attempt.proof is not None

    assert race(prove, runners=runners).count(True) == 1
    assert PasskeyChallenge.objects.filter(used_at__isnull=False).count() == 2
