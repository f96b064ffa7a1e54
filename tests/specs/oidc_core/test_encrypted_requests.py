"""OpenID Connect Core 1.0 §6.1, §10.2, and Registration 1.0 §2: clients that encrypt their requests."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.test import Client as Browser

from accounts.models import Organisation
from core import clock
from idp import keys
from idp.models import AuthorizationCode, Client
from tests import cast
from tests.cast import Person
from tests.support import oauth, registering
from tests.support.authorize import answer
from tests.support.request_objects import claims, encrypt, jwks, published, sign

spec = pytest.mark.spec
pytestmark = pytest.mark.django_db


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def register(acme: Organisation, **members: Any) -> oauth.Reply:
    return registering.register(registering.initial_token(acme), jwks=jwks(), **members)


def ask(browser: Browser, client_id: str, text: str) -> Any:
    query = {"client_id": client_id, "request": text, "redirect_uri": cast.REDIRECT_URI}
    return browser.get(f"/oauth/authorize?{urlencode(query)}")


def is_refused(reply: oauth.Reply) -> bool:
    return (reply.status, reply.error) == (400, "invalid_client_metadata")


@spec("OpenID Core", "6.1", "a request object is signed and then encrypted")
@pytest.mark.parametrize("alg", ["ECDH-ES+A256KW", "RSA-OAEP-256"])
def test_a_client_that_registered_itself(alices: Browser, acme: Organisation, alg: str) -> None:
    client_id = register(acme, request_object_encryption_alg=alg).json["client_id"]
    Client.unscoped.filter(client_id=client_id).update(is_first_party=True)
    signed = sign(claims(client_id))

    response = ask(alices, client_id, encrypt(signed, alg=alg))

    assert "code" in answer(response)
    assert AuthorizationCode.unscoped.get().nonce == "n-1"
    assert answer(ask(alices, client_id, signed))["error"] == "invalid_request_object"


@spec(
    "OpenID Core", "10.2.1", "a key that is replaced leaves the key set, and opens a while longer"
)
def test_rotation(alices: Browser, acme: Organisation) -> None:
    client_id = register(acme, request_object_encryption_alg="ECDH-ES+A256KW").json["client_id"]
    Client.unscoped.filter(client_id=client_id).update(is_first_party=True)
    cached = published()

    keys.rotate(now=clock.now() + settings.SIGNING_KEY_LIFETIME)

    assert published()["kid"] != cached["kid"]
    late = encrypt(sign(claims(client_id)), to=cached)
    assert "code" in answer(ask(alices, client_id, late))


class TestRegistered:
    @spec("OpenID Registration", "2", "request_object_encryption_enc is A128CBC-HS256 if left out")
    def test_default(self, acme: Organisation) -> None:
        reply = register(acme, request_object_encryption_alg="RSA-OAEP-256")

        assert reply.status == 201
        assert reply.json["request_object_encryption_enc"] == "A128CBC-HS256"
        read = registering.manage("GET", reply.json).json
        assert read["request_object_encryption_alg"] == "RSA-OAEP-256"

    @spec("OpenID Registration", "2", "request_object_encryption_enc needs an alg")
    def test_enc_without_alg(self, acme: Organisation) -> None:
        assert is_refused(register(acme, request_object_encryption_enc="A256GCM"))

    @pytest.mark.parametrize("alg", ["RSA1_5", "RSA-OAEP", "dir", "A256KW", "ECDH-ES", "none", "x"])
    def test_other_algorithms(self, acme: Organisation, alg: str) -> None:
        assert is_refused(register(acme, request_object_encryption_alg=alg))

    @pytest.mark.parametrize("enc", ["A128GCM", "A256CBC-HS512", "none", "x"])
    def test_other_contents(self, acme: Organisation, enc: str) -> None:
        reply = register(
            acme, request_object_encryption_alg="RSA-OAEP-256", request_object_encryption_enc=enc
        )

        assert is_refused(reply)

    def test_it_may_be_dropped_again(self, acme: Organisation) -> None:
        made = register(acme, request_object_encryption_alg="RSA-OAEP-256").json

        reply = registering.manage(
            "PUT", made, client_id=made["client_id"], redirect_uris=[cast.REDIRECT_URI], jwks=jwks()
        )

        assert reply.status == 200
        assert "request_object_encryption_alg" not in reply.json
        assert "request_object_encryption_enc" not in reply.json
