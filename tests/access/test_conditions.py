"""Conditions of live access: judged where it counts, added by edits, and written down."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection

from access import flows
from access.conditions import kept_of
from access.models import State, WorkloadRole
from accounts import flows as accounts
from accounts.models import GroupMember, RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from devices.models import Browser as SeenBrowser
from sessions import flows as sessions
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.access.pages import page_of, text
from tests.support import access
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db
ON_CALL = '"oncall" in input.requester.groups'
LATELY = "input.session.authentication_age < 600"
FREE = {"binds_session": False, "binds_device": False}


def why(grant):
    grant = access.fresh(grant)
    return grant.state, grant.suspended_because


def sweep() -> int:
    return flows.judge_due(now=clock.now())


@pytest.fixture
def oncall(acme, employee):
    group = accounts.create_group(organisation=acme, name="oncall", now=clock.now())
    accounts.add_group_member(group=group, user=employee.user, now=clock.now())
    return group


def leave(group, person):
    accounts.remove_group_member(group=group, user=person.user, now=clock.now())


def come_back(group, person):
    accounts.add_group_member(group=group, user=person.user, now=clock.now())


def begun(acme, person, session, condition, **terms):
    offered = access.entitlement(acme, eligible=[person], condition=condition, **terms)
    return access.activate(access.ask(offered, person, session), person, session)


@pytest.fixture
def active(acme, employee, session, oncall):
    return begun(acme, employee, session, ON_CALL)


class TestAtEachUse:
    def test_of_who_asked(self, active, session, oncall, employee):
        assert access.roles_in(session) == ["db-admin"]

        GroupMember.unscoped.filter(group=oncall).delete()
        assert access.roles_in(session) == []
        assert access.fresh(active).state == State.ACTIVE

    def test_of_what_they_hold_no_grant_counted(self, acme, employee, session):
        body = '"keyholder" in input.requester.roles'
        holder = access.role(acme, "keyholder")
        held = accounts.assign_role(user=employee.user, role=holder, now=clock.now())
        begun(acme, employee, session, body)
        assert access.roles_in(session) == ["db-admin", "keyholder"]

        RoleAssignment.unscoped.filter(pk=held.pk).update(ended_at=clock.now())
        won = access.entitlement(acme, name="won", eligible=[employee], roles=[holder])
        access.activate(access.ask(won, employee, session), employee, session)
        assert access.roles_in(session) == ["keyholder"]

    def test_of_the_sign_in(self, acme, employee, session, later):
        begun(acme, employee, session, LATELY)

        later(minutes=9)
        assert access.roles_in(session) == ["db-admin"]
        later(minutes=1)
        assert access.roles_in(session) == []
        sessions.raise_assurance(
            session=session, assurance=Assurance(Level.AAL2, ("pwd", "otp"), clock.now()),
            now=clock.now(),
        )  # fmt: skip
        assert access.roles_in(session) == ["db-admin"]

    def test_of_the_device(self, acme, employee, later):
        machine = Machine().trusted_by(employee.user, cast.Browser())
        session = access.session_of(employee)
        SeenBrowser.unscoped.filter(id=session.browser_id).update(device=machine)
        begun(acme, employee, session, "input.session.tier >= 2", binds_device=False)
        assert access.roles_in(session) == ["db-admin"]

        type(machine).unscoped.update(tier_ends_at=[])
        assert access.roles_in(session) == []

    def test_of_the_very_session_that_is_used(self, acme, employee, session):
        begun(acme, employee, session, "input.session.level >= 2", **FREE)
        weak = access.session_of(employee, acr="aal1")

        assert access.roles_in(session) == ["db-admin"]
        assert access.roles_in(weak) == []

    def test_of_the_address_that_it_was_signed_in_from(self, acme, employee, session):
        body = "net.cidr_contains(`127.0.0.0/8`, input.session.address)"
        begun(acme, employee, session, body, **FREE)
        elsewhere = access.session_of(employee)
        LoginSession.unscoped.filter(pk=elsewhere.pk).update(address="192.0.2.8")

        assert access.roles_in(session) == ["db-admin"]
        assert access.roles_in(elsewhere) == []

    def test_of_what_was_asked_for(self, acme, employee, session):
        body = 'input.request.duration <= 3600\ninput.request.roles == ["db-admin"]'
        begun(acme, employee, session, body)

        assert access.roles_in(session) == ["db-admin"]

    def test_a_role_for_some_resources_alone(self, acme, employee, session, oncall):
        from sessions import evaluation
        from sessions.rights import rights_of

        begun(acme, employee, session, ON_CALL, resources=[{"type": "db", "id": "main"}])

        def limited():
            return rights_of(evaluation._collect(session.pk, evaluation.ANYTHING)).limited

        assert len(limited()) == 1
        GroupMember.unscoped.filter(group=oncall).delete()
        assert limited() == ()

    def test_what_breaks_is_not_counted(self, active, session):
        for body in ("input.nothing == 1", "input.x ==", "count(input.requester.name, 1)"):
            rules = {"conditions": [body], "request": {}, "workload": ""}
            RoleAssignment.unscoped.filter(grant_id=active.pk).update(rules=rules)
            assert access.roles_in(session) == []

    def test_who_has_no_condition_is_asked_nothing_more(
        self, acme, employee, session, oncall, django_assert_num_queries
    ):
        plain = access.entitlement(acme, name="plain", eligible=[employee])
        access.activate(access.ask(plain, employee, session), employee, session)
        with django_assert_num_queries(0):  # machine endpoints and this ask in front of Django
            assert access.roles_in(session) == ["db-admin"]


class TestWrittenDown:
    def test_in_the_transaction_of_the_cause_and_back(self, active, oncall, employee):
        leave(oncall, employee)

        assert why(active) == (State.SUSPENDED, "condition")
        written = AuditEvent.objects.get(event=Event.GRANT_SUSPENDED)
        assert (written.facts["cause"], written.facts["conditions"]) == ("condition", [ON_CALL])
        come_back(oncall, employee)
        assert why(active) == (State.ACTIVE, "")

    def test_what_time_has_done_is_found_by_the_sweep(
        self, acme, employee, session, later, django_capture_on_commit_callbacks
    ):
        active = begun(acme, employee, session, LATELY)
        later(minutes=10)
        assert sweep() == 1
        assert why(active) == (State.SUSPENDED, "condition")
        assert sweep() == 0

        with django_capture_on_commit_callbacks(execute=True):
            sessions.raise_assurance(
                session=session, assurance=Assurance(Level.AAL2, ("pwd", "otp"), clock.now()),
                now=clock.now(),
            )  # fmt: skip
        assert why(active) == (State.ACTIVE, "")
        assert access.roles_in(session) == ["db-admin"]

    def test_its_end_does_not_move(self, active, oncall, employee, session, later):
        end = access.fresh(active).ends_at
        leave(oncall, employee)
        later(minutes=50)
        come_back(oncall, employee)

        assert access.fresh(active).ends_at == end
        later(minutes=10)
        assert access.roles_in(session) == []

    def test_nobody_lifts_it_while_it_does_not_hold(self, active, oncall, employee, approver):
        leave(oncall, employee)

        with pytest.raises(Refusal, match="a condition of it does not hold"):
            flows.resume_grant(grant=active, actor=approver.user, now=clock.now())

    def test_what_an_administrator_suspended_does_not_come_back_by_it(
        self, active, oncall, employee, approver
    ):
        leave(oncall, employee)
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        come_back(oncall, employee)

        assert why(active) == (State.SUSPENDED, "administrator")

    def test_it_is_not_longer_by_being_extended(self, active, oncall, employee, session):
        longer = flows.extend_grant(
            grant=active, requester=employee.user, session_id=session.pk,
            duration=timedelta(minutes=30), now=clock.now(),
        )  # fmt: skip
        leave(oncall, employee)

        with pytest.raises(Refusal):
            access.activate(longer, employee, session)

    def test_free_of_a_sign_in_it_rests_once_it_holds_in_none(self, acme, employee, session):
        active = begun(acme, employee, session, "input.session.level >= 2", **FREE)
        weak = access.session_of(employee, acr="aal1")
        assert sweep() == 0

        sessions.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())
        assert sweep() == 1
        assert why(active) == (State.SUSPENDED, "condition")
        sessions.end_session(session=weak, reason=EndReason.SIGNED_OUT, now=clock.now())
        assert sweep() == 0
        assert why(active) == (State.SUSPENDED, "condition")
        access.session_of(employee)
        assert sweep() == 1
        assert why(active) == (State.ACTIVE, "")


class TestEdits:
    def edit(self, acme, grant, condition):
        flows.update_entitlement(
            entitlement=grant.entitlement, offer=access.offer(acme, condition=condition),
            now=clock.now(),
        )  # fmt: skip

    def test_a_condition_that_is_added_counts_for_what_is_live(self, acme, active):
        self.edit(acme, active, f"{ON_CALL}\n{LATELY}")

        assert kept_of(active)["conditions"] == [ON_CALL, f"{ON_CALL}\n{LATELY}"]
        assert why(active) == (State.ACTIVE, "")

    def test_one_that_does_not_hold_suspends_in_that_transaction(self, acme, active, session):
        self.edit(acme, active, "input.session.tier >= 4")

        assert why(active) == (State.SUSPENDED, "condition")
        assert access.roles_in(session) == []

    def test_to_what_began_without_any(self, acme, employee, session):
        active = begun(acme, employee, session, "")
        self.edit(acme, active, "input.session.level >= 4")

        assert why(active) == (State.SUSPENDED, "condition")

    @pytest.mark.parametrize("instead", ["", "true"])
    def test_one_that_is_taken_away_goes_on_counting(
        self, acme, active, session, oncall, employee, instead
    ):
        self.edit(acme, active, instead)
        leave(oncall, employee)

        assert why(active) == (State.SUSPENDED, "condition")
        assert access.roles_in(session) == []

    def test_between_request_and_beginning_both_count(self, acme, employee, session, oncall):
        offered = access.entitlement(acme, eligible=[employee], condition=ON_CALL)
        grant = access.ask(offered, employee, session)
        offered.condition = LATELY
        offered.save(update_fields=["condition"])

        active = access.activate(grant, employee, session)
        assert kept_of(active)["conditions"] == [ON_CALL, LATELY]


class TestApplications:
    @pytest.fixture
    def client_(self, acme):
        return access.machine(acme)

    def begun(self, acme, client_, employee, condition, address="192.0.2.7"):
        offered = access.entitlement(acme, condition=condition, **FREE)
        workload = access.workload(client_, employee, offered)
        grant = access.ask_by_itself(offered, workload, address)
        return access.begin_by_itself(grant, workload, address)

    def test_it_is_under_them_too(self, acme, client_, employee, oncall):
        active = self.begun(acme, client_, employee, ON_CALL)
        assert WorkloadRole.unscoped.get().rules["address"] == "192.0.2.7"

        leave(oncall, employee)
        assert why(active) == (State.SUSPENDED, "condition")
        come_back(oncall, employee)
        assert why(active) == (State.ACTIVE, "")

    def test_it_sees_nothing_of_the_sign_in_of_who_asks_for_it(
        self, acme, client_, employee, session
    ):
        offered = access.entitlement(acme, condition="input.session.level >= 2", **FREE)
        workload = access.workload(client_, employee, offered)

        with pytest.raises(Refusal, match="condition"):
            access.ask(offered, employee, session, behalf=access.OnBehalf(workload))

    def test_an_edit_narrows_it(self, acme, client_, employee):
        active = self.begun(acme, client_, employee, "")
        flows.update_entitlement(
            entitlement=active.entitlement, offer=access.offer(acme, condition=ON_CALL, **FREE),
            now=clock.now(),
        )  # fmt: skip

        assert kept_of(active)["conditions"] == [ON_CALL]
        assert why(active) == (State.SUSPENDED, "condition")


def test_what_was_live_before_goes_on_under_its_conditions(acme, active, employee, session):
    """The migration makes of the terms what a beginning does."""
    kept = kept_of(active)
    RoleAssignment.unscoped.update(rules=None)
    migration = import_module("access.migrations.0015_conditions_of_live_grants")
    with connection.cursor() as cursor:
        cursor.execute(migration.KEEP)

    assert kept_of(active) == kept


class TestThePages:
    def test_one_s_access_says_that_it_rests_and_why(self, active, oncall, employee, client):
        mine = client
        cast.sign_in(mine, employee)
        leave(oncall, employee)

        for page in ("/access/", page_of(active)):
            said = text(mine.get(page))
            assert "Suspended" in said
            assert "A condition of it does not hold now. It goes on by itself once it does" in said

    def test_or_that_it_does_in_this_sign_in(self, acme, employee, session, client):
        cast.sign_in(client, employee, acr="aal1")
        active = begun(acme, employee, session, "input.session.level >= 2", **FREE)

        for page in ("/access/", page_of(active)):
            said = text(client.get(page))
            assert "does not hold in this sign-in" in said
            assert "Counts here" not in said

    def test_and_nothing_of_that_where_it_holds(self, acme, employee, client):
        session = cast.sign_in(client, employee)
        begun(acme, employee, session, "input.session.level >= 2", **FREE)

        said = text(client.get("/access/"))
        assert "Counts here" in said
        assert "does not hold" not in said
