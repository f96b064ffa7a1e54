"""Token exchange: what an API gets for a token that it was called with (RFC 8693)."""

import pytest

from audit.events import Event
from audit.models import AuditEvent
from core.errors import Refusal
from idp.models import Client, RefreshFamily
from idp.models.client import TOKEN_EXCHANGE
from idp.registration import rules
from tests.support import oauth
from tests.support.exchange import LEDGER, api, exchange, introspect, token_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(acme) -> Client:
    return api(acme, "acme-gateway")


@pytest.fixture
def token(gateway, client, employee) -> str:
    return token_for(gateway, client, employee)


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


def test_it_never_outlives_the_subject_token(gateway, token, later):
    later(minutes=10)

    reply = exchange(gateway, token)

    claims = oauth.claims_of(reply.json["access_token"])
    assert claims["exp"] == oauth.claims_of(token)["exp"]
    assert reply.json["expires_in"] <= 300


@pytest.mark.parametrize("scope", ["profile", None])
def test_no_key_is_asked_for_where_there_is_no_id_token_to_encrypt(
    acme, client, employee, elsewhere, scope
):
    away = elsewhere.url("/jwks")  # answers nothing of use
    encrypted = {"jwks_uri": away, "id_token_encrypted_response_alg": "RSA-OAEP-256"}
    gateway = api(acme, "acme-hidden", metadata=encrypted)
    token = token_for(gateway, client, employee)

    reply = exchange(gateway, token, **({"scope": scope} if scope else {}))

    assert reply.status == 200
    assert elsewhere.requests == []


def test_its_client_may_revoke_it(gateway, token):
    second = exchange(gateway, token).json["access_token"]
    oauth.send(
        "POST", "/oauth/revoke", form={"token": second},
        authorization=oauth.basic(gateway.client_id),
    )  # fmt: skip

    assert introspect(gateway, second) == {"active": False}
    assert introspect(gateway, token)["active"] is True


def test_public_clients_cannot_register_for_it():
    with pytest.raises(Refusal):
        rules.check_grant_types([TOKEN_EXCHANGE], kind="public")


@pytest.mark.spec("RFC 8414", "2", "the grant type is in the metadata")
def test_metadata():
    document = oauth.send("GET", "/.well-known/oauth-authorization-server").json

    assert TOKEN_EXCHANGE in document["grant_types_supported"]
