"""A056: JSON that parsers disagree about, numbers beyond all bounds, names that are none."""

import base64
import json
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from idp.models import Client, PushedRequest, SpentProof
from tests.support import documents, dpop, oauth
from tests.support.authorize import is_error_page
from tests.support.elsewhere import Elsewhere
from tests.support.own_tokens import is_worth_nothing, sign
from tests.support.registering import initial_token, post
from tests.support.request_objects import claims, encode, jwks, signing_client
from tests.support.request_objects import sign as sign_request

pytestmark = pytest.mark.django_db


def inside(claim: str, value: str, good: dict[str, Any]) -> str:
    """The JSON of `good` with one member as it stands."""
    members = {name: json.dumps(v) for name, v in good.items()} | {claim: value}
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


NAMES = [
    "null", "5", "[]", "{}", '""', "true", '["a","b"]', '{"a":1}', "NaN", "Infinity", "9" * 5_000,
    '"\\ud800"', '"\\u0000"', json.dumps(["x"] * 10_000),
]  # fmt: skip


@pytest.mark.parametrize("claim", ["sub", "aud", "client_id", "jti", "iss"])
@pytest.mark.parametrize("value", [n for n in NAMES if n not in {'["a","b"]', NAMES[-1]}])
def test_a_token_of_ours_names_everybody_by_text(tokens: dict, claim: str, value: str) -> None:
    text = inside(claim, value, oauth.claims_of(tokens["access_token"]))

    assert is_worth_nothing(sign(text))


def push(client: Client, text: str) -> oauth.Reply:
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/par", form={"request": text}, authorization=authorization)


@pytest.mark.parametrize("claim", ["client_id", "iss", "aud", "scope", "redirect_uri", "exp"])
@pytest.mark.parametrize("value", NAMES, ids=lambda value: value[:12])
def test_nor_does_a_request_object_say_otherwise(
    acme: Organisation, claim: str, value: str
) -> None:
    client = signing_client("signer", acme)

    reply = push(client, sign_request(inside(claim, value, claims(client))))

    if (claim, value) == ("exp", "null"):
        return  # as if it were left out, which may be
    assert reply.status in {400, 413}
    assert reply.error in {
        "invalid_request_object", "invalid_request", "invalid_scope", "invalid_client",
    }  # fmt: skip
    assert not PushedRequest.unscoped.exists()


TWICE = '"redirect_uri":"https://evil.example/","redirect_uri":'


def test_a_name_that_stands_twice_is_read_by_nobody(acme: Organisation) -> None:
    client = signing_client("signer", acme)
    text = json.dumps(claims(client)).replace('"redirect_uri":', TWICE)
    assert text.count("redirect_uri") == 2

    assert push(client, sign_request(text)).error == "invalid_request_object"
    reply = post(
        '{"redirect_uris":["https://evil.example/"],"redirect_uris":["https://app.acme.example/"]}',
        initial_token(acme),
    )
    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert Client.unscoped.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "5", "[]", "NaN", '{"redirect_uris":NaN}', '{"default_max_age":1e400}',
        '{"default_max_age":' + "9" * 5_000 + "}", '{"client_name":"\\ud800"}',
        '{"client_name":"\\u0000"}', "[" * 10_000, '{"a":' * 5_000, "\ufeff{}".encode().decode("latin-1"),
        '{"client_name":"\xff"}', '{"jwks":' + "[" * 900 + "]" * 900 + "}", "{'redirect_uris':[]}",
        '{"redirect_uris":["https://a.example/"]}{}',
    ],
    ids=lambda body: body[:20] or "empty",
)  # fmt: skip
def test_a_registration_is_plain_json_or_nothing(acme: Organisation, body: str) -> None:
    reply = post(body, initial_token(acme))

    assert reply.status == 400
    assert reply.error in {"invalid_client_metadata", "invalid_redirect_uri", "invalid_request"}
    assert not Client.unscoped.exists()
    assert AuditEvent.objects.filter(event="idp.registration.refused").count() == 1


@pytest.mark.parametrize("claim", ["iat", "htm", "htu", "jti", "ath"])
@pytest.mark.parametrize(
    "value", [None, 5, [], {}, True, 1e300, float("nan"), float("inf"), 10**400, ""]
)
def test_a_proof_says_what_it_says_in_the_right_kind(
    acme_web: Client, code: str, claim: str, value: Any
) -> None:
    key = dpop.new_key()
    bound = dpop.redeem(acme_web, code, dpop.proof(key)).json["access_token"]
    changes = {claim: value} if value is not None else {claim: "\ud800"}

    shown = dpop.proof(key, method="GET", path=dpop.USERINFO, token=bound, **changes)
    reply = dpop.userinfo(bound, shown)

    assert (reply.status, reply.error) in {(401, "invalid_dpop_proof"), (401, "invalid_token")}


