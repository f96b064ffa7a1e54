"""Token exchange: what an API gets for a token that it was called with (RFC 8693)."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from core.errors import Refusal
from idp import registration
from idp.models import Client, RefreshFamily
from idp.models.client import TOKEN_EXCHANGE
from tests import cast
from tests.support import oauth
from tests.support.exchange import ACCESS_TOKEN, ARCHIVE, LEDGER, api, exchange, introspect

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(acme) -> Client:
    return api(acme, "acme-gateway")


@pytest.fixture
def token(acme, gateway, client, employee) -> str:
    caller = cast.client("acme-caller", acme, audience=gateway.client_id, is_first_party=True)
    session = cast.sign_in(client, employee)
    code = oauth.issue_code(caller, session, scope="openid profile email roles")
    return oauth.redeem(caller, code).json["access_token"]


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


def test_the_token_is_of_the_same_person_session_and_family_for_the_next_api(gateway, token):
    before = oauth.claims_of(token)
    after = oauth.claims_of(exchange(gateway, token).json["access_token"])

    assert after["aud"] == LEDGER
    assert after["client_id"] == "acme-gateway"
    assert after["scope"] == "profile email"
    assert [after[name] for name in ("sub", "sid", "acr", "auth_time")] == [
        before[name] for name in ("sub", "sid", "acr", "auth_time")
    ]
    assert after["jti"][:20] == before["jti"][:20]
    assert "act" not in after
    assert RefreshFamily.unscoped.count() == 1


def test_it_is_written_down(gateway, token, employee):
    exchange(gateway, token, scope="email")

    event = AuditEvent.objects.get(event=Event.TOKEN_EXCHANGED)
    assert event.actor == f"idp.Client:{gateway.id}"
    assert event.subject == f"accounts.User:{employee.user.pk}"
    assert event.facts["scope"] == "email"
    assert event.facts["subject_token"] == oauth.claims_of(token)["jti"]


@pytest.mark.spec("RFC 8693", "2.1", "resource and audience say where it will be used")
@pytest.mark.parametrize("name", ["resource", "audience"])
def test_targets(gateway, token, name):
    reply = exchange(gateway, token, **{name: ARCHIVE})

    assert oauth.claims_of(reply.json["access_token"])["aud"] == ARCHIVE


def test_it_never_outlives_the_subject_token(gateway, token, later):
    later(minutes=10)

    reply = exchange(gateway, token)

    claims = oauth.claims_of(reply.json["access_token"])
    assert claims["exp"] == oauth.claims_of(token)["exp"]
    assert reply.json["expires_in"] <= 300


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


def test_its_client_may_revoke_it(gateway, token):
    second = exchange(gateway, token).json["access_token"]
    oauth.send(
        "POST", "/oauth/revoke", form={"token": second},
        authorization=oauth.basic(gateway.client_id),
    )  # fmt: skip

    assert introspect(gateway, second) == {"active": False}
    assert introspect(gateway, token)["active"] is True


@pytest.mark.spec("RFC 8693", "2.1", "other types of tokens are refused")
@pytest.mark.parametrize("name", ["subject_token_type", "requested_token_type"])
def test_types(gateway, token, name):
    other = "urn:ietf:params:oauth:token-type:refresh_token"

    assert exchange(gateway, token, **{name: other}).error == "invalid_request"


def test_public_clients_cannot_register_for_it():
    with pytest.raises(Refusal):
        registration.check_grant_types([TOKEN_EXCHANGE], kind="public")


@pytest.mark.spec("RFC 8414", "2", "the grant type is in the metadata")
def test_metadata():
    document = oauth.send("GET", "/.well-known/oauth-authorization-server").json

    assert TOKEN_EXCHANGE in document["grant_types_supported"]
