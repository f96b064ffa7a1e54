"""A152: access that was had for a time and is taken back while it is in use: gone at the next use.

By whoever may take it back, and by everything that it rests on. What was said in tokens is not true
any more from that transaction on.
"""

from collections.abc import Callable
from typing import Any

import pytest

from access import flows
from accounts import flows as accounts
from accounts.models import Role
from core import clock
from tests.support import access, oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(client, employee):
    return access.session_of(employee, browser=client)


@pytest.fixture
def entitlement(acme, employee, approver):
    return access.entitlement(acme, by=[approver], eligible=[employee])


@pytest.fixture
def active(entitlement, employee, approver, session):
    request = access.approve(access.ask(entitlement, employee, session), approver)
    return access.activate(request, employee, session)


@pytest.fixture
def token(acme_web, active, session) -> str:
    reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session, scope="openid roles"))
    assert oauth.claims_of(reply.json["access_token"])["roles"] == ["db-admin"]
    return reply.json["access_token"]


def introspected(token: str) -> dict[str, Any]:
    return oauth.send(
        "POST", "/oauth/introspect", form={"token": token}, authorization=oauth.basic("acme-web")
    ).json


def revoke(grant: Any, approver: Any, **_: Any) -> None:
    flows.revoke_grant(grant=grant, actor=approver.user, reason="A152", now=clock.now())


def give_back(grant: Any, employee: Any, **_: Any) -> None:
    flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())


def suspend(grant: Any, approver: Any, **_: Any) -> None:
    flows.suspend_grant(grant=grant, actor=approver.user, now=clock.now())


def end_the_eligibility(grant: Any, **_: Any) -> None:
    flows.end_eligibility(eligibility=grant.entitlement.eligibilities.get(), now=clock.now())


def retire(grant: Any, **_: Any) -> None:
    flows.retire_entitlement(entitlement=grant.entitlement, now=clock.now())


def close_the_approvers_account(approver: Any, **_: Any) -> None:
    accounts.deactivate_user(user=approver.user, now=clock.now())


def make_the_role_again(acme: Any, **_: Any) -> None:
    Role.unscoped.get(name="db-admin").delete()
    accounts.create_role(organisation=acme, name="db-admin", now=clock.now())


ENDS: dict[str, Callable[..., None]] = {
    "revoked": revoke,
    "given back": give_back,
    "suspended": suspend,
    "no longer eligible": end_the_eligibility,
    "retired": retire,
    "its approver gone": close_the_approvers_account,
    "its role deleted and made again": make_the_role_again,
}


@pytest.mark.parametrize("end", ENDS)
def test_it_is_gone_at_the_next_use(acme, active, token, employee, approver, session, end):
    assert introspected(token)["roles"] == ["db-admin"]

    ENDS[end](grant=active, acme=acme, employee=employee, approver=approver)

    assert introspected(token) == {"active": False}
    assert access.roles_in(session) == []
