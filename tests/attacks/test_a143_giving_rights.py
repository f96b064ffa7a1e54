"""A143: whoever may do a little gives themselves, or others, more than they hold.

Every flow that gives a right asks whether its actor holds it: by role, by group, by what a role
allows. What follows from the change counts, too: a group's members hold all roles of the group.
"""

from datetime import timedelta

import pytest

from accounts import flows
from accounts.models import (
    Group,
    GroupMember,
    GroupRole,
    Organisation,
    Role,
    RoleAssignment,
    RolePermission,
    User,
)
from core import clock
from core.errors import Refusal
from core.ids import new_id
from tests.cast import Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def vault(acme: Organisation) -> Role:
    """A role that the attacker does not hold, and what it allows."""
    role = flows.create_role(organisation=acme, name="vault", now=clock.now())
    flows.give_permission(role=role, resource_type="key", action="*", now=clock.now())
    return role


@pytest.fixture
def clerk(acme: Organisation, newcomer: Person) -> Role:
    """A role that the attacker does hold."""
    role = flows.create_role(organisation=acme, name="clerk", now=clock.now())
    flows.give_permission(role=role, resource_type="letter", action="*", now=clock.now())
    flows.assign_role(user=newcomer.user, role=role, now=clock.now())
    return role


@pytest.fixture
def keepers(acme: Organisation, vault: Role) -> Group:
    group = flows.create_group(organisation=acme, name="keepers", now=clock.now())
    flows.give_group_role(group=group, role=vault, now=clock.now())
    return group


def rights() -> list[tuple]:
    return [
        tuple(model.unscoped.values_list().order_by("pk"))
        for model in (RoleAssignment, GroupMember, GroupRole, RolePermission)
    ]


def refused(act, *args, **said) -> None:
    before = rights()
    with pytest.raises(Refusal) as caught:
        act(*args, now=clock.now(), **said)
    assert caught.value.code == "not_allowed"
    assert rights() == before


def test_nobody_assigns_a_role_that_they_do_not_hold(
    newcomer: Person, employee: Person, vault: Role, clerk: Role
) -> None:
    for user in (newcomer.user, employee.user):
        refused(flows.assign_role, user=user, role=vault, actor=newcomer.user)


def test_nobody_joins_a_group_whose_roles_they_do_not_hold(
    newcomer: Person, employee: Person, keepers: Group, clerk: Role
) -> None:
    for user in (newcomer.user, employee.user):
        refused(flows.add_group_member, group=keepers, user=user, actor=newcomer.user)


def test_an_empty_group_is_no_way_round(
    acme: Organisation, newcomer: Person, vault: Role, clerk: Role
) -> None:
    """First in, then the role: the first step needs to be an administrator's."""
    group = flows.create_group(organisation=acme, name="friends", now=clock.now())

    refused(flows.add_group_member, group=group, user=newcomer.user, actor=newcomer.user)
    refused(flows.give_group_role, group=group, role=vault, actor=newcomer.user)


def test_nobody_widens_their_own_role(newcomer: Person, clerk: Role, vault: Role) -> None:
    for pair in (("key", "read"), ("*", "*"), ("*", "read"), ("letters", "read")):
        refused(
            flows.give_permission,
            role=clerk, resource_type=pair[0], action=pair[1], actor=newcomer.user,
        )  # fmt: skip


def test_a_right_that_has_ended_is_no_longer_theirs_to_give(
    newcomer: Person, employee: Person, clerk: Role
) -> None:
    flows.end_role_assignment(
        assignment=RoleAssignment.objects.within_id(clerk.organisation_id).get(), now=clock.now()
    )

    refused(flows.assign_role, user=employee.user, role=clerk, actor=newcomer.user)
    refused(
        flows.give_permission,
        role=clerk, resource_type="letter", action="read", actor=newcomer.user,
    )  # fmt: skip


def test_administrators_of_elsewhere_give_nothing_here(
    outsider: Person, employee: Person, vault: Role
) -> None:
    User.unscoped.filter(pk=outsider.user.pk).update(is_staff=True)
    outsider.user.refresh_from_db()

    refused(flows.assign_role, user=employee.user, role=vault, actor=outsider.user)


def test_an_administrator_who_was_dismissed_gives_nothing(
    approver: Person, employee: Person, vault: Role
) -> None:
    """By the row as it is now, not as the page had loaded it."""
    User.unscoped.filter(pk=approver.user.pk).update(is_staff=False)
    assert approver.user.is_staff

    refused(flows.assign_role, user=employee.user, role=vault, actor=approver.user)


def test_invitations_give_what_the_inviter_holds(
    acme: Organisation, newcomer: Person, vault: Role, clerk: Role
) -> None:
    refused(
        flows.invite,
        organisation=acme, email="mallory@acme.example", role=vault, invited_by=newcomer.user,
    )  # fmt: skip


def test_what_a_grant_lends_is_not_theirs_to_give(
    newcomer: Person, employee: Person, vault: Role
) -> None:
    """A153: nobody makes a right that was won for half an hour last."""
    flows.elevate(
        grant_id=new_id(), user=newcomer.user, roles=[vault],
        ends_at=clock.now() + timedelta(minutes=30), bounds=flows.Bounds(), conditions=[], now=clock.now(),
    )  # fmt: skip
    assert [held.role for held in flows.held_roles(user=newcomer.user, now=clock.now())] == [vault]

    for user in (newcomer.user, employee.user):
        refused(flows.assign_role, user=user, role=vault, actor=newcomer.user)
    refused(
        flows.give_permission,
        role=vault, resource_type="key", action="read", actor=newcomer.user,
    )  # fmt: skip


def test_what_is_held_may_be_given(newcomer: Person, employee: Person, clerk: Role) -> None:
    """Else nothing above would show anything."""
    flows.assign_role(user=employee.user, role=clerk, now=clock.now(), actor=newcomer.user)
    flows.give_permission(
        role=clerk, resource_type="letter", action="read", now=clock.now(), actor=newcomer.user
    )


def test_administrators_give_everything_of_their_organisation(
    approver: Person, employee: Person, vault: Role, keepers: Group
) -> None:
    flows.assign_role(user=employee.user, role=vault, now=clock.now(), actor=approver.user)
    flows.add_group_member(group=keepers, user=employee.user, now=clock.now(), actor=approver.user)
