"""Roles for a time, by a grant: what the rows allow, and who holds what without one."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts import flows
from accounts.flows import Bounds
from accounts.models import RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from core.ids import new_id

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def role(acme):
    return flows.create_role(organisation=acme, name="db-admin", now=clock.now())


def elevated(who, role, *, grant_id=None, lasts=HOUR, conditions=(), **bounds):
    now = clock.now()
    return flows.elevate(
        grant_id=grant_id or new_id(), user=who.user, roles=[role], ends_at=now + lasts,
        bounds=Bounds(**bounds), conditions=conditions, now=now,
    )[0]  # fmt: skip


def held(who, **where):
    return [a.role.name for a in flows.held_roles(user=who.user, now=clock.now(), **where)]


def test_a_role_is_held_until_its_end(employee, role, later):
    elevated(employee, role)
    assert held(employee) == ["db-admin"]

    later(hours=1)

    assert held(employee) == []


def test_a_role_of_another_session_is_not_held_here(employee, role):
    session = new_id()
    elevated(employee, role, session_id=session)

    assert held(employee, session_id=session) == ["db-admin"]
    assert held(employee, session_id=new_id()) == held(employee) == []


def test_suspended_it_is_not_held_until_it_is_resumed(employee, role):
    grant = elevated(employee, role).grant_id
    assert flows.suspend_elevation(grant_id=grant, now=clock.now()) == 1
    assert held(employee) == []

    assert flows.resume_elevation(grant_id=grant) == 1
    assert held(employee) == ["db-admin"]


def test_ended_it_is_not_resumed(employee, role):
    grant = elevated(employee, role).grant_id
    assert flows.end_elevation(grant_id=grant, now=clock.now()) == 1

    assert flows.end_elevation(grant_id=grant, now=clock.now()) == 0
    assert flows.resume_elevation(grant_id=grant) == 0
    assert held(employee) == []


def test_a_grant_elevates_once(employee, role):
    grant = elevated(employee, role).grant_id
    with pytest.raises(IntegrityError), transaction.atomic():
        elevated(employee, role, grant_id=grant)


def test_it_stands_beside_the_same_role_held_for_good(employee, role):
    flows.assign_role(user=employee.user, role=role, now=clock.now())
    elevated(employee, role)

    assert held(employee) == ["db-admin"]
    assert flows.held_roles(user=employee.user, now=clock.now())[0].ends_at is None


def test_it_needs_an_end_ahead(employee, role):
    with pytest.raises(Refusal, match="must end after"):
        elevated(employee, role, lasts=timedelta(0))


@pytest.mark.parametrize(
    "values",
    [{"ends_at": None, "grant_id": new_id()}, {"session_id": new_id()}],
    ids=["endless", "bound"],
)
def test_the_database_knows_no_endless_elevation_and_no_bound_standing_role(employee, role, values):
    now = clock.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        RoleAssignment.objects.create(
            organisation=role.organisation, user=employee.user, role=role, starts_at=now, **values
        )


def test_a_role_of_another_organisation_is_not_given(employee, globex):
    foreign = flows.create_role(organisation=globex, name="db-admin", now=clock.now())
    with pytest.raises(Refusal, match="not_found"):
        elevated(employee, foreign)


def test_it_ends_by_its_grant_alone(employee, role, later):
    assignment = elevated(employee, role)
    with pytest.raises(Refusal, match="End the grant"):
        flows.end_role_assignment(assignment=assignment, now=clock.now())
    later(hours=2)

    assert flows.expire_due_role_assignments(now=clock.now()) == 0
    assert not AuditEvent.objects.filter(event=Event.ROLE_EXPIRED).exists()


def test_rights_won_by_a_grant_are_not_standing(employee, role, acme):
    own, of_group = (flows.create_role(organisation=acme, name=n, now=clock.now()) for n in "ab")
    group = flows.create_group(organisation=acme, name="people", now=clock.now())
    flows.add_group_member(group=group, user=employee.user, now=clock.now())
    flows.give_group_role(group=group, role=of_group, now=clock.now())
    flows.assign_role(user=employee.user, role=own, now=clock.now())
    elevated(employee, role)

    assert flows.standing_roles(user=employee.user, now=clock.now()) == [own, of_group]
