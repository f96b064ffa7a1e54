"""A069: a signed request is demanded, and evaded: unsigned, overridden by the query, or external."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.models import AuthorizationCode, Client, PushedRequest
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, authorize, nothing_was_issued
from tests.support.push import push
from tests.support.request_objects import (
    claims,
    encode,
    encrypt,
    key,
    sign,
    signing_client,
    unsigned,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def signer(acme: Organisation) -> Client:
    return signing_client("signer", acme, require_signed_request_object=True)


@pytest.fixture
def victim(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def ask(browser: Browser, client: Client, **parameters: Any) -> Any:
    query = {"client_id": client.client_id} | parameters
    return browser.get(f"/oauth/authorize?{urlencode(query)}")


def test_leaving_the_object_out(victim: Browser, signer: Client) -> None:
    assert answer(authorize(victim, signer))["error"] == "invalid_request"
    assert push(signer).error == "invalid_request"
    assert nothing_was_issued()
    assert not PushedRequest.unscoped.exists()


def test_hiding_in_encryption_that_nobody_has_signed(victim: Browser, signer: Client) -> None:
    """Anybody can encrypt to a key that is published."""
    forgeries = [
        unsigned(claims(signer, scope="openid roles")),
        sign(claims(signer, scope="openid roles"), by=key(owner="attacker")),
        json.dumps(claims(signer, scope="openid roles")),
    ]
    for inside in forgeries:
        text = encrypt(inside)
        told = ask(victim, signer, request=text, redirect_uri=cast.REDIRECT_URI)
        assert answer(told)["error"] in {"invalid_request_object", "request_not_supported"}
    assert nothing_was_issued()


def test_sending_in_the_open_what_is_always_encrypted(victim: Browser, acme: Organisation) -> None:
    client = signing_client("hidden", acme, request_object_encryption_alg="RSA-OAEP-256")
    told = ask(victim, client, request=sign(claims(client)), redirect_uri=cast.REDIRECT_URI)

    assert answer(told)["error"] == "invalid_request_object"
    assert nothing_was_issued()


def test_taking_its_signature_away(victim: Browser, signer: Client) -> None:
    good = sign(claims(signer))
    head, body, signature = good.split(".")
    forgeries = [
        unsigned(claims(signer)),
        f"{head}.{body}.",
        f"{head}.{encode(claims(signer, scope='openid roles'))}.{signature}",
        sign(claims(signer), by=key(owner="attacker")),
        f"{encode({'alg': 'HS256'})}.{body}.{signature}",
    ]
    for text in forgeries:
        told = ask(victim, signer, request=text, redirect_uri=cast.REDIRECT_URI)
        assert answer(told)["error"] in {"invalid_request_object", "request_not_supported"}
        reply = oauth.send(
            "POST", "/oauth/par", form={"request": text}, authorization=oauth.basic("signer")
        )
        assert (reply.status, reply.error) == (400, "invalid_request_object")
    assert nothing_was_issued()
    assert not PushedRequest.unscoped.exists()


def test_a_secret_of_the_client_is_no_key_for_requests(signer: Client) -> None:
    from joserfc.jwk import OctKey

    text = sign(claims(signer), alg="HS256", by=OctKey.import_key(cast.SECRET, {"kid": "s"}))
    reply = oauth.send(
        "POST", "/oauth/par", form={"request": text}, authorization=oauth.basic("signer")
    )

    assert reply.error == "invalid_request_object"


def test_overriding_it_by_the_query(victim: Browser, signer: Client) -> None:
    response = ask(
        victim, signer, request=sign(claims(signer, scope="openid")), scope="openid roles",
        redirect_uri="https://evil.example/", state="forged", code_challenge="A" * 43,
    )  # fmt: skip

    assert answer(response)["state"] == "s-1"
    code = AuthorizationCode.unscoped.get()
    assert (code.scope, code.redirect_uri) == ("openid", cast.REDIRECT_URI)
    assert code.challenge == claims(signer)["code_challenge"]
    assert AuditEvent.objects.get(event="idp.code.issued").facts["scope"] == "openid"


def test_an_object_of_another_client(victim: Browser, signer: Client, acme: Organisation) -> None:
    other = signing_client("other", acme)
    told = ask(victim, other, request=sign(claims(signer)), redirect_uri=cast.REDIRECT_URI)

    assert answer(told)["error"] == "invalid_request_object"
    assert nothing_was_issued()


@pytest.mark.parametrize(
    "reference",
    ["https://evil.example/r.jwt", "http://127.0.0.1:6379/", "file:///etc/passwd", "data:,e30"],
)
def test_a_reference_of_somebody_elses(victim: Browser, signer: Client, reference: str) -> None:
    told = ask(victim, signer, request_uri=reference, redirect_uri=cast.REDIRECT_URI)

    assert answer(told)["error"] == "request_uri_not_supported"
    assert nothing_was_issued()
