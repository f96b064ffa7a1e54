"""A054: JWE that explodes when it is inflated, costs minutes of key derivation, or is an oracle.

Nothing of ours decrypts what others send, and what we encrypt uses a short list of algorithms.
"""

import base64
import json
import zlib
from typing import Any

import pytest
from django.test import Client as Browser
from joserfc.jwk import RSAKey

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp import discovery
from idp.flows import register_client
from idp.models import Client
from idp.tokens import encryption
from tests import cast
from tests.support import oauth
from tests.support.authorize import answer, authorize

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


def test_none_of_them_is_offered() -> None:
    metadata = discovery.metadata()

    offered = {
        name for member, names in metadata.items() if "_encryption_" in member for name in names
    }
    assert offered == {*encryption.ALGORITHMS, *encryption.ENCRYPTIONS}
    assert not offered & set(BAD_ALGORITHMS)
