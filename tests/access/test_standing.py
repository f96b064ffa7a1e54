"""What live access rests on, and what becomes of it when that changes."""

import pytest
from django.test import Client as Browser

from access import flows
from access.models import Eligibility, State
from access.offers import StageLine
from accounts import flows as accounts
from accounts.models import Lock, LockTarget, RoleAssignment
from core import clock
from core.errors import Refusal
from devices import flows as devices
from devices.models import Browser as SeenBrowser
from devices.models import Device
from risk.flows import clear_user_risk, raise_user_risk
from risk.levels import RiskLevel
from sessions import flows as sessions
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.support import access
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db


def end(grant):
    grant = access.fresh(grant)
    return grant.state, grant.end_cause


def why(grant):
    grant = access.fresh(grant)
    return grant.state, grant.suspended_because


def lock(acme, target_type, target) -> Lock:
    return accounts.place_lock(
        organisation_id=acme.pk, target_type=target_type, target=str(target), reason="test",
        now=clock.now(),
    )  # fmt: skip


class TestWhatIsGoneForGood:
    """In the transaction of the cause, and at every use by itself."""

    def test_its_owner(self, active, employee, session):
        accounts.deactivate_user(user=employee.user, now=clock.now())

        assert end(active)[0] in {State.REVOKED, State.ENDED}
        assert not RoleAssignment.unscoped.filter(grant_id=active.pk, ended_at=None).exists()

    def test_requests_of_whoever_is_gone(self, request_, employee):
        accounts.deactivate_user(user=employee.user, now=clock.now())

        assert end(request_) == (State.CANCELLED, "requester_gone")

    def test_the_eligibility(self, active, entitlement, session):
        flows.end_eligibility(eligibility=entitlement.eligibilities.get(), now=clock.now())

        assert end(active) == (State.REVOKED, "eligibility_ended")
        assert access.roles_in(session) == []

    def test_but_not_while_another_line_holds(self, acme, active, entitlement, employee, session):
        group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
        accounts.add_group_member(group=group, user=employee.user, now=clock.now())
        flows.add_eligibility(entitlement=entitlement, group=group, now=clock.now())
        flows.end_eligibility(
            eligibility=entitlement.eligibilities.get(user=employee.user), now=clock.now()
        )

        assert access.fresh(active).state == State.ACTIVE

    def test_the_group_that_made_its_owner_eligible(self, acme, approver, employee, session):
        group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
        accounts.add_group_member(group=group, user=employee.user, now=clock.now())
        offered = access.entitlement(acme, name="by-group")
        flows.add_eligibility(entitlement=offered, group=group, now=clock.now())
        active = access.activate(access.ask(offered, employee, session), employee, session)
        assert access.roles_in(session) == ["db-admin"]

        accounts.remove_group_member(group=group, user=employee.user, now=clock.now())
        assert end(active) == (State.REVOKED, "eligibility_ended")
        assert access.roles_in(session) == []

    def test_its_approver(self, active, approver, session):
        accounts.deactivate_user(user=approver.user, now=clock.now())

        assert end(active) == (State.REVOKED, "approver_gone")
        assert access.roles_in(session) == []

    @pytest.mark.parametrize("by", ["group", "role", "role of a group"])
    def test_its_approvers_right(self, acme, employee, session, lead, by):
        group = accounts.create_group(organisation=acme, name="leads", now=clock.now())
        accounts.add_group_member(group=group, user=lead.user, now=clock.now())
        role = access.role(acme, "security")
        if by == "role":
            held = accounts.assign_role(user=lead.user, role=role, now=clock.now())
        else:
            accounts.give_group_role(group=group, role=role, now=clock.now())
        line = access.ApproverLine(group=group) if by == "group" else access.ApproverLine(role=role)
        offered = access.entitlement(acme, eligible=[employee], stages=[StageLine([line])])
        grant = access.approve(access.ask(offered, employee, session), lead)
        active = access.activate(grant, employee, session)
        assert access.roles_in(session) == ["db-admin"]

        if by == "group":
            accounts.remove_group_member(group=group, user=lead.user, now=clock.now())
        elif by == "role of a group":
            accounts.take_group_role(group=group, role=role, now=clock.now())
        else:
            accounts.end_role_assignment(assignment=held, now=clock.now())
        assert end(active) == (State.REVOKED, "approver_gone")
        assert access.roles_in(session) == []

    def test_what_a_filter_asks_of_its_approver(self, acme, employee, approver, session):
        """The right to answer is another one, and stays."""
        held = accounts.assign_role(
            user=approver.user, role=access.role(acme, "security"), now=clock.now()
        )
        offered = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(access.named(approver), approvals_needed=0)],
            thresholds=[{"filter": '"security" in input.reviewer.roles'}],
        )  # fmt: skip
        grant = access.approve(access.ask(offered, employee, session), approver)
        access.activate(grant, employee, session)
        accounts.end_role_assignment(assignment=held, now=clock.now())

        assert end(grant) == (State.REVOKED, "approver_gone")
        assert access.roles_in(session) == []

    def test_an_approver_who_is_named_no_longer(self, acme, active, entitlement, lead, session):
        changed = access.offer(acme, by=[lead])
        flows.update_entitlement(entitlement=entitlement, offer=changed, now=clock.now())

        assert end(active) == (State.REVOKED, "approver_gone")

    def test_two_accounts_that_turn_out_to_be_one_persons(
        self, active, employee, approver, session
    ):
        accounts.link_accounts(user=employee.user, other=approver.user, now=clock.now())

        assert end(active) == (State.REVOKED, "approved_by_the_requester")
        assert access.roles_in(session) == []

    def test_the_entitlement(self, active, entitlement, session):
        flows.retire_entitlement(entitlement=entitlement, now=clock.now())

        assert end(active) == (State.REVOKED, "entitlement_retired")
        assert access.roles_in(session) == []

    def test_the_session(self, active, session, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            sessions.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())

        assert end(active) == (State.ENDED, "session_ended")

    @pytest.mark.django_db(transaction=True)
    def test_the_session_as_it_is_told_once_that_is_committed(self, acme, employee):
        session = access.session_of(employee)
        offered = access.entitlement(acme, eligible=[employee])
        active = access.activate(access.ask(offered, employee, session), employee, session)

        sessions.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())
        assert end(active) == (State.ENDED, "session_ended")

    def test_what_nobody_was_told_of_is_found_by_the_sweep(self, active, session):
        Eligibility.unscoped.update(ended_at=clock.now())

        assert flows.judge_due(now=clock.now()) == 1
        assert end(active) == (State.REVOKED, "eligibility_ended")


