"""A037: a refresh after what it stood on has gone. Every fact is read again at every refresh.

The tokens of each test are used once before the change and not at all: what a process has seen of a
family, it judges the next use by, and the database has to say that it is so still.
"""

from uuid import uuid4

import pytest

from accounts import flows as accounts
from accounts.models import LockTarget, Organisation, Role, RoleAssignment, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from devices.models import Browser as SeenBrowser
from devices.models import Device, State
from idp.flows import update_client
from idp.models import Client, RefreshFamily
from risk.flows import raise_user_risk
from risk.levels import RiskLevel
from sessions.models import LoginSession
from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["new to the process", "seen by it"])
def tokens(request, acme_web, tokens):
    if request.param == "new to the process":
        return tokens
    return oauth.refresh(acme_web, tokens["refresh_token"]).json


def disable_user(user):
    User.unscoped.filter(pk=user.pk).update(is_active=False)


def delete_user(user):
    user.delete()


def disable_organisation(user):
    Organisation.objects.filter(pk=user.organisation_id).update(is_active=False)


def change_credentials(user):
    User.unscoped.filter(pk=user.pk).update(security_stamp=uuid4())


def end_session(user):
    LoginSession.unscoped.filter(user=user).update(ended_at=clock.now())


def disable_client(user):
    Client.unscoped.update(is_active=False)


def demand_more_of_the_role(user):
    role = Role.objects.create(organisation=user.organisation, name="vault", required_acr="aal2")
    RoleAssignment.objects.create(
        organisation=user.organisation, user=user, role=role, starts_at=clock.now()
    )
    LoginSession.unscoped.filter(user=user).update(acr="aal1")


def demand_more_of_the_client(user):
    Client.unscoped.update(required_acr="aal2")
    LoginSession.unscoped.filter(user=user).update(acr="aal1")


def unverify_email(user):
    user.emailaddress_set.update(verified=False)


def put_on_a_device(user, **changes):
    device = Device.objects.create(
        organisation=user.organisation, name="Laptop", created_at=clock.now(), **changes
    )
    SeenBrowser.unscoped.update(device=device)
    return device


def lose_the_device(user):
    put_on_a_device(user, state=State.LOST)


def revoke_the_device(user):
    put_on_a_device(user, state=State.REVOKED)


def trust_the_device_less(user):
    Client.unscoped.update(required_tier=1)
    put_on_a_device(user, state=State.ENROLLED, tier_ends_at=[clock.now()])


def lock_the_user(user):
    lock(user, LockTarget.USER, user.pk)


def lock_the_client(user):
    lock(user, LockTarget.CLIENT, "acme-web")


def lock(user, target_type, target):
    accounts.place_lock(
        organisation_id=user.organisation_id, target_type=target_type, target=str(target),
        reason="A037", now=clock.now(),
    )  # fmt: skip


def doubt_the_sign_in(user):
    LoginSession.unscoped.filter(user=user).update(risk_level=RiskLevel.HIGH)


def doubt_the_account(user):
    raise_user_risk(
        user_id=user.pk, organisation_id=user.organisation_id, level=RiskLevel.HIGH,
        reason="A037", now=clock.now(),
    )  # fmt: skip


def withdraw_consent(user):
    RefreshFamily.unscoped.filter(user=user).update(
        revoked_at=clock.now(), revoke_reason="consent_revoked"
    )


@pytest.mark.parametrize(
    "change",
    [
        disable_user,
        delete_user,
        disable_organisation,
        change_credentials,
        end_session,
        disable_client,
        demand_more_of_the_role,
        demand_more_of_the_client,
        unverify_email,
        withdraw_consent,
        lose_the_device,
        revoke_the_device,
        trust_the_device_less,
        lock_the_user,
        lock_the_client,
        doubt_the_sign_in,
        doubt_the_account,
    ],
)
def test_the_next_refresh_is_refused(acme_web, employee, tokens, change):
    rotated = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED)
    before = rotated.count()
    change(employee.user)

    reply = oauth.refresh(acme_web, tokens["refresh_token"])

    assert reply.error in {"invalid_grant", "invalid_client"}
    assert reply.status in {400, 401}
    assert "access_token" not in reply.json
    assert rotated.count() == before


@pytest.mark.parametrize(
    "change", [disable_user, disable_organisation, change_credentials, end_session]
)
def test_a_refusal_leaves_its_reasons_and_ends_the_family(acme_web, employee, tokens, change):
    change(employee.user)

    oauth.refresh(acme_web, tokens["refresh_token"])

    if change is not disable_organisation:  # there the client is gone as well
        refused = AuditEvent.objects.get(event=Event.TOKEN_REFUSED)
        assert refused.facts["reasons"]
        assert refused.facts["policy_revision"]
        assert RefreshFamily.unscoped.get().revoke_reason == "policy"
        assert AuditEvent.objects.get(event=Event.REFRESH_FAMILY_REVOKED).actor == ""


def test_a_step_up_that_is_owed_does_not_spend_the_token(acme_web, employee, tokens):
    demand_more_of_the_client(employee.user)
    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"

    LoginSession.unscoped.update(acr="aal2")

    assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200


def test_a_scope_that_was_taken_away_is_in_no_further_token(acme_web, session, tokens):
    code = oauth.issue_code(acme_web, session)
    update_client(client=acme_web, scopes=["openid", "profile"], now=clock.now())

    for reply in (oauth.refresh(acme_web, tokens["refresh_token"]), oauth.redeem(acme_web, code)):
        assert (reply.status, reply.json["scope"]) == (200, "openid profile")
        assert oauth.claims_of(reply.json["access_token"])["scope"] == "openid profile"


def test_where_no_scope_is_left_nothing_is_spent(acme_web, tokens):
    update_client(client=acme_web, scopes=["roles"], now=clock.now())
    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_scope"

    update_client(client=acme_web, scopes=["openid", "roles"], now=clock.now())
    reply = oauth.refresh(acme_web, tokens["refresh_token"])

    assert (reply.status, reply.json["scope"]) == (200, "openid")


def test_an_idle_session_ends_its_refresh_tokens(acme_web, tokens, later):
    later(hours=24, seconds=1)

    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"


def test_using_an_application_keeps_its_session_alive(acme_web, tokens, later):
    later(hours=23)
    token = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]
    later(hours=23)

    assert oauth.refresh(acme_web, token).status == 200
