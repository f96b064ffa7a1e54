"""Why, why not, and who could say yes."""

from datetime import timedelta

import pytest

from access import flows
from access.explaining import explain, explain_answer, who_may_answer
from access.models import Grant, State
from access.offers import StageLine
from accounts import flows as accounts
from core import clock
from tests.support import access

pytestmark = pytest.mark.django_db


def why(entitlement, person, session, **wish):
    return explain(
        entitlement=entitlement, user=person.user, session_id=session.pk, now=clock.now(), **wish
    )


def failed(told) -> list[str]:
    return [rule.name for rule in told.rules if not rule.passed]


def test_somebody_who_may_is_told_what_would_happen(entitlement, employee, approver, session):
    told = why(entitlement, employee, session)

    assert (told.allowed, told.outcome, told.is_eligible) == (True, State.APPROVAL_AWAITED, True)
    assert all(rule.words.endswith(".") for rule in told.rules)
    assert [list(stage.approvers) for stage in told.stages] == [[approver.user]]
    assert not Grant.unscoped.exists()


def test_somebody_who_may_not_is_told_why(entitlement, newcomer):
    told = why(entitlement, newcomer, access.session_of(newcomer), duration=timedelta(days=1))

    assert (told.allowed, told.outcome) == (False, "")
    assert failed(told) == ["duration_within", "eligible"]
    assert told.rules[1].words == "Only people who were made eligible may ask for this."


def test_until_when_one_is_eligible(acme, newcomer):
    offered = access.entitlement(acme)
    ends_at = clock.now() + timedelta(hours=1)
    flows.add_eligibility(entitlement=offered, user=newcomer.user, ends_at=ends_at, now=clock.now())

    assert why(offered, newcomer, access.session_of(newcomer)).eligible_until == ends_at


def test_a_stronger_sign_in_would_do(acme, employee, session):
    told = why(access.entitlement(acme, eligible=[employee], required_acr="phr"), employee, session)

    assert (told.asks_step_up, told.demanded_level) == (True, 3)


def test_what_is_open_already(entitlement, request_, employee, session):
    told = why(entitlement, employee, session)

    assert told.open == request_
    assert "nothing_open" in failed(told)


def test_where_nobody_has_to_be_asked(acme, employee, session):
    told = why(access.entitlement(acme, eligible=[employee]), employee, session)

    assert told.outcome == State.SCHEDULED


def test_a_ticket_is_judged_by_its_form_and_nobody_is_asked(acme, employee, session, elsewhere):
    uri = elsewhere.serve("/tickets", b'{"valid": false}')
    offered = access.entitlement(
        acme, eligible=[employee], ticket_webhook=uri, ticket_pattern="[A-Z]+-[0-9]+"
    )

    assert failed(why(offered, employee, session)) == ["ticket_good"]
    assert why(offered, employee, session, ticket="OPS-1").allowed
    assert elsewhere.requests == []


def test_who_escalation_reaches(acme, employee, session, approver, lead):
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(
            [*access.named(approver), *access.named(lead, is_escalation=True)],
            escalate_after=timedelta(minutes=5),
        )],
    )  # fmt: skip

    (stage,) = why(offered, employee, session).stages
    assert (list(stage.approvers), list(stage.escalation)) == ([approver.user], [lead.user])


def test_the_requester_is_in_no_shape_among_who_may_answer(acme, employee, lead, approver, session):
    offered = access.entitlement(acme, by=[employee, lead, approver], eligible=[employee])
    accounts.link_accounts(user=employee.user, other=lead.user, now=clock.now())
    employee.user.refresh_from_db()
    request = access.ask(offered, employee, session)

    assert who_may_answer(access.fresh(request), now=clock.now()) == [approver.user]
    access.deny(request, approver)
    assert who_may_answer(access.fresh(request), now=clock.now()) == []


def test_an_approver_is_told_why_not(request_, approver, lead, employee):
    def told(person, session):
        return explain_answer(
            grant=request_, approver=person.user, session_id=session.pk, now=clock.now()
        )

    assert told(approver, access.session_of(approver)).allowed
    assert failed(told(lead, access.session_of(lead))) == ["approver_named"]
    mine = told(employee, access.session_of(employee))
    assert {"approver_is_another", "approver_is_another_person"} <= set(failed(mine))
    weak = told(approver, access.session_of(approver, acr="aal1"))
    assert (weak.allowed, weak.asks_step_up, weak.demanded_level) == (False, True, 2)