def texts_of(shown: str) -> tuple[str, str]:
    """Header and claims of a proof, as JSON."""
    header, claims, _ = shown.split(".")
    header, claims = (
        base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
        for part in (header, claims)
    )
    return header, claims


@pytest.mark.parametrize(
    "more",
    [
        '"htm":"POST"', '"htu":"https://evil.example/"', '"jti":"another"', '"x":1,"x":1', '"x":{"y":1,"y":1}',
        '"x":NaN', '"x":-Infinity', '"x":1e400', '"x":' + "9" * 5_000, '"x":"\\u0000"', '"x":"\\ud800"',
        '"x":' + "[" * 1_500 + "]" * 1_500, '"x":1}{"y":1',
    ],
    ids=lambda text: text[:16],
)  # fmt: skip
@pytest.mark.parametrize("part", ["header", "claims"])
def test_a_proof_is_plain_json_or_nothing(
    acme_web: Client, code: str, part: str, more: str
) -> None:
    key = dpop.new_key()
    header, claims = texts_of(dpop.proof(key))
    if part == "header":
        known = more.replace('"x"', '"kid"').replace('"htm":"POST"', '"typ":"dpop+jwt"')
        header = f"{header[:-1]},{known}}}"
    else:
        claims = f"{claims[:-1]},{more}}}"

    reply = dpop.redeem(acme_web, code, dpop.signed(key, header, claims))

    assert (reply.status, reply.error) == (400, "invalid_dpop_proof")
    assert not SpentProof.objects.exists()
    again = dpop.redeem(acme_web, code, dpop.signed(key, *texts_of(dpop.proof(key))))
    assert again.status == 200


@pytest.mark.parametrize("name", ["claims", "authorization_details"])
@pytest.mark.parametrize(
    "text",
    ['{"a":1,"a":2}', "NaN", "[NaN]", '{"id_token":5}', "[" * 4_000, "9" * 5_000, "{", "null"],
)
def test_parameters_that_are_json_are_read_the_same_way(
    acme_web: Client, name: str, text: str
) -> None:
    from tests.support.push import push as push_plainly

    reply = push_plainly(acme_web, **{name: text})

    assert reply.status == 400
    assert reply.error in {"invalid_request", "invalid_authorization_details"}
    assert not PushedRequest.unscoped.exists()


NO_TEXT = [[], {}, ["EC"], 5, True, None]


@pytest.mark.parametrize("kty", NO_TEXT, ids=str)
def test_a_key_of_no_kind_is_refused_or_passed_over(
    acme: Organisation, elsewhere: Elsewhere, kty: Any
) -> None:
    keys = {"keys": [{"kty": kty, "crv": "P-256", "x": "AA", "y": "AA"}]}
    uri = elsewhere.serve("/jwks", json.dumps(keys).encode())
    by_reference = signing_client("by-reference", acme, jwks=None, jwks_uri=uri)

    reply = post(
        {"redirect_uris": ["https://app.acme.example/"], "jwks": keys}, initial_token(acme)
    )

    assert (reply.status, reply.error) == (400, "invalid_client_metadata")
    assert push(by_reference, sign_request(claims(by_reference))).error == "invalid_request_object"


@pytest.mark.parametrize("value", NO_TEXT[:3], ids=str)
@pytest.mark.parametrize("name", ["token_endpoint_auth_method", "grant_types", "scope"])
def test_a_document_of_a_client_names_everything_by_text(
    acme: Organisation, elsewhere: Elsewhere, settings: Any, client: Browser, name: str, value: Any
) -> None:
    settings.CLIENT_DOCUMENTS_ORGANISATION = "acme"
    settings.CLIENT_DOCUMENTS_HOSTS = ["*"]
    sent = [value] if name == "grant_types" else value

    client_id = documents.publish(elsewhere, **{name: sent})

    assert is_error_page(documents.ask(client, elsewhere, client_id))


@pytest.mark.parametrize("alg", NO_TEXT, ids=str)
def test_a_software_statement_names_its_algorithm_by_text(
    acme: Organisation, settings: Any, alg: Any
) -> None:
    settings.REGISTRATION_SOFTWARE_STATEMENT_ISSUERS = {"https://vouch.example": jwks()}
    body, signature = encode({"iss": "https://vouch.example"}), "AA"

    reply = post(
        {
            "redirect_uris": ["https://app.acme.example/"],
            "software_statement": f"{encode({'alg': alg})}.{body}.{signature}",
        },
        initial_token(acme),
    )

    assert (reply.status, reply.error) == (400, "invalid_software_statement")
    assert not Client.unscoped.exists()
