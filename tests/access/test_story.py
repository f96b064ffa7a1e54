"""From a request to its end, as people go."""

from datetime import timedelta

import pytest

from access import flows
from access.models import State
from accounts.models import RoleAssignment
from audit.models import AuditEvent
from core import clock
from tests.support import access

pytestmark = pytest.mark.django_db


def test_somebody_asks_is_approved_begins_and_it_ends_by_itself(
    entitlement, employee, approver, session, later
):
    request = access.ask(entitlement, employee, session, duration=timedelta(minutes=30))
    assert request.state == State.APPROVAL_AWAITED
    assert access.roles_in(session) == []

    approved = access.approve(request, approver, reason="fine")
    assert approved.state == State.SCHEDULED
    assert access.roles_in(session) == []

    later(minutes=5)
    active = access.activate(approved, employee, session)
    assert active.state == State.ACTIVE
    assert active.ends_at == active.activated_at + timedelta(minutes=30)
    assert access.roles_in(session) == ["db-admin"]

    later(minutes=29, seconds=58)
    assert access.roles_in(session) == ["db-admin"]
    later(seconds=2)
    assert access.roles_in(session) == []

    assert flows.expire_due(now=clock.now()) == 1
    assert access.fresh(active).state == State.ENDED
    assert access.kinds(active) == ["requested", "answered", "approved", "activated", "ended"]
    assert RoleAssignment.unscoped.filter(grant_id=active.pk, ended_at=None).count() == 0
    assert flows.expire_due(now=clock.now()) == 0


def test_each_line_of_the_timeline_is_an_audit_event(active):
    written = AuditEvent.objects.filter(event__startswith="access.grant.").order_by("id")

    assert [each.event.rpartition(".")[2] for each in written] == access.kinds(active)
    assert {each.facts["grant"] for each in written} == {str(active.pk)}


def test_it_counts_in_the_session_that_began_it_and_in_no_other(active, employee):
    elsewhere = access.session_of(employee)

    assert access.roles_in(elsewhere) == []


def test_what_nobody_has_to_approve_may_begin_at_once(acme, employee, session):
    free = access.entitlement(acme, eligible=[employee])

    request = access.ask(free, employee, session)

    assert request.state == State.SCHEDULED
    assert access.activate(request, employee, session).state == State.ACTIVE
    assert access.roles_in(session) == ["db-admin"]
