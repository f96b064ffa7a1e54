"""What people look at, and that it takes as many statements for many rows as for few."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access import flows
from access.alerts import OFTEN, Kind, alerts_of
from access.models import State
from access.offers import StageLine
from access.reading import (
    count_inbox,
    history,
    inbox_of,
)
from accounts import flows as accounts
from core import clock
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def statements(ask) -> int:
    with CaptureQueriesContext(connection) as seen:
        ask()
    return len(seen)


class TestInbox:
    def test_what_one_may_answer_with_what_one_wants_to_know(
        self, entitlement, employee, approver, session
    ):
        first = access.ask(entitlement, employee, session)
        access.deny(first, approver)
        request = access.ask(entitlement, employee, session, reason="again")

        (waiting,) = inbox_of(approver=approver.user, now=clock.now())
        assert (waiting.grant, waiting.session, waiting.needed) == (request, session, 1)
        assert waiting.earlier == {State.DENIED: 1}
        assert count_inbox(approver=approver.user, now=clock.now()) == 1

    def test_not_ones_own_nor_that_of_another_account_of_ones_own(
        self, acme, request_, employee, approver, lead
    ):
        accounts.link_accounts(user=approver.user, other=employee.user, now=clock.now())

        assert inbox_of(approver=employee.user, now=clock.now()) == []
        approver.user.refresh_from_db()
        assert inbox_of(approver=approver.user, now=clock.now()) == []

    def test_not_what_is_answered_or_over_or_changed(
        self, acme, request_, entitlement, employee, approver, later
    ):
        assert inbox_of(approver=approver.user, now=clock.now())
        access.approve(request_, approver)
        assert inbox_of(approver=approver.user, now=clock.now()) == []

    def test_not_what_is_too_late(self, request_, approver, later):
        later(hours=1)
        assert inbox_of(approver=approver.user, now=clock.now()) == []

    def test_by_a_group_or_a_standing_role_and_after_an_escalation(
        self, acme, employee, session, lead, newcomer, later
    ):
        group = accounts.create_group(organisation=acme, name="leads", now=clock.now())
        role = access.role(acme, "security")
        offered = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(
                [access.ApproverLine(group=group),
                 access.ApproverLine(role=role, is_escalation=True)],
                escalate_after=timedelta(minutes=30),
            )],
        )  # fmt: skip
        access.ask(offered, employee, session)
        accounts.assign_role(user=newcomer.user, role=role, now=clock.now())
        assert inbox_of(approver=lead.user, now=clock.now()) == []
        accounts.add_group_member(group=group, user=lead.user, now=clock.now())

        assert len(inbox_of(approver=lead.user, now=clock.now())) == 1
        assert inbox_of(approver=newcomer.user, now=clock.now()) == []
        later(minutes=30)
        (waiting,) = inbox_of(approver=newcomer.user, now=clock.now())
        assert waiting.is_escalated

    def test_many_take_as_many_statements_as_few(self, acme, approver):
        offered = access.entitlement(acme, by=[approver])

        def request(count: int) -> None:
            for _ in range(count):
                email = f"p{access.Grant.unscoped.count()}@acme.example"
                who = cast.person(email, acme)
                flows.add_eligibility(entitlement=offered, user=who.user, now=clock.now())
                access.ask(offered, who, access.session_of(who, acr="aal1"))

        request(1)
        few = statements(lambda: inbox_of(approver=approver.user, now=clock.now()))
        request(5)
        assert statements(lambda: inbox_of(approver=approver.user, now=clock.now())) == few <= 10
        most_urgent = inbox_of(approver=approver.user, now=clock.now(), most=2)
        every = inbox_of(approver=approver.user, now=clock.now())
        assert [each.grant for each in most_urgent] == [each.grant for each in every[:2]]


class TestHistory:
    def test_it_tells_what_happened_and_what_was_done_meanwhile(
        self, active, employee, approver, session, later
    ):
        from audit.events import Event
        from audit.recorder import record

        later(minutes=1)
        record(
            Event.PROFILE_UPDATED, organisation_id=active.organisation_id, actor=employee.user,
            session_id=session.pk, now=clock.now(),
        )  # fmt: skip
        later(minutes=1)
        flows.drop_grant(grant=active, requester=employee.user, now=clock.now())
        later(minutes=1)
        record(
            Event.PROFILE_UPDATED, organisation_id=active.organisation_id, actor=employee.user,
            session_id=session.pk, now=clock.now(),
        )  # fmt: skip

        told = history(grant=active, now=clock.now())
        assert [each.kind for each in told.events] == access.kinds(active)
        assert [each.approver for each in told.approvals] == [approver.user]
        assert [each.event for each in told.touched].count(Event.PROFILE_UPDATED) == 1


class TestAlerts:
    def kinds(self, acme):
        found = alerts_of(organisation_id=acme.pk, now=clock.now())
        return [(each.kind, each.user.email.partition("@")[0], each.what) for each in found]

    def test_nothing_to_tell(self, acme, active):
        assert self.kinds(acme) == []

    def test_a_standing_role_that_could_be_had_for_a_time(self, acme, entitlement, employee):
        accounts.assign_role(
            user=employee.user, role=access.role(acme, "db-admin"), now=clock.now()
        )
        assert self.kinds(acme) == [(Kind.STANDING, "alice", "db-admin")]

    def test_so_by_a_group(self, acme, entitlement, employee):
        group = accounts.create_group(organisation=acme, name="dbas", now=clock.now())
        accounts.give_group_role(group=group, role=access.role(acme, "db-admin"), now=clock.now())
        accounts.add_group_member(group=group, user=employee.user, now=clock.now())

        assert self.kinds(acme) == [(Kind.STANDING, "alice", "db-admin")]

    def test_and_its_holder_is_never_there(self, acme, entitlement, employee, session, later):
        accounts.assign_role(
            user=employee.user, role=access.role(acme, "db-admin"), now=clock.now()
        )
        later(days=31)
        assert (Kind.STALE, "alice", "db-admin") in self.kinds(acme)

    def test_an_eligibility_that_nobody_uses(self, acme, entitlement, employee, later):
        later(days=91)
        assert self.kinds(acme) == [(Kind.UNUSED, "alice", "db-admin")]

    def test_access_that_is_begun_all_the_time(self, acme, employee, session):
        free = access.entitlement(acme, eligible=[employee])
        for _ in range(OFTEN):
            grant = access.ask(free, employee, session)
            access.activate(grant, employee, session)
            flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())

        assert self.kinds(acme) == [(Kind.OFTEN, "alice", "db-admin")]
