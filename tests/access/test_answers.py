"""Answering: who may, when, and that the answers are taken once."""

from datetime import timedelta

import pytest
from django.db import connection

from access import flows
from access.models import Approval, State
from access.offers import StageLine
from accounts import flows as accounts
from accounts.models import LockTarget, OutgoingMail, User
from core import clock
from core.errors import Refusal
from tests import cast
from tests.support import access
from tests.support.racing import race

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def refused(code: str, act) -> str:
    before = Approval.unscoped.count()
    with pytest.raises(Refusal) as error:
        act()
    assert error.value.code == code
    assert Approval.unscoped.count() == before
    return error.value.detail


class TestWhoMayAnswer:
    def test_nobody_who_is_no_approver(self, request_, lead):
        assert "no approver" in refused("not_allowed", lambda: access.approve(request_, lead))
        refused("not_allowed", lambda: access.deny(request_, lead))

    def test_nobody_of_another_organisation(self, request_, outsider):
        refused("not_found", lambda: access.approve(request_, outsider))

    def test_nobody_with_one_factor(self, request_, approver):
        weak = access.session_of(approver, acr="aal1")

        refused(
            "insufficient_user_authentication", lambda: access.approve(request_, approver, weak)
        )

    def test_nobody_who_is_closed_or_locked(self, acme, request_, approver, lead):
        mine = access.session_of(approver)
        accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.USER, target=str(approver.user.pk),
            reason="test", now=clock.now(),
        )  # fmt: skip
        refused("not_allowed", lambda: access.approve(request_, approver, mine))

    def test_not_in_somebody_elses_session(self, request_, approver, lead):
        refused("not_allowed", lambda: access.approve(request_, approver, access.session_of(lead)))

    def test_not_once_they_are_removed_meanwhile(self, acme, request_, entitlement, approver, lead):
        changed = access.offer(acme, by=[lead])
        flows.update_entitlement(entitlement=entitlement, offer=changed, now=clock.now())

        refused("conflict", lambda: access.approve(request_, approver))
        assert access.fresh(request_).end_cause == "entitlement_changed"

    def test_by_a_standing_role_and_not_by_one_that_was_won(
        self, acme, employee, session, lead, newcomer
    ):
        role = access.role(acme, "security")
        offered = access.entitlement(
            acme, eligible=[employee], stages=[StageLine([access.ApproverLine(role=role)])]
        )
        request = access.ask(offered, employee, session)
        accounts.assign_role(user=lead.user, role=role, now=clock.now())
        theirs = access.session_of(newcomer, acr="aal2")
        accounts.elevate(
            grant_id=offered.pk, user=newcomer.user, roles=[role],
            ends_at=clock.now() + 5 * MINUTE, bounds=accounts.Bounds(), conditions=[],
            now=clock.now(),
        )  # fmt: skip
        assert access.roles_in(theirs) == ["security"]

        refused("not_allowed", lambda: access.approve(request, newcomer, theirs))
        assert access.approve(request, lead).state == State.SCHEDULED

    def test_by_a_group(self, acme, employee, session, lead):
        group = accounts.create_group(organisation=acme, name="leads", now=clock.now())
        offered = access.entitlement(
            acme, eligible=[employee], stages=[StageLine([access.ApproverLine(group=group)])]
        )
        request = access.ask(offered, employee, session)
        refused("not_allowed", lambda: access.approve(request, lead))

        accounts.add_group_member(group=group, user=lead.user, now=clock.now())
        assert access.approve(request, lead).state == State.SCHEDULED
        given = Approval.unscoped.get()
        assert given.group_id == group.pk
        assert given.reviewer["groups"] == ["leads"]


