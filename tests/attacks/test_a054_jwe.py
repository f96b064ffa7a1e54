"""A054: JWE that explodes when it is inflated, costs minutes of key derivation, or is an oracle.

Request objects are all that we decrypt of what others send, and what we encrypt uses a short list
of algorithms as well.
"""

import base64
import json
import time
import zlib
from typing import Any

import pytest
from django.test import Client as Browser
from joserfc.jwk import ECKey, RSAKey

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp.flows import register_client
from idp.machine import discovery
from idp.models import Client
from idp.requests import encrypted_requests
from idp.tokens import encryption
from tests import cast
from tests.support import oauth
from tests.support.authorize import answer, authorize
from tests.support.request_objects import claims, encrypt, published, sign, signing_client

JWKS = {"keys": [RSAKey.generate_key(2048, {"use": "enc"}).as_dict(private=False)]}
BAD_ALGORITHMS = [
    "RSA1_5", "RSA-OAEP", "PBES2-HS256+A128KW", "dir", "A128KW", "A256GCMKW", "none", "",
]  # fmt: skip


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def made_up(**header: Any) -> str:
    """A compact JWE of five parts whose header says what the attacker wants."""
    parts = [json.dumps({"enc": "A256GCM", "kid": "k", **header}).encode(), b"k" * 40, b"i" * 12]
    return ".".join(encode(part) for part in [*parts, zlib.compress(b"0" * 500_000), b"t" * 16])


