"""A049: a client assertion signed by HS256 over the client's public key, or by nobody.

With it A050 to A052, A055 and A056 at the same door: what its header and its JSON may not do.
"""

import json
import time

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc.jwk import OctKey

from idp.models.assertion import UsedAssertion
from tests import cast
from tests.support import assertions, oauth
from tests.support.assertions import claims, ec_key, forge, present, rsa_key, sign

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _acme_keys(acme):
    return assertions.client(acme)


def is_refused(reply) -> None:
    assert reply.status in {400, 401}
    assert reply.error in {"invalid_client", "invalid_request"}
    assert UsedAssertion.objects.count() == 0


def public_forms():
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    for key in (ec_key(), rsa_key()):
        for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
            yield key.public_key.public_bytes(encoding, form)
        yield json.dumps(key.as_dict(private=False)).encode()


@pytest.mark.parametrize(
    "secret",
    list(public_forms()),
    ids=["EC PEM", "EC DER", "EC JWK", "RSA PEM", "RSA DER", "RSA JWK"],
)
@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_hmac_over_the_public_key_is_refused(secret, alg):
    # Made by hand, since libraries refuse to make such a key.
    import base64
    import hashlib
    import hmac

    signed = forge({"alg": alg, "kid": "first"}, claims(), b"").rpartition(".")[0]
    tag = hmac.digest(secret, signed.encode(), getattr(hashlib, f"sha{alg[2:]}"))
    text = f"{signed}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"

    is_refused(present(text))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS256", "ES512", None, 5, []])
def test_without_a_signature_it_is_refused(alg):
    is_refused(present(forge({"alg": alg}, claims(), b"")))
    is_refused(present(forge({"alg": alg}, claims())))


def test_the_secret_of_a_secret_client_signs_for_nobody_else(acme):
    is_refused(present(sign(claims(), OctKey.import_key(cast.SECRET), "HS256")))


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": ec_key("evil").as_dict(private=False)},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
    ],
)
def test_a050_keys_of_the_header_are_not_looked_at(header, monkeypatch):
    import socket

    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked somebody"))

    is_refused(present(sign(claims(), ec_key("evil"), **header)))
    is_refused(present(sign(claims(), **header)))


@pytest.mark.parametrize(
    "header",
    [{"crit": ["x"], "x": 1}, {"crit": []}, {"b64": False}, {"zip": "DEF"}, {"cty": "JWT"}],
)
def test_a051_what_must_be_understood_and_is_not_is_refused(header):
    is_refused(present(forge({"alg": "ES256", "kid": "first"} | header, claims())))


@pytest.mark.parametrize(
    "kid",
    ["../../etc/passwd", "' OR 1=1 --", "\0", "x" * 10_000, 5, {}, ["first"], "rsa", True],
)
def test_a052_a_kid_is_a_name_and_nothing_else(kid, acme_web):
    is_refused(present(forge({"alg": "ES256", "kid": kid}, claims())))


def test_a052_the_kid_of_another_client_finds_nothing(acme):
    assertions.client(acme, ec_key("theirs"), client_id="acme-other")

    is_refused(present(sign(claims(), ec_key("theirs"))))


@pytest.mark.parametrize(
    "text",
    [
        "x", "..", "a.b", "a.b.c.d", "a.b.c.d.e", "é.b.c", "." * 8000, "e30.e30.",
        "x" * 60_000, "e30." * 15_000,
        forge(b"[" * 300, claims()), forge(b'{"a":' * 60, claims()),
        forge({"alg": "ES256"}, b"[" * 5000), forge({"alg": "ES256"}, b'{"a":' * 1000),
        forge({"alg": "ES256", "x": "y" * 600}, claims()),
        forge({"alg": "ES256"}, {"sub": "acme-keys", "x": "y" * 7000}),
    ],
)  # fmt: skip
def test_a055_what_is_too_large_or_nested_too_deeply_is_refused_at_once(text):
    present("x")  # what is loaded with the first request does not count
    began = time.process_time()
    reply = present(text)

    is_refused(reply)
    assert time.process_time() - began < 0.25


@pytest.mark.parametrize(
    "payload",
    [
        b'{"sub":"acme-keys","sub":"acme-web"}', b'{"sub":"\xff"}', b"null", b"5", b'"x"', b"",
        b"\xef\xbb\xbf{}", b'{"sub":"acme-keys","exp":' + b"9" * 5000 + b"}",
        b'{"sub":"acme-keys","exp":NaN,"iss":"acme-keys"}', b'{"sub":"\\ud800"}',
        b'{"sub":{"$ne":""}}', b"{'sub':'acme-keys'}",
    ],
)  # fmt: skip
def test_a056_odd_json_is_refused(payload):
    is_refused(present(forge({"alg": "ES256", "kid": "first"}, payload)))
    is_refused(present(sign(payload.decode("latin-1"))))


def test_a056_a_name_that_stands_twice_is_refused_under_a_good_signature():
    text = json.dumps(claims())[:-1] + ', "aud": "http://localhost:8000"}'

    is_refused(present(sign(text)))


def test_a054_an_encrypted_assertion_is_refused():
    is_refused(present("eyJhbGciOiJSU0ExXzUiLCJlbmMiOiJBMTI4R0NNIiwiemlwIjoiREVGIn0.AA.AA.AA.AA"))
    header = {"alg": "PBES2-HS256+A128KW", "p2c": 2**31, "enc": "A128GCM"}
    is_refused(present(forge(header, claims()) + ".AA.AA"))
    assert oauth.send("GET", "/oauth/jwks").status == 200
