"""Roles and scopes that demand a trusted device are withheld from sessions on others."""

from datetime import timedelta

import pytest

from accounts import flows as accounts
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from devices.models import Browser as SeenBrowser
from devices.models import Device, State
from idp import flows
from idp.models import AuthorizationCode, RefreshFamily
from tests import cast
from tests.support import oauth

pytestmark = pytest.mark.django_db

SCOPE = "openid roles db.read db.write"


@pytest.fixture
def session(client, employee, acme):
    """Alice on a laptop that is in tier 2 for two hours, with two roles."""
    now = clock.now()
    session = cast.sign_in(client, employee)
    device = Device.objects.create(
        organisation=acme, name="Laptop", state=State.ENROLLED, created_at=now,
        tier_ends_at=[now + timedelta(hours=4), now + timedelta(hours=2)],
    )  # fmt: skip
    SeenBrowser.unscoped.update(device=device)
    for name, tier in (("reader", 1), ("db-admin", 2)):
        role = accounts.create_role(organisation=acme, name=name, required_tier=tier, now=now)
        accounts.assign_role(user=employee.user, role=role, now=now)
    return session


@pytest.fixture
def tokens(acme_web, session):
    acme_web = flows.update_client(
        client=acme_web, now=clock.now(), scopes=SCOPE.split(),
        scope_tiers={"db.write": 2, "db.read": 1},
    )  # fmt: skip
    return oauth.redeem(acme_web, oauth.issue_code(acme_web, session, scope=SCOPE)).json


def introspected(tokens, name="access_token"):
    form = {"token": tokens[name]}
    return oauth.send(
        "POST", "/oauth/introspect", form=form, authorization=oauth.basic("acme-web")
    ).json


class TestOnATrustedDevice:
    def test_nothing_is_withheld(self, tokens):
        claims = oauth.claims_of(tokens["access_token"])

        assert claims["roles"] == ["db-admin", "reader"]
        assert claims["scope"] == tokens["scope"] == SCOPE
        assert not AuditEvent.objects.filter(event=Event.TOKEN_RESTRICTED).exists()


class TestWhenTrustFades:
    """Without any worker: the instants at which it does were written down beforehand."""

    @pytest.fixture(autouse=True)
    def _later(self, tokens, later):
        later(hours=2, seconds=1)

    def test_the_next_tokens_leave_out_what_demands_more(self, acme_web, tokens):
        refreshed = oauth.refresh(acme_web, tokens["refresh_token"]).json

        claims = oauth.claims_of(refreshed["access_token"])
        assert claims["roles"] == ["reader"]
        assert claims["scope"] == refreshed["scope"] == "openid roles db.read"

    def test_it_is_written_down_in_the_same_transaction(self, acme_web, tokens):
        oauth.refresh(acme_web, tokens["refresh_token"])

        restricted = AuditEvent.objects.get(event=Event.TOKEN_RESTRICTED)
        rotated = AuditEvent.objects.get(event=Event.REFRESH_TOKEN_ROTATED)
        assert restricted.facts["withheld_roles"] == ["db-admin"]
        assert restricted.facts["withheld_scopes"] == ["db.write"]
        assert restricted.facts["reasons"] == ["roles_withheld", "scopes_withheld"]
        assert restricted.transaction_id == rotated.transaction_id

    def test_what_is_left_of_an_older_token_is_told(self, session, tokens, settings):
        settings.ACCESS_TOKEN_LIFETIME = timedelta(hours=3)
        told = introspected(tokens, "refresh_token")

        assert told["scope"] == "openid roles db.read"

    def test_a_scope_that_is_gone_cannot_be_asked_for_alone(self, acme_web, tokens):
        reply = oauth.refresh(acme_web, tokens["refresh_token"], scope="db.write")

        assert reply.error == "invalid_scope"

    def test_it_comes_back_with_the_next_report(self, acme_web, tokens):
        now = clock.now()
        Device.unscoped.update(tier_ends_at=[now + timedelta(hours=4)] * 2)

        refreshed = oauth.refresh(acme_web, tokens["refresh_token"]).json

        assert oauth.claims_of(refreshed["access_token"])["roles"] == ["db-admin", "reader"]


def test_introspection_tells_what_is_left_of_the_access_token(tokens):
    Device.unscoped.update(tier_ends_at=[clock.now() + timedelta(hours=4)])

    told = introspected(tokens)

    assert told["active"] is True
    assert (told["scope"], told["roles"]) == ("openid roles db.read", ["reader"])


def test_userinfo_gives_nothing_for_a_scope_that_is_withheld(acme_web, session):
    client = flows.update_client(client=acme_web, now=clock.now(), scope_tiers={"email": 3})
    code = oauth.issue_code(client, session, scope="openid email")
    Device.unscoped.update(tier_ends_at=[clock.now() + timedelta(hours=4)] * 3)
    tokens = oauth.redeem(client, code).json

    def look():
        bearer = f"Bearer {tokens['access_token']}"
        return oauth.send("GET", "/oauth/userinfo", authorization=bearer).json

    assert "email" in look()
    Device.unscoped.update(tier_ends_at=[])

    assert "email" not in look()


@pytest.mark.parametrize("state", [s for s in State if s is not State.ENROLLED])
def test_a_device_that_is_not_enrolled_has_no_trust(acme_web, tokens, state):
    Device.unscoped.update(state=state)

    reply = oauth.refresh(acme_web, tokens["refresh_token"])

    if state in {State.LOST, State.REVOKED}:
        assert reply.error == "invalid_grant"
    else:
        assert oauth.claims_of(reply.json["access_token"])["roles"] == []


class TestAClientThatDemandsADevice:
    @pytest.fixture
    def client_of_tier(self, acme_web):
        return flows.update_client(client=acme_web, now=clock.now(), required_tier=2)

    def test_it_is_served_on_one(self, client_of_tier, session):
        reply = oauth.redeem(client_of_tier, oauth.issue_code(client_of_tier, session))

        assert reply.status == 200

    def test_it_is_refused_on_another(self, client_of_tier, session):
        Device.unscoped.update(tier_ends_at=[])

        reply = oauth.redeem(client_of_tier, oauth.issue_code(client_of_tier, session))

        assert reply.error == "invalid_grant"
        assert not RefreshFamily.unscoped.exists()

    def test_it_gets_no_code_on_another(self, client, client_of_tier, session):
        from tests.support import authorize

        Device.unscoped.update(tier_ends_at=[])
        reply = authorize.authorize(client, client_of_tier)

        assert authorize.answer(reply)["error"] == "access_denied"
        assert not AuthorizationCode.unscoped.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"required_tier": 5}, {"required_tier": -1}, {"required_tier": True},
        {"required_tier": "2"}, {"scope_tiers": []}, {"scope_tiers": {"a b": 1}},
        {"scope_tiers": {"db": 9}}, {"scope_tiers": {"db": "1"}},
    ],
    ids=str,
)  # fmt: skip
def test_tiers_that_do_not_exist_are_refused(acme_web, wrong):
    from core.errors import Refusal

    with pytest.raises(Refusal, match="invalid_request"):
        flows.update_client(client=acme_web, now=clock.now(), **wrong)
