"""A049: a key of one kind taken for a key of another, where Ed25519 is accepted."""

import hmac
import json

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.clients import authentication
from idp.models import Client
from idp.models.assertion import UsedAssertion
from idp.models.token import SpentProof
from tests import cast
from tests.support import assertions, dpop, oauth
from tests.support.assertions import claims, forge, present, sign

pytestmark = pytest.mark.django_db

ED25519 = OKPKey.generate_key("Ed25519", {"kid": "ed"})
ED448 = OKPKey.generate_key("Ed448", {"kid": "ed"})
X25519 = OKPKey.generate_key("X25519", {"kid": "ed"})
EC = ECKey.generate_key("P-256", {"kid": "ed"})
RSA = RSAKey.generate_key(2048, {"kid": "ed"})
NAMES = ["Ed25519", "EdDSA"]


def signed(alg: str, signature_of, payload=None) -> str:
    """A JWS whose header says `alg`, whatever really signed it."""
    head, body, _ = forge({"alg": alg, "kid": "ed"}, payload or claims(), b"").split(".")
    tag = signature_of(f"{head}.{body}".encode())
    return f"{head}.{body}.{dpop._encode(tag)}"


def is_refused(text: str) -> None:
    reply = present(text)
    assert (reply.status, reply.error) == (401, "invalid_client")
    assert UsedAssertion.objects.count() == 0


@pytest.mark.parametrize("alg", NAMES)
@pytest.mark.parametrize(
    "registered", [ED448, X25519, EC, RSA], ids=["Ed448", "X25519", "EC", "RSA"]
)
def test_a_key_of_another_kind_verifies_nothing(acme, alg, registered):
    assertions.client(acme, registered)

    is_refused(signed(alg, ED25519.private_key.sign))
    if registered is ED448:
        is_refused(signed(alg, ED448.private_key.sign))


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "HS256", "HS512", "Ed448", "none"])
def test_a_signature_of_ed25519_goes_by_no_other_name(acme, alg):
    assertions.client(acme, ED25519)

    is_refused(signed(alg, ED25519.private_key.sign))
    assert present(sign(claims(), ED25519, "Ed25519")).status == 200


@pytest.mark.parametrize("alg", ["HS256", *NAMES])
def test_the_public_key_is_no_secret(acme, alg):
    assertions.client(acme, ED25519)
    public = ED25519.public_key.public_bytes_raw()
    jwk = json.dumps(ED25519.as_dict(private=False)).encode()

    for secret in (public, jwk):
        is_refused(signed(alg, lambda data, secret=secret: hmac.digest(secret, data, "sha256")))
        is_refused(signed(alg, lambda data, secret=secret: hmac.digest(secret, data, "sha512")))


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\xff" * 64, b"x" * 63, b"x" * 65])
def test_a_made_up_signature(acme, signature):
    assertions.client(acme, ED25519)

    is_refused(signed("Ed25519", lambda _: signature))


@pytest.mark.parametrize("alg", NAMES)
@pytest.mark.parametrize("key", [ED448, X25519, EC, RSA], ids=["Ed448", "X25519", "EC", "RSA"])
def test_a_proof_by_a_key_of_another_kind(acme_web: Client, alg, key):
    jwk = key.as_dict(private=False)
    header = {"alg": alg, "jwk": {name: value for name, value in jwk.items() if name != "kid"}}
    signer = ED25519 if key is X25519 else key

    reply = dpop.redeem(acme_web, "any", dpop.proof(key, header=header, signed_by=signer))

    assert (reply.status, reply.error) == (400, "invalid_dpop_proof")
    assert SpentProof.objects.count() == 0


def test_a_proof_with_a_private_key(acme_web: Client):
    header = {"jwk": ED25519.as_dict(private=True)}

    reply = dpop.redeem(acme_web, "any", dpop.proof(ED25519, header=header))

    assert (reply.status, reply.error) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA", "HS256", "none"])
def test_our_own_tokens_by_another_name(acme, client, employee, alg):
    """The kid decides which algorithm a token of ours is signed by."""
    app = cast.client("ed", acme, is_first_party=True, signing_alg="Ed25519")
    session = cast.sign_in(client, employee)
    token = oauth.redeem(app, oauth.issue_code(app, session)).json["access_token"]
    _, body, signature = token.split(".")
    head = oauth.header_of(token) | {"alg": alg}
    authentication.forget()

    forged = ".".join([dpop._encode(json.dumps(head).encode()), body, signature])
    reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {forged}")

    assert (reply.status, reply.error) == (401, "invalid_token")
