"""RFC 8693, OAuth 2.0 Token Exchange."""

import pytest

from idp.models import Client
from tests.support import oauth
from tests.support.exchange import (
    ACCESS_TOKEN,
    ARCHIVE,
    LEDGER,
    api,
    exchange,
    introspect,
    token_for,
)  # fmt: skip

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(acme) -> Client:
    return api(acme, "acme-gateway")


@pytest.fixture
def token(gateway, client, employee) -> str:
    return token_for(gateway, client, employee)


@pytest.mark.spec("RFC 8693", "2.1", "resource and audience say where it will be used")
@pytest.mark.parametrize("name", ["resource", "audience"])
def test_targets(gateway, token, name):
    reply = exchange(gateway, token, **{name: ARCHIVE})

    assert oauth.claims_of(reply.json["access_token"])["aud"] == ARCHIVE


@pytest.mark.spec("RFC 8693", "2.1", "other types of tokens are refused")
@pytest.mark.parametrize("name", ["subject_token_type", "requested_token_type"])
def test_types(gateway, token, name):
    other = "urn:ietf:params:oauth:token-type:refresh_token"

    assert exchange(gateway, token, **{name: other}).error == "invalid_request"


@pytest.mark.spec("RFC 8693", "2.1", "subject_token and its type are needed")
@pytest.mark.parametrize("name", ["subject_token", "subject_token_type"])
def test_what_is_needed(gateway, token, name):
    reply = exchange(gateway, token, **{name: None})

    assert (reply.status, reply.error) == (400, "invalid_request")


@pytest.mark.spec("RFC 8693", "2.1", "actor_token and actor_token_type go together")
@pytest.mark.parametrize("fields", [{"actor_token": "x"}, {"actor_token_type": ACCESS_TOKEN}])
def test_actor_token_has_its_type(gateway, token, fields):
    assert exchange(gateway, token, **fields).error == "invalid_request"


@pytest.mark.spec("RFC 8693", "2.1", "scope is narrowed, and never widened")
def test_scope(gateway, token):
    assert exchange(gateway, token, scope="email").json["scope"] == "email"
    assert exchange(gateway, token, scope="email vault").error == "invalid_scope"


@pytest.mark.spec("RFC 8693", "2.2.1", "the answer names the type of what was issued")
def test_the_answer(gateway, token):
    reply = exchange(gateway, token)

    assert reply.status == 200
    assert "no-store" in reply.headers["Cache-Control"]
    assert reply.json["issued_token_type"] == ACCESS_TOKEN
    assert reply.json["token_type"] == "Bearer"
    assert reply.json.keys() == {
        "access_token", "issued_token_type", "token_type", "expires_in", "scope",
    }  # fmt: skip


@pytest.mark.spec("RFC 8693", "2.2.1", "no refresh token and no ID token are issued")
def test_nothing_else_is_issued(gateway, token):
    assert not {"refresh_token", "id_token"} & exchange(gateway, token).json.keys()


@pytest.mark.spec("RFC 8693", "2.2.2", "an unusable subject token is an invalid_request")
@pytest.mark.parametrize("change", [lambda _: "nonsense", lambda text: text[:-4] + "AAAA"])
def test_an_unusable_token(gateway, token, change):
    reply = exchange(gateway, change(token))

    assert (reply.status, reply.error) == (400, "invalid_request")


@pytest.mark.spec("RFC 8693", "2.2.2", "a target that is not allowed is an invalid_target")
@pytest.mark.parametrize("name", ["resource", "audience"])
def test_an_unknown_target(gateway, token, name):
    reply = exchange(gateway, token, **{name: "https://elsewhere.example"})

    assert (reply.status, reply.error) == (400, "invalid_target")


@pytest.mark.spec("RFC 8693", "2.2.1", "without a target the token is for the client's audience")
def test_the_default_target(gateway, token):
    assert oauth.claims_of(exchange(gateway, token).json["access_token"])["aud"] == LEDGER


@pytest.mark.spec("RFC 8693", "4.1", "an actor stands in act, those before inside")
def test_actors(acme, gateway, token):
    def acting(client: Client) -> str:
        return oauth.token(client, {"grant_type": "client_credentials"}).json["access_token"]

    archive = api(acme, "acme-archive")
    Client.unscoped.filter(pk=gateway.pk).update(audience="acme-archive")
    first = exchange(gateway, token, actor=acting(gateway)).json["access_token"]
    second = exchange(archive, first, actor=acting(archive)).json["access_token"]
    third = exchange(archive, first).json["access_token"]

    assert oauth.claims_of(first)["act"] == {"sub": "acme-gateway"}
    assert oauth.claims_of(second)["act"] == {
        "sub": "acme-archive", "act": {"sub": "acme-gateway"},
    }  # fmt: skip
    assert oauth.claims_of(third)["act"] == {"sub": "acme-gateway"}, "nobody is left out"
    assert introspect(archive, second)["act"]["sub"] == "acme-archive"
