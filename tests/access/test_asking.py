"""What somebody has and may ask for, and that many of it take as many statements as few."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access import asking, flows
from accounts import flows as accounts
from core import clock
from tests.support import access

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def choices(who, session=None):
    return asking.choices_of(
        who.user, session_id=None if session is None else session.pk, now=clock.now()
    )


def statements(ask) -> int:
    with CaptureQueriesContext(connection) as seen:
        ask()
    return len(seen)


def test_what_may_be_asked_for_and_what_is_had(acme, employee, active, entitlement):
    accounts.assign_role(user=employee.user, role=access.role(acme, "employee"), now=clock.now())
    access.entitlement(acme, name="not-mine")
    user, now = employee.user, clock.now()

    assert [(each.entitlement, each.role_names, each.open) for each in choices(employee)] == [
        (entitlement, ["db-admin"], active)
    ]
    assert [held.role.name for held in asking.standing_assignments(user, now)] == ["employee"]
    assert list(asking.live_of(user, now)) == [active]
    assert not asking.waiting_of(user, now)
    assert not asking.history_of(user, now)


def test_what_is_over_is_past_though_no_worker_ran(employee, active, later):
    later(hours=1)
    user, now = employee.user, clock.now()

    assert not asking.live_of(user, now)
    assert not asking.waiting_of(user, now)
    assert list(asking.history_of(user, now)) == [active]
    assert choices(employee)[0].open is None


def test_the_longest_eligibility_counts(acme, entitlement, employee):
    group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
    accounts.add_group_member(group=group, user=employee.user, now=clock.now())
    flows.add_eligibility(
        entitlement=entitlement, group=group, now=clock.now(), ends_at=clock.now() + HOUR
    )
    assert choices(employee)[0].ends_at is None

    flows.end_eligibility(
        eligibility=entitlement.eligibilities.get(user=employee.user), now=clock.now()
    )
    assert choices(employee)[0].ends_at is not None


def test_many_take_as_many_statements_as_few(acme, employee, approver, session):
    def offer(count: int) -> None:
        for _ in range(count):
            name = f"e{access.Entitlement.unscoped.count()}"
            made = access.entitlement(acme, by=[approver], eligible=[employee], name=name)
            access.ask(made, employee, session)

    offer(1)
    few = statements(lambda: choices(employee, session))
    offer(5)
    assert statements(lambda: choices(employee, session)) == few
