"""Roles and groups: given, held for a time, taken back."""

from datetime import timedelta

import pytest

from accounts import flows
from accounts.models import Group, Organisation, Role, RoleAssignment
from accounts.tasks import expire_role_assignments
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests.cast import Person


@pytest.fixture
def role(acme: Organisation) -> Role:
    return flows.create_role(organisation=acme, name="auditor", now=clock.now())


def names(who: Person) -> list[str]:
    return [held.role.name for held in flows.held_roles(user=who.user, now=clock.now())]


def events() -> list[str]:
    return list(
        AuditEvent.objects.filter(event__startswith="accounts.role")
        .values_list("event", flat=True)
        .order_by("at", "id")
    )


def test_a_role_is_given_and_taken_back(newcomer: Person, approver: Person, role: Role) -> None:
    given = flows.assign_role(user=newcomer.user, role=role, now=clock.now(), actor=approver.user)
    assert names(newcomer) == ["auditor"]
    assert flows.end_role_assignment(assignment=given, now=clock.now(), actor=approver.user)
    assert names(newcomer) == []
    assert not flows.end_role_assignment(assignment=given, now=clock.now())
    assert events() == [Event.ROLE_CREATED, Event.ROLE_ASSIGNED, Event.ROLE_REVOKED]
    event = AuditEvent.objects.get(event=Event.ROLE_ASSIGNED)
    assert event.actor.endswith(str(approver.user.pk))
    assert event.facts["role"] == "auditor"


def test_a_role_is_held_once(newcomer: Person, role: Role) -> None:
    flows.assign_role(user=newcomer.user, role=role, now=clock.now())
    with pytest.raises(Refusal) as refused:
        flows.assign_role(user=newcomer.user, role=role, now=clock.now())
    assert refused.value.status == 409


def test_a_role_ends_by_time_without_any_worker(newcomer: Person, role: Role, later) -> None:
    flows.assign_role(
        user=newcomer.user, role=role, now=clock.now(), ends_at=clock.now() + timedelta(hours=1)
    )
    later(minutes=59)
    assert names(newcomer) == ["auditor"]
    later(minutes=1)
    assert names(newcomer) == []
    assert RoleAssignment.unscoped.get().ended_at is None


def test_a_role_that_has_not_begun_is_not_held(newcomer: Person, role: Role, later) -> None:
    flows.assign_role(
        user=newcomer.user, role=role, now=clock.now(), starts_at=clock.now() + timedelta(hours=1)
    )
    assert names(newcomer) == []
    later(hours=1)
    assert names(newcomer) == ["auditor"]


def test_the_sweep_writes_down_what_time_ended_once(newcomer: Person, role: Role, later) -> None:
    flows.assign_role(
        user=newcomer.user, role=role, now=clock.now(), ends_at=clock.now() + timedelta(hours=1)
    )
    assert expire_role_assignments() == 0
    later(hours=1)
    assert expire_role_assignments() == 1
    assert expire_role_assignments() == 0
    assert events().count(Event.ROLE_EXPIRED) == 1


def test_an_ended_role_can_be_given_again_before_the_sweep(
    newcomer: Person, role: Role, later
) -> None:
    flows.assign_role(
        user=newcomer.user, role=role, now=clock.now(), ends_at=clock.now() + timedelta(hours=1)
    )
    later(hours=2)
    flows.assign_role(user=newcomer.user, role=role, now=clock.now())
    assert names(newcomer) == ["auditor"]
    assert Event.ROLE_EXPIRED in events()


def test_a_role_cannot_end_before_it_starts(newcomer: Person, role: Role) -> None:
    now = clock.now()
    with pytest.raises(Refusal) as refused:
        flows.assign_role(user=newcomer.user, role=role, now=now, ends_at=now)
    assert refused.value.code == "invalid_request"


def test_members_of_a_group_hold_its_roles(
    newcomer: Person, employee: Person, role: Role, acme: Organisation
) -> None:
    now = clock.now()
    group = flows.create_group(organisation=acme, name="finance", now=now)
    flows.give_group_role(group=group, role=role, now=now)
    flows.add_group_member(group=group, user=newcomer.user, now=now)
    flows.add_group_member(group=group, user=newcomer.user, now=now)
    assert names(newcomer) == ["auditor"]
    assert names(employee) == []
    flows.assign_role(user=newcomer.user, role=role, now=now)
    assert names(newcomer) == ["auditor"], "held twice, listed once"
    flows.take_group_role(group=group, role=role, now=now)
    flows.remove_group_member(group=group, user=newcomer.user, now=now)
    assert names(newcomer) == ["auditor"]
    told = AuditEvent.objects.filter(event__startswith="accounts.group")
    assert [event.event for event in told.order_by("id")] == [
        Event.GROUP_CREATED, Event.GROUP_ROLE_ADDED, Event.GROUP_MEMBER_ADDED,
        Event.GROUP_ROLE_REMOVED, Event.GROUP_MEMBER_REMOVED,
    ]  # fmt: skip


def test_roles_never_cross_organisations(
    outsider: Person, role: Role, acme: Organisation, globex: Organisation
) -> None:
    now = clock.now()
    ours = flows.create_group(organisation=acme, name="finance", now=now)
    theirs = flows.create_role(organisation=globex, name="auditor", now=now)
    attempts = [
        lambda: flows.assign_role(user=outsider.user, role=role, now=now),
        lambda: flows.add_group_member(group=ours, user=outsider.user, now=now),
        lambda: flows.give_group_role(group=ours, role=theirs, now=now),
    ]
    for attempt in attempts:
        with pytest.raises(Refusal) as refused:
            attempt()
        assert refused.value.status == 404
    assert names(outsider) == []


def test_names_are_unique_within_an_organisation_only(
    acme: Organisation, globex: Organisation, role: Role
) -> None:
    now = clock.now()
    flows.create_role(organisation=globex, name="auditor", now=now)
    flows.create_group(organisation=acme, name="finance", now=now)
    for again in (
        lambda: flows.create_role(organisation=acme, name="auditor", now=now),
        lambda: flows.create_group(organisation=acme, name="finance", now=now),
    ):
        with pytest.raises(Refusal) as refused:
            again()
        assert refused.value.status == 409
    assert Role.unscoped.count() == 2
    assert Group.unscoped.count() == 1


def test_a_role_may_come_to_demand_two_factors(role: Role, approver: Person) -> None:
    flows.update_role(
        role=role, description="Reads everything", required_acr="aal2", now=clock.now(),
        actor=approver.user,
    )  # fmt: skip
    role.refresh_from_db()
    assert role.required_level == 2
    assert Event.ROLE_UPDATED in events()


def test_a_role_is_never_held_from_before_it_was_given(newcomer: Person, role: Role) -> None:
    now = clock.now()
    given = flows.assign_role(
        user=newcomer.user, role=role, now=now, starts_at=now - timedelta(days=30)
    )

    assert given.starts_at == now
