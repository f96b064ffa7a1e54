"""A050: the header points to the attacker's key by jwk, jku, x5u or x5c."""

import socket

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from idp import keys
from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to reach out over the network fails the test."""

    def refuse(self, address):
        if isinstance(address, tuple):
            pytest.fail(f"reached out to {address}")
        return original(self, address)

    original = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("keeps_our_kid", [True, False])
@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": "own"},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"b64": False, "crit": ["b64"]},
        {},
    ],
    ids=["jwk", "jku", "x5u", "x5c", "crit", "b64", "kid only"],
)
def test_the_header_chooses_no_key(acme_web, tokens, no_network, extra, keeps_our_kid):
    attackers = ECKey.generate_key("P-256")
    kid = keys.signing_key("ES256").kid if keeps_our_kid else "attacker"
    header = {"alg": "ES256", "typ": "at+jwt", "kid": kid}
    if extra.get("jwk") == "own":
        extra = {"jwk": attackers.as_dict(private=False)}
    claims = oauth.claims_of(tokens["access_token"])
    forged = jwt.encode(header, claims, attackers, algorithms=["ES256"])
    if extra:
        import base64
        import json

        head = base64.urlsafe_b64encode(json.dumps(header | extra).encode()).rstrip(b"=").decode()
        forged = f"{head}.{forged.split('.', 1)[1]}"

    reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {forged}")

    assert (reply.status, reply.error) == (401, "invalid_token")


def test_even_our_own_signature_brings_no_foreign_header(acme_web, tokens):
    """Re-signed by our own key with a jku: refused before anything is fetched."""
    key = keys.signing_key("ES256")
    from joserfc import jws

    class Anything(jws.JWSRegistry):
        def check_header(self, header):
            return None

    import json

    header = {"alg": "ES256", "typ": "at+jwt", "kid": key.kid, "jku": "https://evil.example"}
    claims = json.dumps(oauth.claims_of(tokens["access_token"]))
    token = jws.serialize_compact(header, claims, key.key, registry=Anything(algorithms=["ES256"]))

    reply = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")

    assert reply.error == "invalid_token"


@pytest.mark.parametrize("kid", ["client-ES256", "attacker", None])
@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c"])
def test_nor_does_the_header_of_a_request_object(acme, no_network, name, kid):
    from tests.support.request_objects import claims, key, sign, signing_client

    client = signing_client("signer", acme)
    attackers = key(owner="attacker")
    extra = {
        "jwk": attackers.as_dict(private=False),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/cert",
        "x5c": ["MIIB"],
    }[name]

    for signer in (attackers, key()):  # even under the client's own signature
        text = sign(claims(client), by=signer, header={"kid": kid, name: extra})
        reply = oauth.send(
            "POST", "/oauth/par", form={"request": text}, authorization=oauth.basic("signer")
        )
        assert (reply.status, reply.error) == (400, "invalid_request_object")
