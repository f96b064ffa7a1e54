"""A148: approving a request of one's own, under whatever name.

Directly, by another account of the same person, by a group or a role, by being made an approver after
asking, on behalf of oneself, or by writing the answer past the rules. Judged at the answer, and again
when what was approved begins.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from access import flows
from access.models import Approval, State
from access.offers import ApproverLine, StageLine
from accounts import flows as accounts
from core import clock
from core.errors import Refusal
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db


def stage(*lines: ApproverLine) -> list[StageLine]:
    return [StageLine(lines)]


def by_name(acme: Any, me: Any) -> list[ApproverLine]:
    return [ApproverLine(user=me.user)]


def by_group(acme: Any, me: Any) -> list[ApproverLine]:
    group = accounts.create_group(organisation=acme, name="leads", now=clock.now())
    accounts.add_group_member(group=group, user=me.user, now=clock.now())
    return [ApproverLine(group=group)]


def by_role(acme: Any, me: Any) -> list[ApproverLine]:
    role = access.role(acme, "security")
    accounts.assign_role(user=me.user, role=role, now=clock.now())
    return [ApproverLine(role=role)]


WAYS: dict[str, Callable[[Any, Any], list[ApproverLine]]] = {
    "by name": by_name,
    "by a group": by_group,
    "by a role": by_role,
}


@pytest.fixture
def lead(acme):
    return cast.person("lena@acme.example", acme, totp=True)


@pytest.fixture
def session(employee):
    return access.session_of(employee)


def refused(act: Callable[[], Any]) -> None:
    with pytest.raises(Refusal) as error:
        act()
    assert error.value.code == "not_allowed"
    assert not Approval.unscoped.exists()


@pytest.mark.parametrize("way", WAYS)
def test_directly(acme, employee, approver, session, way):
    lines = [*WAYS[way](acme, employee), ApproverLine(user=approver.user)]
    offered = access.entitlement(acme, eligible=[employee], stages=stage(*lines))
    request = access.ask(offered, employee, session)

    refused(lambda: access.approve(request, employee, session))
    refused(lambda: access.approve(request, employee, access.session_of(employee, acr="phr")))
    assert access.fresh(request).state == State.APPROVAL_AWAITED


@pytest.mark.parametrize("way", WAYS)
def test_by_another_account_of_the_same_person(acme, employee, lead_account, session, way):
    accounts.link_accounts(user=employee.user, other=lead_account.user, now=clock.now())
    offered = access.entitlement(
        acme, eligible=[employee], stages=stage(*WAYS[way](acme, lead_account))
    )
    request = access.ask(offered, employee, session)

    refused(lambda: access.approve(request, lead_account))


@pytest.fixture
def lead_account(acme):
    return cast.person("a.arden@acme.example", acme, totp=True)


def test_by_being_made_an_approver_after_asking(acme, employee, approver, session):
    group = accounts.create_group(organisation=acme, name="leads", now=clock.now())
    accounts.add_group_member(group=group, user=approver.user, now=clock.now())
    offered = access.entitlement(acme, eligible=[employee], stages=stage(ApproverLine(group=group)))
    request = access.ask(offered, employee, session)
    accounts.add_group_member(group=group, user=employee.user, now=clock.now())

    refused(lambda: access.approve(request, employee, session))


def test_by_acting_for_oneself(acme, employee, approver, session):
    request = access.ask(
        access.entitlement(acme, by=[approver], eligible=[employee]), employee, session
    )

    refused(lambda: access.approve(request, approver, acting_for=[employee.user.pk]))


def test_by_editing_the_request_into_somebody_elses(acme, employee, approver, session):
    request = access.ask(
        access.entitlement(acme, by=[approver], eligible=[employee]), employee, session
    )

    with transaction.atomic(), pytest.raises(IntegrityError):
        type(request).unscoped.filter(pk=request.pk).update(requester=approver.user)


def answer(request: Any, approver: Any, **changes: Any) -> Approval:
    """An answer as somebody would write it who need not ask the rules."""
    values = {
        "organisation_id": request.organisation_id, "grant": request,
        "requester": request.requester, "requester_person": request.requester.person_id,
        "approver": approver, "approver_person": approver.person_id, "stage": 0,
        "verdict": "approve", "reviewer": {}, "terms_digest": request.terms_digest,
        "at": clock.now(),
    }  # fmt: skip
    return Approval(**(values | changes))


def test_by_writing_the_row(acme, employee, approver, session):
    request = access.ask(
        access.entitlement(acme, by=[employee, approver], eligible=[employee]), employee, session
    )
    me, other = employee.user, approver.user
    for forged in (
        answer(request, me),
        answer(request, me, approver_person=other.person_id),
        answer(request, me, requester=other, requester_person=other.person_id),
    ):
        with transaction.atomic(), pytest.raises(IntegrityError):
            forged.save(force_insert=True)
    answer(request, other).save(force_insert=True)


def test_when_two_accounts_turn_out_to_be_one_persons(acme, employee, lead_account, session):
    offered = access.entitlement(acme, by=[lead_account], eligible=[employee])
    request = access.approve(access.ask(offered, employee, session), lead_account)
    accounts.link_accounts(user=employee.user, other=lead_account.user, now=clock.now())

    with pytest.raises(Refusal):
        access.activate(request, employee, session)
    assert access.fresh(request).state == State.ACTIVATION_FAILED
    assert access.roles_in(session) == []


def test_when_accounts_are_one_persons_by_way_of_a_third(
    acme, employee, lead_account, approver, session
):
    """Linking names two accounts; that a third had agreed with a fourth follows from it."""
    third = cast.person("arden@acme.example", acme, totp=True)
    accounts.link_accounts(user=employee.user, other=third.user, now=clock.now())
    offered = access.entitlement(acme, by=[lead_account], eligible=[employee])
    request = access.approve(access.ask(offered, employee, session), lead_account)
    access.activate(request, employee, session)
    fourth = cast.person("al@acme.example", acme, totp=True)
    accounts.link_accounts(user=lead_account.user, other=fourth.user, now=clock.now())

    accounts.link_accounts(user=third.user, other=fourth.user, now=clock.now())

    assert access.fresh(request).state == State.REVOKED
    assert access.roles_in(session) == []


def test_by_saying_that_an_account_is_somebody_elses(acme, employee, approver, session):
    """An administrator with two accounts takes one from themselves, and answers with it."""
    accounts.link_accounts(user=employee.user, other=approver.user, now=clock.now())
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    request = access.ask(offered, employee, session)

    for account in (employee.user, approver.user):
        with pytest.raises(Refusal) as error:
            accounts.unlink_account(user=account, now=clock.now(), actor=approver.user)
        assert error.value.code == "not_allowed"
    refused(lambda: access.approve(request, approver))


def test_an_emergency_is_not_reviewed_by_whoever_took_it(acme, employee, session):
    from datetime import timedelta

    offered = access.entitlement(
        acme, by=[employee], eligible=[employee], break_glass_duration=timedelta(minutes=5)
    )
    grant = flows.break_glass(
        entitlement=offered, requester=employee.user, session_id=session.pk, reason="fire",
        now=clock.now(),
    )  # fmt: skip

    with pytest.raises(Refusal):
        flows.review_break_glass(
            grant=grant, reviewer=employee.user, is_justified=True, now=clock.now()
        )


class TestTwoApproversWhoAreOne:
    """Found out after both have said yes: they count as one."""

    @pytest.fixture
    def approved(self, acme, employee, approver, lead, session):
        offered = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(access.named(approver, lead), approvals_needed=2)],
        )  # fmt: skip
        request = access.ask(offered, employee, session)
        access.approve(request, approver)
        return access.approve(request, lead)

    def link(self, approver, lead):
        accounts.link_accounts(user=approver.user, other=lead.user, now=clock.now())

    def test_what_they_approved_does_not_begin(self, approved, approver, lead, employee, session):
        assert approved.state == State.SCHEDULED
        self.link(approver, lead)

        with pytest.raises(Refusal, match="more have to agree"):
            access.activate(approved, employee, session)
        assert access.fresh(approved).state == State.ACTIVATION_FAILED
        assert access.roles_in(session) == []

    def test_what_has_begun_by_them_ends(self, approved, approver, lead, employee, session):
        access.activate(approved, employee, session)
        self.link(approver, lead)

        assert access.roles_in(session) == []
        assert access.fresh(approved).state == State.REVOKED

    @pytest.mark.parametrize("first", [0, 1])
    def test_the_other_account_does_not_answer_any_more(
        self, acme, approver, lead, employee, session, first
    ):
        """Whichever of both gives its name to the person."""
        offered = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(access.named(approver, lead), approvals_needed=2)],
        )  # fmt: skip
        request = access.ask(offered, employee, session)
        both = [approver, lead]
        access.approve(request, both[first])
        self.link(approver, lead)
        other = both[1 - first]
        other.user.refresh_from_db()

        with pytest.raises(Refusal, match="answered this already"):
            access.approve(request, other)
        assert Approval.unscoped.count() == 1


def test_nobody_resumes_what_another_account_of_theirs_has(acme, employee, approver, session):
    entitlement = access.entitlement(acme, by=[approver], eligible=[employee])
    mine = access.activate(
        access.approve(access.ask(entitlement, employee, session), approver), employee, session
    )
    other = cast.person("alice-admin@acme.example", acme, totp=True)
    accounts.make_administrator(user=other.user, now=clock.now())
    accounts.link_accounts(user=other.user, other=employee.user, now=clock.now())
    flows.suspend_grant(grant=mine, actor=approver.user, now=clock.now())

    with pytest.raises(Refusal, match="of their own"):
        flows.resume_grant(grant=mine, actor=other.user, now=clock.now())
    assert access.roles_in(session) == []
