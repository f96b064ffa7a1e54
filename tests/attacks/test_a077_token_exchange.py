"""A077: token exchange with a token that is dead, meant for others, or asked to grow."""

import pytest

from accounts import flows
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp.models import Client, RefreshFamily
from idp.models.client import TOKEN_EXCHANGE
from tests import cast
from tests.support import oauth
from tests.support.exchange import api, exchange, introspect

pytestmark = pytest.mark.django_db


@pytest.fixture
def gateway(acme) -> Client:
    return api(acme, "acme-gateway")


@pytest.fixture
def caller(acme, gateway) -> Client:
    """The application that calls the gateway with its users' tokens."""
    return cast.client("acme-caller", acme, audience=gateway.client_id, is_first_party=True)


@pytest.fixture
def token(caller, session) -> str:
    code = oauth.issue_code(caller, session, scope="openid profile email")
    return oauth.redeem(caller, code).json["access_token"]


def refused(reply: oauth.Reply, error: str = "invalid_request") -> None:
    assert (reply.status, reply.error) == (400, error)
    assert not AuditEvent.objects.filter(event=Event.TOKEN_EXCHANGED).exists()


def test_without_a_token(gateway, token):
    refused(exchange(gateway, None))


@pytest.mark.parametrize("text", ["x", "a.b.c", "é", "x" * 9000])
def test_made_up(gateway, text):
    refused(exchange(gateway, text))


def test_changed(gateway, token):
    head, _, rest = token.partition(".")
    refused(exchange(gateway, f"{head}.{'A' + rest[1:]}"))


def test_expired(gateway, token, later):
    later(minutes=15)
    refused(exchange(gateway, token))


def test_revoked(gateway, caller, token):
    oauth.send(
        "POST", "/oauth/revoke", form={"token": token},
        authorization=oauth.basic(caller.client_id),
    )  # fmt: skip
    refused(exchange(gateway, token))


def test_its_family_is_over(gateway, token):
    RefreshFamily.unscoped.update(revoked_at=clock.now(), revoke_reason="replayed")
    refused(exchange(gateway, token))


def test_its_owner_is_gone(gateway, employee, token):
    flows.deactivate_user(user=employee.user, now=clock.now())
    refused(exchange(gateway, token))


def test_meant_for_another(acme, gateway, token):
    refused(exchange(api(acme, "acme-other"), token))


def test_of_another_organisation(globex, token):
    refused(exchange(api(globex, "globex-gateway"), token))


def test_a_refresh_token_or_an_id_token_is_none(gateway, caller, session):
    tokens = oauth.redeem(caller, oauth.issue_code(caller, session)).json
    refused(exchange(gateway, tokens["refresh_token"]))
    refused(exchange(gateway, tokens["id_token"]))


def test_a_machine_is_no_subject(acme, gateway):
    machine = oauth.token(gateway, {"grant_type": "client_credentials"}).json["access_token"]
    refused(exchange(gateway, machine))


@pytest.mark.parametrize("scope", ["email vault", "vault", "profile roles", "openid"])
def test_scope_does_not_grow(gateway, token, scope):
    refused(exchange(gateway, token, scope=scope), "invalid_scope")


@pytest.mark.parametrize("name", ["audience", "resource"])
def test_targets_are_registered_ones(gateway, token, name):
    refused(exchange(gateway, token, **{name: "https://elsewhere.example"}), "invalid_target")


def test_not_without_the_grant_type(caller, token):
    refused(exchange(caller, token), "unauthorized_client")


def test_not_by_a_public_client(acme, token):
    spa = cast.client("acme-app", acme, kind="public", grant_types=[TOKEN_EXCHANGE])
    refused(exchange(spa, token), "unauthorized_client")


@pytest.mark.parametrize(
    "changes",
    [
        {"actor_token": "x"},
        {"actor_token_type": "urn:ietf:params:oauth:token-type:access_token"},
        {"actor_token": "x", "actor_token_type": "urn:ietf:params:oauth:token-type:jwt"},
    ],
)
def test_half_an_actor(gateway, token, changes):
    refused(exchange(gateway, token, **changes))


def test_an_actor_who_is_somebody_elses(gateway, token):
    """The caller's token is live, but it does not say that the gateway acts."""
    refused(exchange(gateway, token, actor=token))


def test_what_was_exchanged_dies_with_the_first(gateway, caller, token):
    second = exchange(gateway, token).json["access_token"]
    assert introspect(gateway, second)["active"] is True

    RefreshFamily.unscoped.update(revoked_at=clock.now(), revoke_reason="replayed")

    assert introspect(gateway, second) == {"active": False}


def test_what_was_exchanged_dies_with_its_client(gateway, caller, token):
    second = exchange(gateway, token).json["access_token"]

    Client.unscoped.filter(pk=gateway.pk).update(is_active=False, changed_at=clock.now())

    assert introspect(caller, second) == {"active": False}


def test_a_client_that_asks_for_more_of_people(acme, caller, newcomer, client):
    session = cast.sign_in(client, newcomer, acr="aal1")
    strict = api(acme, "acme-vault", required_acr="aal2")
    Client.unscoped.filter(pk=caller.pk).update(audience=strict.client_id)
    caller.refresh_from_db()
    token = oauth.redeem(caller, oauth.issue_code(caller, session)).json["access_token"]

    refused(exchange(strict, token))