class TestWhatIsAnswered:
    def test_a_reason_where_approvers_have_to_give_one(self, acme, employee, approver, session):
        offered = access.entitlement(
            acme, by=[approver], eligible=[employee], approver_reason_required=True
        )
        request = access.ask(offered, employee, session)

        refused("invalid_request", lambda: access.approve(request, approver))
        assert access.approve(request, approver, reason="fine").state == State.SCHEDULED

    def test_said_twice_it_is_said_once(self, request_, approver):
        access.approve(request_, approver)
        access.approve(request_, approver)

        assert Approval.unscoped.count() == 1
        assert access.kinds(request_).count("answered") == 1

    def test_nobody_takes_it_back(self, acme, employee, approver, lead, session):
        offered = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(access.named(approver, lead), approvals_needed=2)],
        )  # fmt: skip
        request = access.ask(offered, employee, session)
        access.approve(request, approver)

        refused("conflict", lambda: access.deny(request, approver))

    def test_what_is_decided_is_not_decided_again(self, request_, acme, approver, lead):
        access.deny(request_, approver)

        refused("conflict", lambda: access.approve(request_, approver))

    def test_what_is_answered_is_named_by_its_digest(self, request_, approver):
        access.approve(request_, approver)

        given = Approval.unscoped.get()
        assert bytes(given.terms_digest) == bytes(request_.terms_digest)

    def test_not_for_somebody_who_may_not_ask_any_more(self, request_, entitlement, approver):
        entitlement.eligibilities.update(ended_at=clock.now())

        refused("not_allowed", lambda: access.approve(request_, approver))
        assert access.deny(request_, approver).state == State.DENIED


def test_what_audit_cannot_write_does_not_happen(request_, approver, monkeypatch):
    mine = access.session_of(approver)

    def fail(*_, **__):
        raise OSError("no room left")

    monkeypatch.setattr("access.flows.timeline.record", fail)
    with pytest.raises(OSError, match="no room"):
        access.approve(request_, approver, mine)

    assert not Approval.unscoped.exists()
    assert access.fresh(request_).state == State.APPROVAL_AWAITED


class TestStages:
    @pytest.fixture
    def boss(self, acme):
        return cast.person("boss@acme.example", acme, name="Bea Boss", totp=True)

    @pytest.fixture
    def security(self, acme):
        return cast.person("sec@acme.example", acme, name="Sid Sec", totp=True)

    @pytest.fixture
    def request_(self, acme, employee, session, lead, boss, security, settings):
        """The lead first, the boss as well after half an hour; then security, within two hours."""
        settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
        offered = access.entitlement(
            acme, eligible=[employee], max_pending=timedelta(hours=8),
            stages=[
                StageLine(
                    [*access.named(lead), *access.named(boss, is_escalation=True)],
                    escalate_after=30 * MINUTE,
                ),
                StageLine(access.named(security), auto_deny_after=timedelta(hours=2)),
            ],
        )  # fmt: skip
        return access.ask(offered, employee, session)

    def told(self) -> int:
        count = OutgoingMail.objects.count()
        OutgoingMail.objects.all().delete()
        return count

    def test_one_after_the_other(self, request_, lead, security):
        refused("not_allowed", lambda: access.approve(request_, security))
        passed = access.approve(request_, lead)
        assert (passed.state, passed.stage) == (State.APPROVAL_AWAITED, 1)
        assert access.approve(request_, security).state == State.SCHEDULED
        assert access.kinds(request_) == [
            "requested", "answered", "stage_passed", "answered", "approved",
        ]  # fmt: skip

    def test_it_escalates_by_comparison(self, request_, boss, later):
        later(minutes=29)
        refused("not_allowed", lambda: access.approve(request_, boss))
        later(minutes=1)
        assert access.approve(request_, boss).stage == 1

    def test_its_escalation_is_told_once(self, request_, later):
        self.told()
        assert flows.escalate_due(now=clock.now()) == 0
        later(minutes=30)
        assert flows.escalate_due(now=clock.now()) == 1
        assert flows.escalate_due(now=clock.now()) == 0
        assert self.told() == 2  # the lead, again, and the boss

    def test_after_an_escalation_the_next_stage_still_answers(
        self, request_, boss, security, later
    ):
        later(minutes=31)
        access.approve(request_, boss)

        assert access.approve(request_, security).state == State.SCHEDULED

    def test_a_stage_that_nobody_answers_is_denied(self, request_, lead, security, later):
        access.approve(request_, lead)
        self.told()
        later(hours=1, minutes=59, seconds=59)
        assert flows.deny_due(now=clock.now()) == 0
        later(seconds=1)
        assert flows.deny_due(now=clock.now()) == 1
        assert access.fresh(request_).end_cause == "nobody answered in time"
        assert self.told() == 1  # its owner
        assert flows.deny_due(now=clock.now()) == 0

    def test_an_answer_after_that_finds_it_denied_though_no_worker_ran(
        self, request_, lead, security, later
    ):
        access.approve(request_, lead)
        later(hours=2)

        refused("conflict", lambda: access.approve(request_, security))
        assert access.fresh(request_).state == State.DENIED

    def test_one_who_answered_at_a_stage_does_not_answer_at_the_next(
        self, acme, employee, session, lead
    ):
        twice = access.entitlement(
            acme, eligible=[employee], name="twice",
            stages=[StageLine(access.named(lead)), StageLine(access.named(lead))],
        )  # fmt: skip
        request = access.ask(twice, employee, session)
        access.approve(request, lead)

        assert access.approve(request, lead).stage == 1  # said already
        assert Approval.unscoped.filter(grant=request).count() == 1

    def test_each_stage_asks_its_own_people(self, request_, lead):
        assert self.told() == 1
        access.approve(request_, lead)
        assert self.told() == 1