class TestWhatMayPass:
    def test_a_lock_on_its_owner(self, acme, active, employee, session):
        placed = lock(acme, LockTarget.USER, employee.user.pk)

        assert why(active) == (State.SUSPENDED, "lock")
        accounts.lift_lock(lock=placed, now=clock.now())
        assert why(active) == (State.ACTIVE, "")

    @pytest.mark.parametrize("target", ["grant", "session"])
    def test_a_lock_on_it_or_its_session(self, acme, active, session, target):
        kind = LockTarget.GRANT if target == "grant" else LockTarget.SESSION
        placed = lock(acme, kind, active.pk if target == "grant" else session.pk)

        assert why(active) == (State.SUSPENDED, "lock")
        accounts.lift_lock(lock=placed, now=clock.now())
        assert why(active) == (State.ACTIVE, "")

    def test_a_lock_that_ends_by_itself(self, acme, active, later):
        from datetime import timedelta

        accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.GRANT, target=str(active.pk),
            reason="test", ends_at=clock.now() + timedelta(minutes=5), now=clock.now(),
        )  # fmt: skip
        assert why(active) == (State.SUSPENDED, "lock")
        later(minutes=5)
        assert flows.judge_due(now=clock.now()) == 1
        assert why(active) == (State.ACTIVE, "")

    def test_a_lock_on_its_approver(self, acme, active, approver, session):
        placed = lock(acme, LockTarget.USER, approver.user.pk)

        assert why(active) == (State.SUSPENDED, "approver")
        assert access.roles_in(session) == []
        accounts.lift_lock(lock=placed, now=clock.now())
        assert why(active) == (State.ACTIVE, "")
        assert access.roles_in(session) == ["db-admin"]

    def test_a_risk_until_its_owner_has_proven_to_be_there(
        self, acme, active, employee, session, later, django_capture_on_commit_callbacks
    ):
        raise_user_risk(
            user_id=employee.user.pk, organisation_id=acme.pk, level=RiskLevel.HIGH,
            reason="token_replay", now=clock.now(),
        )  # fmt: skip
        assert why(active) == (State.SUSPENDED, "risk")

        later(minutes=1)
        from core.assurance import Assurance, Level

        with django_capture_on_commit_callbacks(execute=True):
            sessions.raise_assurance(
                session=session, assurance=Assurance(Level.PHR, ("hwk",), clock.now()),
                now=clock.now(),
            )  # fmt: skip
        assert why(active) == (State.ACTIVE, "")

    def test_a_risk_until_an_administrator_clears_it(self, acme, active, employee):
        raise_user_risk(
            user_id=employee.user.pk, organisation_id=acme.pk, level=RiskLevel.HIGH,
            reason="token_replay", now=clock.now(),
        )  # fmt: skip
        assert why(active) == (State.SUSPENDED, "risk")
        clear_user_risk(
            user_id=employee.user.pk,
            organisation_id=acme.pk,
            actor="test",
            cause="looked at",
            now=clock.now(),
        )
        assert why(active) == (State.ACTIVE, "")

    def test_a_device_that_is_not_well(self, acme, employee):
        machine = Machine().trusted_by(employee.user, Browser())
        session = access.session_of(employee)
        SeenBrowser.unscoped.filter(id=session.browser_id).update(device=machine)
        offered = access.entitlement(acme, eligible=[employee], required_tier=2)
        active = access.activate(access.ask(offered, employee, session), employee, session)
        device = Device.unscoped.get()
        assert active.device_id == device.pk
        assert access.roles_in(session) == ["db-admin"]

        devices.suspend(device=device, actor="test", reason="missing", now=clock.now())
        assert why(active)[0] == State.SUSPENDED
        assert access.roles_in(session) == []

    def test_a_device_that_it_is_bound_to_and_that_is_out_of_use(self, acme, employee):
        machine = Machine().trusted_by(employee.user, Browser())
        session = access.session_of(employee)
        SeenBrowser.unscoped.filter(id=session.browser_id).update(device=machine)
        offered = access.entitlement(acme, eligible=[employee])
        active = access.activate(access.ask(offered, employee, session), employee, session)

        devices.suspend(device=machine, actor="test", reason="missing", now=clock.now())
        assert why(active) == (State.SUSPENDED, "posture")
        assert access.roles_in(session) == []
        devices.resume(device=machine, actor="test", now=clock.now())
        assert why(active) == (State.ACTIVE, "")

    def test_an_administrator_s_own_suspension_is_not_undone_by_itself(
        self, acme, active, approver
    ):
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        placed = lock(acme, LockTarget.GRANT, active.pk)
        accounts.lift_lock(lock=placed, now=clock.now())

        assert why(active) == (State.SUSPENDED, "administrator")

    def test_it_is_not_resumed_while_something_speaks_against_it(self, acme, active, approver):
        lock(acme, LockTarget.GRANT, active.pk)

        with pytest.raises(Refusal, match="locked"):
            flows.resume_grant(grant=active, actor=approver.user, now=clock.now())

    def test_only_administrators_suspend(self, active, lead):
        with pytest.raises(Refusal, match="administrators"):
            flows.suspend_grant(grant=active, actor=lead.user, now=clock.now())