BOMBS = {
    "zip": made_up(alg="dir", zip="DEF"),
    "p2c": made_up(alg="PBES2-HS256+A128KW", p2c=2**31, p2s="c2FsdA"),
    "oracle": made_up(alg="RSA1_5"),
    "epk": made_up(alg="ECDH-ES", epk={"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
    "typed": made_up(alg="dir", zip="DEF", typ="at+jwt"),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_as_an_access_token_it_is_refused_unread(acme_web: Client, session: Any, text: str) -> None:
    userinfo = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {text}")
    introspected = oauth.send(
        "POST", "/oauth/introspect", form={"token": text}, authorization=oauth.basic("acme-web")
    )

    assert (userinfo.status, userinfo.error) == (401, "invalid_token")
    assert introspected.json == {"active": False}
    assert not AuditEvent.objects.filter(event__startswith="idp.token").exists()


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_as_a_hint_it_is_refused_unread(
    acme_web: Client, session: Any, client: Browser, text: str
) -> None:
    response = authorize(client, acme_web, prompt="none", id_token_hint=text)

    assert answer(response)["error"] == "invalid_request"
    assert "code" not in answer(response)


@pytest.mark.parametrize("alg", BAD_ALGORITHMS[:-1])
@pytest.mark.parametrize("kind", ["id_token", "userinfo"])
def test_algorithms_that_nobody_should_use_cannot_be_registered(
    acme: Organisation, alg: str, kind: str
) -> None:
    with pytest.raises(Refusal) as refused:
        register_client(
            organisation=acme, name="Wiki", kind="confidential", now=clock.now(),
            redirect_uris=[cast.REDIRECT_URI],
            metadata={"jwks": JWKS, f"{kind}_encrypted_response_alg": alg},
        )  # fmt: skip

    assert refused.value.code == "invalid_client_metadata"
    assert not Client.unscoped.exists()
    assert not AuditEvent.objects.filter(event="idp.client.registered").exists()


@pytest.mark.parametrize("enc", ["A128GCM", "A192CBC-HS384", "XC20P", "none"])
def test_contents_are_encrypted_by_two_algorithms_alone(acme: Organisation, enc: str) -> None:
    with pytest.raises(Refusal) as refused:
        register_client(
            organisation=acme, name="Wiki", kind="confidential", now=clock.now(),
            redirect_uris=[cast.REDIRECT_URI],
            metadata={
                "jwks": JWKS, "id_token_encrypted_response_alg": "RSA-OAEP-256",
                "id_token_encrypted_response_enc": enc,
            },
        )  # fmt: skip

    assert refused.value.code == "invalid_client_metadata"


@pytest.fixture
def signer(acme: Organisation) -> Client:
    return signing_client("signer", acme)


def push(client: Client, text: str) -> oauth.Reply:
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/par", form={"request": text}, authorization=authorization)


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_as_a_request_object_it_is_refused_unread(signer: Client, text: str) -> None:
    before = time.process_time()

    reply = push(signer, text)

    assert (reply.status, reply.error) == (400, "invalid_request_object")
    assert time.process_time() - before < 1


ODD_HEADERS: dict[str, dict[str, Any]] = {
    "zip": {"zip": "DEF"},
    "crit": {"crit": ["exp"], "exp": 1},
    "b64": {"b64": False},
    "jku": {"jku": "https://evil.example/jwks"},
    "jwk": {"jwk": {"kty": "oct", "k": "AAAA"}},
    "x5u": {"x5u": "https://evil.example/"},
    "p2c": {"p2c": 2**31, "p2s": "c2FsdA"},
    "cty": {"cty": "text/plain"},
    "typ": {"typ": "at+jwt"},
    "long": {"apu": "a" * 900},
}


@pytest.mark.parametrize("header", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_a_header_says_nothing_that_we_do_not_know(signer: Client, header: dict[str, Any]) -> None:
    """Truly encrypted to our key, by the client that has truly signed what is inside."""
    good = sign(claims(signer))

    text = encrypt(good, header=header)

    assert push(signer, text).error == "invalid_request_object"
    assert push(signer, encrypt(good)).status == 201


@pytest.mark.parametrize("alg", ["RSA1_5", "RSA-OAEP", "ECDH-ES", "ECDH-ES+A128KW"])
def test_our_keys_open_by_the_algorithm_that_they_are_for(signer: Client, alg: str) -> None:
    ours = published("RSA-OAEP-256" if alg.startswith("RSA") else "ECDH-ES+A256KW")

    text = encrypt(sign(claims(signer)), alg=alg, to=ours)

    assert push(signer, text).error == "invalid_request_object"


@pytest.mark.parametrize("enc", ["A128GCM", "A192GCM", "A192CBC-HS384", "A256CBC-HS512"])
def test_and_contents_by_two_algorithms(signer: Client, enc: str) -> None:
    assert push(signer, encrypt(sign(claims(signer)), enc=enc)).error == "invalid_request_object"


POINTS: dict[str, Any] = {
    "none": None,
    "text": "P-256",
    "off the curve": {
        "kty": "EC",
        "crv": "P-256",
        "x": encode(b"\1" * 32),
        "y": encode(b"\2" * 32),
    },
    "zero": {"kty": "EC", "crv": "P-256", "x": encode(b"\0" * 32), "y": encode(b"\0" * 32)},
    "short": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    "another curve": ECKey.generate_key("P-384").as_dict(private=False),
    "private": ECKey.generate_key("P-256").as_dict(private=True),
    "another kind": {"kty": "OKP", "crv": "X25519", "x": encode(b"\1" * 32), "y": "AA"},
    "numbers": {"kty": "EC", "crv": "P-256", "x": 1, "y": [2]},
}


@pytest.mark.parametrize("epk", POINTS.values(), ids=POINTS)
def test_an_ephemeral_key_is_a_point_on_our_curve(signer: Client, epk: Any) -> None:
    head, rest = encrypt(sign(claims(signer))).split(".", 1)
    header = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    epk = {name: v for name, v in epk.items() if name != "kid"} if isinstance(epk, dict) else epk

    text = f"{encode(json.dumps(header | {'epk': epk}).encode())}.{rest}"

    assert push(signer, text).error == "invalid_request_object"


@pytest.mark.parametrize("part", range(5))
def test_whatever_cannot_be_opened_is_refused_in_the_same_words(signer: Client, part: int) -> None:
    """No oracle: neither the key, nor the padding, nor the tag tells by what it failed."""
    told = set()
    for alg in ("RSA-OAEP-256", "ECDH-ES+A256KW"):
        parts = encrypt(sign(claims(signer)), alg=alg).split(".")
        if part:
            swapped = "A" if parts[part][0] != "A" else "B"
            parts[part] = swapped + parts[part][1:]
        else:
            header = {"alg": alg, "enc": "A256GCM", "kid": "unknown"}
            parts[0] = encode(json.dumps(header).encode())
        told.add((reply := push(signer, ".".join(parts))).body)
        assert reply.status == 400

    assert len(told) == 1
    assert b"The request object cannot be decrypted." in told.pop()


@pytest.mark.parametrize("layers", [2, 3])
def test_layers_are_not_peeled(signer: Client, layers: int) -> None:
    text = sign(claims(signer))
    for _ in range(layers):
        text = encrypt(text)

    assert push(signer, text).error == "invalid_request_object"


def test_a_compressed_bomb_is_not_inflated(signer: Client) -> None:
    text = encrypt(b"0" * 5_000_000, header={"zip": "DEF"})
    assert len(text) < encrypted_requests.MAX_LENGTH

    before = time.process_time()

    assert push(signer, text).error == "invalid_request_object"
    assert time.process_time() - before < 1


def test_what_is_too_long_is_not_read(signer: Client) -> None:
    text = encrypt(b"a" * 11_300)
    assert encrypted_requests.MAX_LENGTH < len(text) < 16_384

    assert push(signer, text).error == "invalid_request_object"


def test_none_of_them_is_offered() -> None:
    metadata = discovery.metadata()

    offered = {
        name for member, names in metadata.items() if "_encryption_" in member for name in names
    }
    assert offered == {*encryption.ALGORITHMS, *encryption.ENCRYPTIONS}
    assert not offered & set(BAD_ALGORITHMS)
