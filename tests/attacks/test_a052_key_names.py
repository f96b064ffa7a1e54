"""A052: a `kid` that is a path, a statement, too long, another's, or missing."""

from typing import Any

import pytest

from accounts.models import Organisation
from idp import keys
from idp.models import Client, PushedRequest
from tests.support import oauth
from tests.support.own_tokens import is_worth_nothing, sign
from tests.support.request_objects import claims, key, signing_client
from tests.support.request_objects import sign as sign_request

pytestmark = pytest.mark.django_db
ODD = [
    "../../../etc/passwd", "/dev/null", "' OR 1=1 --", "'; DROP TABLE idp_client; --", "\0", "a\0b",
    "x" * 10_000, "", "*", "%", "client-ES256\n", 5, 0, True, None, [], {}, ["a"], {"kid": "a"},
]  # fmt: skip


@pytest.mark.parametrize("kid", ODD, ids=lambda kid: repr(kid)[:20])
def test_it_is_a_name_in_our_ring_and_nothing_else(
    acme_web: Client, tokens: dict, kid: Any
) -> None:
    again = oauth.claims_of(tokens["access_token"])
    assert not is_worth_nothing(sign(again))

    assert is_worth_nothing(sign(again, kid=kid))


def test_the_key_of_another_algorithm_is_another_key(acme_web: Client, tokens: dict) -> None:
    again = oauth.claims_of(tokens["access_token"])
    theirs = keys.signing_key("RS256").kid

    assert is_worth_nothing(sign(again, kid=theirs))


def push(client: Client, text: str) -> oauth.Reply:
    authorization = oauth.basic(client.client_id)
    return oauth.send("POST", "/oauth/par", form={"request": text}, authorization=authorization)


@pytest.mark.parametrize("kid", [k for k in ODD if k is not None], ids=lambda kid: repr(kid)[:20])
def test_nor_more_in_a_clients_own_set(acme: Organisation, kid: Any) -> None:
    client = signing_client("signer", acme)
    assert push(client, sign_request(claims(client))).status == 201

    reply = push(client, sign_request(claims(client), header={"kid": kid}))

    assert (reply.status, reply.error) == (400, "invalid_request_object")
    assert PushedRequest.unscoped.count() == 1


@pytest.mark.parametrize("where", ["acme", "globex"])
def test_the_key_of_another_client_is_not_found(
    acme: Organisation, globex: Organisation, where: str
) -> None:
    client = signing_client("signer", acme)
    of = acme if where == "acme" else globex
    from tests.support.request_objects import jwks

    signing_client("other", of, jwks=jwks("other"))

    reply = push(client, sign_request(claims(client), by=key(owner="other")))

    assert (reply.status, reply.error) == (400, "invalid_request_object")
    assert not PushedRequest.unscoped.exists()


def test_without_a_name_each_key_of_the_kind_is_tried_and_no_other(acme: Organisation) -> None:
    """A set of several keys: ours are of different kinds, so that the algorithm chooses."""
    client = signing_client("signer", acme)
    nameless = {"kid": None}

    good = push(client, sign_request(claims(client), header=nameless))
    evil = push(client, sign_request(claims(client), by=key(owner="evil"), header=nameless))

    assert good.status in {201, 400}
    assert (evil.status, evil.error) == (400, "invalid_request_object")