def test_thresholds_with_filters_decide(acme, employee, approver, lead, session):
    role = access.role(acme, "super-approver")
    accounts.assign_role(user=lead.user, role=role, now=clock.now())
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(access.named(approver, lead), approvals_needed=0)],
        thresholds=[
            {"approve": 3},
            {"filter": '"super-approver" in input.reviewer.roles\ninput.approval.reason != ""'},
        ],
    )  # fmt: skip
    request = access.ask(offered, employee, session)

    assert access.approve(request, approver, reason="ok").state == State.APPROVAL_AWAITED
    assert access.approve(request, lead, reason="it is on fire").state == State.SCHEDULED


class TestRaces:
    @pytest.mark.django_db(transaction=True)
    def test_fifty_approvals_at_once_lead_to_one_activation(self, acme, employee):
        people = [cast.person(f"a{number}@acme.example", acme, totp=True) for number in range(50)]
        offered = access.entitlement(acme, by=people, eligible=[employee])
        session = access.session_of(employee)
        request = access.ask(offered, employee, session)
        sessions = [access.session_of(person) for person in people]

        def go(number: int) -> str:
            connection.ensure_connection()
            return access.approve(request, people[number], sessions[number]).state

        answers = race(go, runners=50, tolerate=Refusal)
        assert answers == [State.SCHEDULED]
        begun = race(
            lambda _: access.activate(request, employee, session).state,
            runners=8, tolerate=Refusal,
        )  # fmt: skip
        assert set(begun) == {State.ACTIVE}
        kinds = access.kinds(request)
        assert (kinds.count("approved"), kinds.count("activated")) == (1, 1)
        assert access.roles_in(session) == ["db-admin"]

    @pytest.mark.django_db(transaction=True)
    def test_a_yes_and_a_no_at_once_end_in_one_state(self, acme, employee, approver, lead):
        offered = access.entitlement(acme, by=[approver, lead], eligible=[employee])
        session = access.session_of(employee)
        request = access.ask(offered, employee, session)
        mine, theirs = access.session_of(approver), access.session_of(lead)

        def go(number: int) -> str:
            if number:
                return access.approve(request, approver, mine).state
            return access.deny(request, lead, theirs).state

        (state,) = race(go, runners=2, tolerate=Refusal)
        assert access.fresh(request).state == state
        assert Approval.unscoped.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_an_approval_and_a_withdrawal_at_once(self, acme, employee, approver):
        offered = access.entitlement(acme, by=[approver], eligible=[employee])
        session = access.session_of(employee)
        request = access.ask(offered, employee, session)
        mine = access.session_of(approver)

        def go(number: int) -> object:
            if number:
                return access.approve(request, approver, mine)
            return flows.cancel_grant(grant=request, requester=employee.user, now=clock.now())

        race(go, runners=2, tolerate=Refusal)
        assert access.fresh(request).state == State.CANCELLED

    @pytest.mark.django_db(transaction=True)
    def test_ten_requests_at_once_are_one(self, acme, employee, approver):
        offered = access.entitlement(acme, by=[approver], eligible=[employee])
        session = access.session_of(employee)

        made = race(
            lambda _: access.ask(offered, employee, session).pk, runners=10, tolerate=Refusal
        )
        assert len(made) == 1
        assert User.objects.within(acme).get(pk=employee.user.pk).access_grants.count() == 1
