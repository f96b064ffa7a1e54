"""A152: a right that was taken back while it is in use. It is gone at the next use.

Rights hang on the role's id: one that is deleted and made again by the same name is another role.
"""

from collections.abc import Callable
from typing import Any

import pytest

from accounts import flows as accounts
from accounts.models import GroupMember, LockTarget, Role, RoleAssignment
from core import clock
from idp.models import Client
from sessions.models import LoginSession
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db


def take_back(user: Any) -> None:
    accounts.end_role_assignment(
        assignment=RoleAssignment.unscoped.get(user=user, role__name="vault"), now=clock.now()
    )


def let_it_run_out(user: Any) -> None:
    RoleAssignment.unscoped.filter(role__name="vault").update(
        starts_at=clock.now() - clock.offset(), ends_at=clock.now()
    )


def make_it_again(user: Any) -> None:
    Role.unscoped.get(name="vault").delete()
    accounts.create_role(organisation=user.organisation, name="vault", now=clock.now())


def lock_it(user: Any) -> None:
    accounts.place_lock(
        organisation_id=user.organisation_id, target_type=LockTarget.ROLE,
        target=str(Role.unscoped.get(name="vault").pk), reason="A152", now=clock.now(),
    )  # fmt: skip


def leave_the_group(user: Any) -> None:
    GroupMember.unscoped.filter(user=user).delete()


ENDS: dict[str, Callable[[Any], None]] = {
    "taken back": take_back,
    "run out": let_it_run_out,
    "deleted and made again": make_it_again,
    "locked": lock_it,
}


@pytest.fixture
def tokens(acme_web: Client, session: LoginSession, employee: Person) -> dict[str, Any]:
    """Tokens that carry two roles: one of Alice's own, one of a group of hers."""
    user, now = employee.user, clock.now()
    vault = accounts.create_role(organisation=user.organisation, name="vault", now=now)
    keeper = accounts.create_role(organisation=user.organisation, name="keeper", now=now)
    accounts.assign_role(user=user, role=vault, now=now)
    group = accounts.create_group(organisation=user.organisation, name="keepers", now=now)
    accounts.give_group_role(group=group, role=keeper, now=now)
    accounts.add_group_member(group=group, user=user, now=now)
    code = oauth.issue_code(acme_web, session, scope="openid roles")
    got: dict[str, Any] = oauth.redeem(acme_web, code).json
    assert told(got) == ["keeper", "vault"]
    return got


def told(tokens: dict[str, Any]) -> list[str]:
    """What an API that asks is told of the same access token."""
    reply = oauth.send(
        "POST", "/oauth/introspect", form={"token": tokens["access_token"]},
        authorization=oauth.basic("acme-web"),
    )  # fmt: skip
    roles: list[str] = reply.json["roles"]
    return roles


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_it_is_gone_from_the_token_that_carries_it(
    tokens: dict[str, Any], employee: Person, end: Any
) -> None:
    end(employee.user)

    assert told(tokens) == ["keeper"]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_it_is_in_no_new_one(
    acme_web: Client, tokens: dict[str, Any], employee: Person, end: Any
) -> None:
    end(employee.user)

    refreshed = oauth.refresh(acme_web, tokens["refresh_token"]).json
    assert oauth.claims_of(refreshed["access_token"])["roles"] == ["keeper"]


def test_leaving_a_group_takes_its_roles(tokens: dict[str, Any], employee: Person) -> None:
    leave_the_group(employee.user)

    assert told(tokens) == ["vault"]


def test_a_role_that_is_given_later_is_not_in_an_older_token(
    tokens: dict[str, Any], employee: Person
) -> None:
    user, now = employee.user, clock.now()
    later = accounts.create_role(organisation=user.organisation, name="later", now=now)
    accounts.assign_role(user=user, role=later, now=now)

    assert told(tokens) == ["keeper", "vault"]
