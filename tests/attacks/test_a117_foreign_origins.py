"""A117: a ceremony held elsewhere: wrong origin, wrong relying party, inside a foreign page."""

import pytest
from django.conf import settings
from django.test import Client as Browser

from core.errors import Refusal
from mfa.models import PasskeyFactor
from sessions.models import LoginSession
from tests.cast import Person
from tests.support import passkeys

FOREIGN = {
    "another site": {"origin": "https://evil.example"},
    "a sub-domain": {"origin": "http://login.localhost:8000"},
    "another port": {"origin": "http://localhost:8001"},
    "another scheme": {"origin": "https://localhost:8000"},
    "upper case": {"origin": "HTTP://LOCALHOST:8000"},
    "a trailing slash": {"origin": f"{settings.ISSUER}/"},
    "an Android app": {"origin": "android:apk-key-hash:7d1043473d55bfa90e8530d35801d4e381bc69f0"},
    "null": {"origin": "null"},
    "nothing": {"origin": None},
    "a list": {"origin": [settings.ISSUER]},
    "a foreign frame": {"crossOrigin": True},
    "a foreign frame, named": {"crossOrigin": True, "topOrigin": "https://evil.example"},
    "a foreign frame that lies": {"crossOrigin": False, "topOrigin": "https://evil.example"},
    "a foreign frame as text": {"crossOrigin": "true"},
    "a foreign frame as number": {"crossOrigin": 1},
    "the other ceremony": {"type": "webauthn.create"},
    "a payment": {"type": "payment.get"},
}


@pytest.mark.parametrize("client_data", FOREIGN.values(), ids=FOREIGN)
def test_an_assertion_made_elsewhere_signs_nobody_in(
    client: Browser, newcomer: Person, client_data: dict
) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)

    answer = passkeys.sign_in(client, key, **client_data)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_passkey")
    assert not LoginSession.unscoped.filter(user=newcomer.user).exists()
    assert PasskeyFactor.objects.get().sign_count == 0


REGISTRATIONS = FOREIGN | {"the other ceremony": {"type": "webauthn.get"}}


@pytest.mark.parametrize("client_data", REGISTRATIONS.values(), ids=REGISTRATIONS)
def test_a_passkey_made_elsewhere_is_not_registered(newcomer: Person, client_data: dict) -> None:
    with pytest.raises(Refusal, match="invalid_passkey"):
        passkeys.register(newcomer, passkeys.authenticator(), **client_data)

    assert not PasskeyFactor.objects.exists()


@pytest.mark.parametrize("rp_id", ["evil.example", "login.localhost", "LOCALHOST", ""])
def test_an_assertion_for_another_relying_party_signs_nobody_in(
    client: Browser, newcomer: Person, rp_id: str
) -> None:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    options = passkeys.options(client, passkeys.LOGIN)

    answer = passkeys.finish(client, passkeys.LOGIN, key.get({**options, "rpId": rp_id}))

    assert answer.status_code == 400
    assert not LoginSession.unscoped.filter(user=newcomer.user).exists()


def test_a_passkey_for_another_relying_party_is_not_registered(newcomer: Person) -> None:
    with pytest.raises(Refusal, match="invalid_passkey"):
        passkeys.register(newcomer, passkeys.authenticator(), rp_id="evil.example")
