"""A049: a token signed by HS256 over our public key, or not signed at all."""

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc.jwk import ECKey

from idp import keys
from tests.support import oauth

pytestmark = pytest.mark.django_db


def encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def forge(header: dict, claims: dict, secret: bytes | None) -> str:
    signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
    tag = b"" if secret is None else hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{encode(tag)}"


def public_forms() -> dict[str, bytes]:
    key = keys.signing_key("ES256").key
    assert isinstance(key, ECKey)
    public = key.public_key
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return {
        "pem": public.public_bytes(serialization.Encoding.PEM, form),
        "der": public.public_bytes(serialization.Encoding.DER, form),
        "jwk": json.dumps(key.as_dict(private=False)).encode(),
        "empty": b"",
    }


def everywhere(token: str, acme_web) -> None:
    userinfo = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")
    assert (userinfo.status, userinfo.error) == (401, "invalid_token")
    answer = oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": token},
        authorization=oauth.basic(acme_web.client_id),
    )
    assert answer.json == {"active": False}


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "empty"])
@pytest.mark.parametrize("alg", ["HS256", "ES256"])
def test_hmac_over_a_public_key_is_refused(acme_web, tokens, form, alg):
    header = oauth.header_of(tokens["access_token"]) | {"alg": alg}
    claims = oauth.claims_of(tokens["access_token"])

    everywhere(forge(header, claims, public_forms()[form]), acme_web)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_an_unsigned_token_is_refused(acme_web, tokens, alg):
    header = oauth.header_of(tokens["access_token"]) | {"alg": alg}

    everywhere(forge(header, oauth.claims_of(tokens["access_token"]), None), acme_web)


def test_an_id_token_is_no_access_token(acme_web, tokens):
    everywhere(tokens["id_token"], acme_web)


def test_a_key_of_another_algorithm_does_not_verify(acme_web, tokens):
    keys.signing_key("RS256")
    header = oauth.header_of(tokens["access_token"]) | {
        "alg": "RS256",
        "kid": keys.signing_key("RS256").kid,
    }
    _, body, signature = tokens["access_token"].split(".")

    everywhere(f"{encode(json.dumps(header).encode())}.{body}.{signature}", acme_web)