class TestBinding:
    def test_by_default_to_the_session(self, active, session):
        (assignment,) = RoleAssignment.unscoped.filter(grant_id=active.pk)

        assert (assignment.session_id, assignment.address) == (session.pk, None)

    def test_to_the_network_where_that_is_asked_for(self, acme, employee, session):
        offered = access.entitlement(
            acme, eligible=[employee], binds_session=False, binds_network=True
        )
        access.activate(access.ask(offered, employee, session), employee, session)
        there, elsewhere = access.session_of(employee), access.session_of(employee)
        LoginSession.unscoped.filter(pk=elsewhere.pk).update(address="192.0.2.8")

        assert access.roles_in(there) == ["db-admin"]
        assert access.roles_in(elsewhere) == []

    def test_not_where_no_address_is_known(self, acme, employee, session):
        offered = access.entitlement(acme, eligible=[employee], binds_network=True)
        LoginSession.unscoped.filter(pk=session.pk).update(address=None)

        with pytest.raises(Refusal, match="address"):
            access.ask(offered, employee, session)

    def test_not_to_the_session_where_that_is_not_asked_for(self, acme, employee, session):
        offered = access.entitlement(
            acme, eligible=[employee], binds_session=False, binds_device=False
        )
        access.activate(access.ask(offered, employee, session), employee, session)

        assert access.roles_in(access.session_of(employee)) == ["db-admin"]

    def test_it_ends_with_the_eligibility(self, acme, employee, session, later):
        from datetime import timedelta

        offered = access.entitlement(acme)
        flows.add_eligibility(
            entitlement=offered, user=employee.user, now=clock.now(),
            ends_at=clock.now() + timedelta(minutes=10),
        )  # fmt: skip
        active = access.activate(access.ask(offered, employee, session), employee, session)

        assert active.ends_at - active.activated_at < timedelta(minutes=11)
        later(minutes=10)
        assert access.roles_in(session) == []


def test_a_role_of_the_same_name_that_was_made_since_is_another(acme, scheduled, employee, session):
    access.role(acme, "db-admin").delete()
    accounts.create_role(organisation=acme, name="db-admin", now=clock.now())

    with pytest.raises(Refusal, match="changed since"):
        access.activate(scheduled, employee, session)
    assert access.fresh(scheduled).state == State.ACTIVATION_FAILED


def test_an_unbound_one_outlives_its_session(acme, employee, session):
    offered = access.entitlement(acme, eligible=[employee], binds_session=False)
    active = access.activate(access.ask(offered, employee, session), employee, session)
    sessions.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())

    assert flows.judge_due(now=clock.now()) == 0
    assert access.fresh(active).state == State.ACTIVE
    assert cast.sign_in(Browser(), employee)
