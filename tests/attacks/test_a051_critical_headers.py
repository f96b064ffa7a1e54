"""A051: `crit` names what nobody understands, or turns the encoding of the payload off."""

import json
from typing import Any

import pytest

from accounts.models import Organisation
from idp.models import PushedRequest
from tests.support import oauth
from tests.support.request_objects import claims, encode, sign, signing_client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"]},
        {"crit": ["exp"], "exp": 4_000_000_000},
        {"crit": []},
        {"crit": "b64"},
        {"b64": False},
        {"b64": False, "crit": ["b64"]},
        {"zip": "DEF"},
        {"cty": "JWT"},
    ],
    ids=json.dumps,
)
def test_a_request_object_with_it_is_refused(acme: Organisation, header: dict[str, Any]) -> None:
    client = signing_client("signer", acme)
    good = sign(claims(client))
    assert push(client, good).status == 201

    can_be_signed = "b64" not in header or "crit" in header
    signed = sign(claims(client), header=header if can_be_signed else {})
    moved = f"{encode({'alg': 'ES256', **header})}.{good.split('.', 1)[1]}"

    for text in (signed, moved) if can_be_signed else (moved,):
        reply = push(client, text)
        assert (reply.status, reply.error) == (400, "invalid_request_object")
    assert PushedRequest.unscoped.count() == 1


def push(client: Any, text: str) -> oauth.Reply:
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/par", form={"request": text}, authorization=authorization)
