"""RFC 9101 §6.1, OpenID Connect Core 1.0 §6.1: request objects that are signed, then encrypted."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client as Browser
from joserfc.jwk import ECKey

from accounts.models import Organisation
from core import clock
from idp import keys
from idp.models import AuthorizationCode, Client, EncryptionKey, PushedRequest, UsedAssertion
from idp.requests import encrypted_requests
from tests import cast
from tests.cast import Person
from tests.support import ciba, oauth
from tests.support.authorize import answer, authorize, nothing_was_issued
from tests.support.elsewhere import Elsewhere
from tests.support.push import open_pushed
from tests.support.request_objects import (
    claims,
    encode,
    encrypt,
    key,
    published,
    sign,
    signing_client,
    unsigned,
)

pytestmark = pytest.mark.django_db
WAYS = [
    (alg, enc) for alg in ("ECDH-ES+A256KW", "RSA-OAEP-256") for enc in ("A128CBC-HS256", "A256GCM")
]


@pytest.fixture
def signer(acme: Organisation) -> Client:
    return signing_client("signer", acme)


@pytest.fixture
def encrypter(acme: Organisation) -> Client:
    """A client that has registered to encrypt."""
    return signing_client(
        "encrypter",
        acme,
        request_object_encryption_alg="ECDH-ES+A256KW",
        request_object_encryption_enc="A256GCM",
    )


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def ask(browser: Browser, client: Client, text: str, **beside: Any) -> Any:
    query = {"client_id": client.client_id, "request": text} | beside
    return browser.get(f"/oauth/authorize?{urlencode(query, doseq=True)}")


def push_object(client: Client, text: str) -> oauth.Reply:
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/par", form={"request": text}, authorization=authorization)


def is_refused(reply: oauth.Reply) -> bool:
    return (reply.status, reply.error) == (400, "invalid_request_object")


@pytest.mark.parametrize(("alg", "enc"), WAYS)
def test_section_6_1_a_signed_object_may_be_encrypted_to_the_published_key(
    alices: Browser, signer: Client, alg: str, enc: str
) -> None:
    response = ask(alices, signer, encrypt(sign(claims(signer)), alg=alg, enc=enc))

    assert answer(response).keys() == {"code", "state", "iss"}
    assert AuthorizationCode.unscoped.get().nonce == "n-1"


@pytest.mark.parametrize(("alg", "enc"), WAYS)
def test_section_6_1_it_may_be_pushed(alices: Browser, signer: Client, alg: str, enc: str) -> None:
    reply = push_object(signer, encrypt(sign(claims(signer)), alg=alg, enc=enc))

    assert reply.status == 201, reply.body
    assert "code" in answer(open_pushed(alices, signer, reply.json["request_uri"]))


def test_section_5_2_it_may_stand_at_a_registered_address(
    alices: Browser, acme: Organisation, elsewhere: Elsewhere
) -> None:
    address = elsewhere.url("/request.jwt")
    client = signing_client("referring", acme, request_uris=[address])
    body = encrypt(sign(claims(client))).encode()
    elsewhere.serve("/request.jwt", body, content_type="application/oauth-authz-req+jwt")

    assert "code" in answer(authorize(alices, client, request_uri=address))


@pytest.mark.parametrize("header", [{"kid": None}, {"cty": None}, {"cty": "oauth-authz-req+jwt"}])
def test_what_the_header_may_leave_out(signer: Client, header: dict[str, Any]) -> None:
    assert push_object(signer, encrypt(sign(claims(signer)), header=header)).status == 201


def test_what_is_inside_is_judged_as_if_it_had_come_in_the_open(signer: Client) -> None:
    foreign = sign(claims(signer), by=key(owner="other"))
    expired = sign(claims(signer, exp=int(clock.now().timestamp()) - 10))
    for_another = sign(claims(signer, iss="other", client_id="other"))

    for inside in (foreign, expired, for_another):
        assert is_refused(push_object(signer, encrypt(inside)))
    assert nothing_was_issued()


def test_an_object_with_a_jti_is_answered_once_however_it_is_wrapped(signer: Client) -> None:
    inside = sign(claims(signer, jti="once"))

    assert push_object(signer, encrypt(inside)).status == 201
    assert is_refused(push_object(signer, encrypt(inside)))
    assert is_refused(push_object(signer, inside))
    assert UsedAssertion.objects.count() == PushedRequest.unscoped.count() == 1


class TestNested:
    """Encryption says nothing of who sent it: anybody can encrypt to a published key."""

    def test_without_a_signature_inside_it_is_refused(
        self, alices: Browser, signer: Client
    ) -> None:
        text = encrypt(unsigned(claims(signer)))

        assert is_refused(push_object(signer, text))
        told = ask(alices, signer, text, redirect_uri=cast.REDIRECT_URI)
        assert answer(told)["error"] == "request_not_supported"
        assert nothing_was_issued()

    @pytest.mark.parametrize("content", ["claims", "empty", "binary"])
    def test_nor_is_anything_else_a_request(self, signer: Client, content: str) -> None:
        inside = {"claims": encode(claims(signer)), "empty": b"", "binary": b"\xff.\xff.\xff"}

        assert is_refused(push_object(signer, encrypt(inside[content])))

    def test_one_layer_and_no_more(self, signer: Client) -> None:
        assert is_refused(push_object(signer, encrypt(encrypt(sign(claims(signer))))))

    def test_signed_around_encrypted_is_refused(self, signer: Client) -> None:
        assert is_refused(push_object(signer, sign(encrypt(sign(claims(signer))))))


class TestRegistered:
    def test_who_registered_to_encrypt_has_to(self, alices: Browser, encrypter: Client) -> None:
        signed = sign(claims(encrypter))

        assert is_refused(push_object(encrypter, signed))
        told = ask(alices, encrypter, signed, redirect_uri=cast.REDIRECT_URI)
        assert answer(told)["error"] == "invalid_request_object"
        assert nothing_was_issued()
        assert push_object(encrypter, encrypt(signed, enc="A256GCM")).status == 201

    @pytest.mark.parametrize(("alg", "enc"), [way for way in WAYS if way != (WAYS[1])])
    def test_by_what_it_registered(self, encrypter: Client, alg: str, enc: str) -> None:
        assert is_refused(
            push_object(encrypter, encrypt(sign(claims(encrypter)), alg=alg, enc=enc))
        )

    def test_backchannel_requests_stay_signed_alone(
        self, acme: Organisation, employee: Person
    ) -> None:
        bank = ciba.asker(acme, metadata={"jwks": key_set()})
        text = sign(ciba.claims(bank))

        reply = oauth.send(
            "POST", ciba.PATH, form={"request": encrypt(text)},
            authorization=oauth.basic(bank.client_id),
        )  # fmt: skip

        assert (reply.status, reply.error) == (400, "invalid_request")
        assert ciba.send(bank, {"request": text}).status == 200


class TestKeys:
    def test_what_is_encrypted_to_another_key_is_refused(self, signer: Client) -> None:
        other = ECKey.generate_key("P-256").as_dict(private=False) | {"kid": published()["kid"]}

        assert is_refused(push_object(signer, encrypt(sign(claims(signer)), to=other)))

    @pytest.mark.parametrize("kid", ["", "other", "k" * 65, "a\u0000b", 5, [], {}])
    def test_nor_is_a_kid_of_nobody_of_use(self, signer: Client, kid: Any) -> None:
        inside = sign(claims(signer))
        text = encrypt(inside)
        _, rest = text.split(".", 1)
        header = {"alg": "ECDH-ES+A256KW", "enc": "A128CBC-HS256", "kid": kid, "epk": {}}

        assert is_refused(push_object(signer, f"{encode(header)}.{rest}"))

    def test_a_key_that_was_replaced_opens_for_the_overlap(
        self, signer: Client, later: Any
    ) -> None:
        text = encrypt(sign(claims(signer, exp=None, nbf=None)))
        before = published()["kid"]
        keys.rotate(now=clock.now() + settings.SIGNING_KEY_LIFETIME)
        later(seconds=settings.SIGNING_KEY_LIFETIME.total_seconds())

        assert published()["kid"] != before
        assert push_object(signer, text).status == 201
        later(seconds=settings.SIGNING_KEY_OVERLAP.total_seconds())
        assert is_refused(push_object(signer, text))
        assert bytes(EncryptionKey.objects.get(kid=before).private) != b""
        keys.rotate(now=clock.now())
        assert bytes(EncryptionKey.objects.get(kid=before).private) == b""

    def test_a_leaked_one_opens_nothing_from_then_on(self, signer: Client) -> None:
        text = encrypt(sign(claims(signer)))

        keys.replace_encryption_keys(now=clock.now() + timedelta(seconds=1))

        assert is_refused(push_object(signer, text))
        assert push_object(signer, encrypt(sign(claims(signer)))).status == 201


def test_the_greatest_signed_object_fits_when_it_is_encrypted(signer: Client) -> None:
    whole = claims(signer, state="s" * 400)
    padding = 10_000 - len(sign(whole))
    inside = sign(whole | {"padding": "p" * (padding * 3 // 4 - 30)})
    assert 9_900 < len(inside) <= 10_000

    text = encrypt(inside, alg="RSA-OAEP-256")

    assert len(text) <= encrypted_requests.MAX_LENGTH
    assert push_object(signer, text).status == 201


def test_section_9_metadata_says_how_to_encrypt(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    found = document["request_object_encryption_alg_values_supported"]
    assert found == ["ECDH-ES+A256KW", "RSA-OAEP-256"]
    assert document["request_object_encryption_enc_values_supported"] == [
        "A128CBC-HS256", "A256GCM",
    ]  # fmt: skip


def key_set() -> dict[str, Any]:
    return {"keys": [key(alg).as_dict(private=False) for alg in ("ES256", "PS256")]}
