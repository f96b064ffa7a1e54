"""A148: a request is not approved by the API in a way that pages do not have.

Neither by its owner, nor by another account of the same person, nor by an application for itself or
in somebody's name, nor by a token that says more than it was made for.
"""

import pytest
from django.conf import settings
from django.test import Client as Browser

from access.models import Approval, Grant, State
from accounts import flows as accounts
from core import clock
from tests import cast
from tests.support import access, exchange, oauth, own_tokens
from tests.support.api import ROOT, Api, application, code_of, token_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def grant(acme, employee, approver) -> Grant:
    """Alice and Bob may both approve what Alice asks for."""
    offered = access.entitlement(acme, by=[employee, approver], eligible=[employee])
    return access.ask(offered, employee, access.session_of(employee))


def approve(api: Api, grant: Grant):
    return api.post(f"/access/grants/{grant.pk}/approve", {})


def is_untouched() -> bool:
    return Grant.unscoped.get().state == State.APPROVAL_AWAITED and not Approval.unscoped.exists()


def test_an_approver_approves(grant, approver):
    assert approve(Api.of(approver), grant).json()["state"] == "scheduled"


def test_not_ones_own(grant, employee):
    assert code_of(approve(Api.of(employee), grant)) == (403, "not_allowed")
    assert is_untouched()


def test_not_by_another_account_of_the_same_person(grant, employee, approver):
    accounts.link_accounts(user=employee.user, other=approver.user, now=clock.now())

    assert code_of(approve(Api.of(approver), grant)) == (403, "not_allowed")
    assert is_untouched()


def test_not_by_an_application_for_itself(grant, acme):
    robot = application(acme, "acme-robot", kind="confidential", grant_types=["client_credentials"])
    form = {"grant_type": "client_credentials", "scope": "access admin"}
    token = oauth.token(robot, form).json["access_token"]

    assert code_of(approve(Api(token), grant)) == (403, "not_allowed")
    assert is_untouched()


@pytest.mark.parametrize("with_actor", [False, True], ids=["impersonating", "delegated"])
def test_not_by_an_application_in_the_approvers_name(grant, acme, approver, with_actor):
    gateway = exchange.api(
        acme, "acme-gateway", audience=f"{settings.ISSUER}{ROOT}", scopes=["access", "admin"]
    )
    caller = cast.client(
        "acme-caller", acme, audience=gateway.client_id, scopes=["access", "admin"]
    )
    session = cast.sign_in(Browser(), approver)
    code = oauth.issue_code(caller, session, scope="access admin")
    subject = oauth.redeem(caller, code).json["access_token"]
    own = oauth.token(gateway, {"grant_type": "client_credentials"}).json["access_token"]
    handed = exchange.exchange(gateway, subject, actor=own if with_actor else None)

    bob = Api(handed.json["access_token"])

    assert bob.get(f"/access/grants/{grant.pk}").status_code == 200
    assert code_of(approve(bob, grant)) == (403, "not_allowed")
    assert is_untouched()


def test_not_as_whoever_the_token_is_made_to_say(grant, employee, approver):
    """What stands behind a token says whose it is, not its `sub`."""
    session = cast.sign_in(Browser(), employee)
    token = own_tokens.changed(token_of(session), sub=str(approver.user.pk))

    assert code_of(approve(Api(token, session), grant)) == (403, "not_allowed")
    assert is_untouched()


def test_not_by_members_that_say_who_approves(grant, employee, approver):
    api, bob = Api.of(employee), str(approver.user.pk)
    for member in ("approver", "approver_id", "acting_for", "session_id", "state", "verdict"):
        refused = api.post(f"/access/grants/{grant.pk}/approve", {member: bob})
        assert refused.status_code in {403, 422}
    assert is_untouched()


def test_not_by_a_role_that_was_won_for_a_time(acme, employee, newcomer, approver):
    boss = access.role(acme, "boss")
    from access.offers import ApproverLine, StageLine

    asked = access.entitlement(
        acme, name="vault", eligible=[newcomer], stages=[StageLine([ApproverLine(role=boss)])]
    )
    lent = access.entitlement(acme, name="lent", roles=[boss], eligible=[employee])
    session = access.session_of(employee)
    access.activate(access.ask(lent, employee, session), employee, session)
    assert access.roles_in(session) == ["boss"]
    waiting = access.ask(asked, newcomer, access.session_of(newcomer, acr="aal1"))

    alice = Api(token_of(session), session)

    assert code_of(approve(alice, waiting)) == (404, "not_found")
    assert not Approval.unscoped.exists()
