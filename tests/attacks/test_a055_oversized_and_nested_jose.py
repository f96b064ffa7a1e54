"""A055: oversized and deeply nested tokens: refused fast, flat and never by a 500."""

import base64
import time

import pytest

from tests.support import oauth

pytestmark = pytest.mark.django_db


def encode(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


DEEP = b'{"alg":"ES256","kid":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
TOKENS = {
    "nested header": f"{encode(DEEP)}.e30.AA",
    "nested payload": f"{encode(b'{}')}.{encode(b'[' * 30_000 + b']' * 30_000)}.AA",
    "long header": f"{'A' * 60_000}.e30.AA",
    "long signature": f"e30.e30.{'A' * 60_000}",
    "many dots": "." * 5_000,
    "not ascii": "é.è.à",
    "not base64": "{}.{}.{}",
    "empty": "..",
    "a list": f"{encode(b'[]')}.e30.AA",
    "a number": f"{encode(b'1' * 400)}.e30.AA",
    "no utf-8": f"{encode(bytes([0xFF, 0xFE]))}.e30.AA",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_userinfo_and_introspection_refuse_it_quickly(acme_web, tokens, token):
    began = time.process_time()
    userinfo = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")
    assert time.process_time() - began < 0.5

    assert userinfo.status == 401
    answer = oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": token},
        authorization=oauth.basic(acme_web.client_id),
    )
    assert answer.status in {200, 400, 413}
    assert answer.status != 200 or answer.json == {"active": False}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_refresh_and_revocation_refuse_it_quickly(acme_web, token):
    assert oauth.refresh(acme_web, token).status in {400, 413}
    reply = oauth.send(
        "POST",
        "/oauth/revoke",
        form={"token": token},
        authorization=oauth.basic(acme_web.client_id),
    )
    assert reply.status in {200, 400, 413}


def test_a_large_body_is_refused_unread(db):
    reply = oauth.send("POST", "/oauth/token", form={}, CONTENT_LENGTH=str(500 * 1024 * 1024))

    assert reply.status == 413


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_request_objects_of_that_kind_are_refused_quickly(acme, token):
    from tests.support.request_objects import signing_client

    signing_client("signer", acme)
    form = {"request": token.encode().decode("latin-1")}
    began = time.process_time()

    reply = oauth.send("POST", "/oauth/par", form=form, authorization=oauth.basic("signer"))

    assert time.process_time() - began < 0.5
    assert reply.status in {400, 413}
    assert reply.error in {"invalid_request", "invalid_request_object"}


@pytest.mark.parametrize("payload", [b"[" * 3_000, b'{"a":' * 1_000, b"[]", b"1" * 5_000, b"{"])
def test_nor_is_a_nested_payload_under_a_good_signature(acme, payload):
    from tests.support.request_objects import sign, signing_client

    signing_client("signer", acme)
    reply = oauth.send(
        "POST", "/oauth/par", form={"request": sign(payload)}, authorization=oauth.basic("signer")
    )

    assert (reply.status, reply.error) == (400, "invalid_request_object")
