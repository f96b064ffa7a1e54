"""A122: keys that were not asked for, and answers that are no answers: always 400, never 500."""

import json
from contextlib import suppress

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import clock
from core.errors import Refusal
from mfa import flows
from mfa import passkeys as mechanism
from mfa.models import PasskeyFactor
from tests import cast
from tests.cast import Person
from tests.support import passkeys
from tests.support.authenticator import SoftAuthenticator, b64

RS1, RS256 = -65535, -257


def rsa_key(bits: int, algorithm: int = RS256) -> bytes:
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
    n = numbers.n.to_bytes(bits // 8, "big")
    return cbor2.dumps({1: 3, 3: algorithm, -1: n, -2: b"\x01\x00\x01"})


BAD_KEYS = {
    "an algorithm not offered (ES384)": cbor2.dumps(
        {1: 2, 3: -35, -1: 2, -2: b"x" * 48, -3: b"y" * 48}
    ),
    "a good key under an algorithm not offered (RS1)": rsa_key(2048, RS1),
    "P-521 under ES256": cbor2.dumps({1: 2, 3: -7, -1: 3, -2: b"x" * 66, -3: b"y" * 66}),
    "a point on no curve": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32}),
    "RSA of 1024 bits": rsa_key(1024),
    "an empty map": cbor2.dumps({}),
    "no map": cbor2.dumps([1, 2, 3]),
    "a number": cbor2.dumps(7),
    "broken": b"\xbf\xff\x00",
    "deep": b"\x81" * 3000,
}


@pytest.mark.parametrize("cose", BAD_KEYS.values(), ids=BAD_KEYS)
def test_a_bad_key_is_not_registered(newcomer: Person, cose: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        passkeys.register(newcomer, passkeys.authenticator(), cose=cose)

    assert refused.value.status == 400
    assert not PasskeyFactor.objects.exists()


def test_an_rsa_key_of_2048_bits_is_registered(newcomer: Person) -> None:
    passkeys.register(newcomer, passkeys.authenticator(), cose=rsa_key(2048))

    assert PasskeyFactor.objects.count() == 1


def test_a_passkey_that_is_not_discoverable_is_not_registered(
    newcomer: Person, now: object
) -> None:
    options = mechanism.registration_options(user=newcomer.user, browser="b", now=now)
    answer = passkeys.authenticator().create(options)
    answer["clientExtensionResults"] = {"credProps": {"rk": False}}

    with pytest.raises(Refusal, match="invalid_passkey"):
        flows.add_passkey(user=newcomer.user, raw=answer, name="", browser="b", now=now)


BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "no object": b"[]",
    "null": b"null",
    "no credential": b"{}",
    "a text": b'{"credential": "x"}',
    "a list": b'{"credential": [1]}',
    "empty": b'{"credential": {}}',
    "no response": b'{"credential": {"rawId": "AA", "response": null}}',
    "latin-1": b'{"credential": "\xe9"}',
    "deep": b'{"credential": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "long": b'{"credential": "' + b"x" * 70_000 + b'"}',
    "too long": b"x" * 300_000,
    "NUL": json.dumps(
        {"credential": {"rawId": "\0", "response": {"clientDataJSON": "\0"}}}
    ).encode(),
    "infinity": b'{"credential": {"rawId": Infinity, "response": NaN}}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("path", [passkeys.LOGIN[1], passkeys.ADD[1], passkeys.STEP_UP[1]])
def test_a_body_that_is_no_answer_gets_400(
    client: Browser, newcomer: Person, path: str, body: bytes
) -> None:
    if path != passkeys.LOGIN[1]:
        cast.sign_in(client, newcomer, acr="aal1")

    answer = client.post(path, body, content_type="application/json")

    assert answer.status_code == 400


def test_a_name_that_is_no_text_gets_400(client: Browser, newcomer: Person) -> None:
    """JSON can hold half of a pair of surrogates, UTF-8 and so the database cannot."""
    cast.sign_in(client, newcomer, acr="aal1")
    made = passkeys.authenticator().create(passkeys.options(client, passkeys.ADD))

    assert passkeys.finish(client, passkeys.ADD, made, name="\ud800").status_code == 400
    assert not PasskeyFactor.objects.exists()


JUNK = st.one_of(
    st.binary(max_size=200).map(b64),
    st.text(max_size=50),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


@pytest.fixture
def key(newcomer: Person) -> SoftAuthenticator:
    key = passkeys.authenticator()
    passkeys.register(newcomer, key)
    return key


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    place=st.sampled_from(
        ["clientDataJSON", "authenticatorData", "signature", "userHandle", "id", "rawId", "type",
         "response", "clientExtensionResults", "authenticatorAttachment", "client data"]
    ),
    name=st.sampled_from(["type", "challenge", "origin", "crossOrigin", "tokenBinding"]),
    junk=JUNK,
)  # fmt: skip
def test_junk_in_any_place_of_an_assertion_is_one_refusal(
    key: SoftAuthenticator, place: str, name: str, junk: object
) -> None:
    now = clock.now()
    options = mechanism.authentication_options(
        purpose=mechanism.Purpose.LOGIN, user=None, browser="b", now=now
    )
    answer = key.get(options)
    if place == "client data":
        answer = key.get(options, **{name: junk})
    elif place in answer:
        answer[place] = junk
    else:
        answer["response"][place] = junk

    attempt = flows.prove_passkey(
        raw=answer, purpose=mechanism.Purpose.LOGIN, user=None, browser="b", now=now
    )

    assert (attempt.proof is None) is (attempt.refusal is not None)
    assert attempt.refusal is None or attempt.refusal.status == 400


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    place=st.sampled_from(
        ["clientDataJSON", "attestationObject", "transports", "clientExtensionResults", "rawId"]
    ),
    junk=JUNK,
)
def test_junk_in_any_place_of_a_registration_is_one_refusal(
    newcomer: Person, place: str, junk: object
) -> None:
    now = clock.now()
    options = mechanism.registration_options(user=newcomer.user, browser="b", now=now)
    answer = passkeys.authenticator().create(options)
    (answer if place in answer else answer["response"])[place] = junk
    PasskeyFactor.objects.all().delete()

    with suppress(Refusal):  # anything else is a bug
        flows.add_passkey(user=newcomer.user, raw=answer, name="", browser="b", now=now)


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_a_large_attestation_is_not_read(client: Browser, newcomer: Person, size: int) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    answer = passkeys.authenticator().create(passkeys.options(client, passkeys.ADD))

    refused = passkeys.finish(client, passkeys.ADD, answer, padding="x" * size)
    assert refused.status_code == 400
    assert not PasskeyFactor.objects.exists()

    passkeys.finish(client, passkeys.ADD, answer)
    assert PasskeyFactor.objects.exists(), "what was not read has not used its challenge"
