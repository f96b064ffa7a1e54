"""A149: answering, withdrawing and beginning at the same instant, to have it twice or both ways.

Real transactions on connections of their own. One of them wins, the others are told so.
"""

from collections import Counter

import pytest

from access import flows
from access.models import Approval, GrantEvent, State
from access.offers import StageLine
from accounts.models import RoleAssignment
from core import clock
from core.errors import Refusal
from tests import cast
from tests.support import access
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)
RUNNERS = 10


@pytest.fixture
def people(acme):
    return [cast.person(f"a{number}@acme.example", acme, totp=True) for number in range(RUNNERS)]


@pytest.fixture
def session(employee):
    return access.session_of(employee)


def told(grant) -> Counter[str]:
    return Counter(access.kinds(grant))


def test_approvals_at_once_approve_once(acme, employee, session, people):
    offered = access.entitlement(acme, by=people, eligible=[employee])
    request = access.ask(offered, employee, session)
    sessions = [access.session_of(person) for person in people]

    race(
        lambda number: access.approve(request, people[number], sessions[number]),
        runners=RUNNERS, tolerate=Refusal,
    )  # fmt: skip

    assert told(request) == {"requested": 1, "answered": 1, "approved": 1}
    assert Approval.unscoped.count() == 1


def test_a_stage_that_needs_three_is_passed_by_three(acme, employee, session, people):
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(access.named(*people), approvals_needed=3)],
    )  # fmt: skip
    request = access.ask(offered, employee, session)
    sessions = [access.session_of(person) for person in people]

    race(
        lambda number: access.approve(request, people[number], sessions[number]),
        runners=RUNNERS, tolerate=Refusal,
    )  # fmt: skip

    assert told(request) == {"requested": 1, "answered": 3, "approved": 1}


def test_one_approver_twice_at_once_counts_once(acme, employee, session, approver):
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(access.named(approver, employee), approvals_needed=2)],
    )  # fmt: skip
    request = access.ask(offered, employee, session)
    mine = access.session_of(approver)

    race(lambda _: access.approve(request, approver, mine), runners=RUNNERS, tolerate=Refusal)

    assert told(request) == {"requested": 1, "answered": 1}


def test_a_yes_and_a_no_end_in_one_state(acme, employee, session, people):
    offered = access.entitlement(acme, by=people, eligible=[employee])
    request = access.ask(offered, employee, session)
    sessions = [access.session_of(person) for person in people]

    def go(number: int) -> None:
        act = access.approve if number % 2 else access.deny
        act(request, people[number], sessions[number])

    race(go, runners=RUNNERS, tolerate=Refusal)

    kinds = told(request)
    assert kinds["approved"] + kinds["denied"] == 1
    assert access.fresh(request).state in {State.SCHEDULED, State.DENIED}


def test_an_answer_and_the_end_of_its_time(acme, employee, session, approver, later):
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    request = access.ask(offered, employee, session)
    mine = access.session_of(approver)
    later(hours=1)

    def go(number: int) -> None:
        if number % 2:
            access.approve(request, approver, mine)
        else:
            flows.expire_due(now=clock.now())

    race(go, runners=RUNNERS, tolerate=Refusal)

    assert told(request) == {"requested": 1, "expired": 1}


def test_beginning_many_times_at_once_begins_once(acme, employee, session):
    request = access.ask(access.entitlement(acme, eligible=[employee]), employee, session)

    race(lambda _: access.activate(request, employee, session), runners=RUNNERS, tolerate=Refusal)

    assert told(request)["activated"] == 1
    assert RoleAssignment.unscoped.filter(grant_id=request.pk).count() == 1


def test_beginning_and_being_taken_away_ends_without_a_role(acme, employee, session, approver):
    request = access.ask(access.entitlement(acme, eligible=[employee]), employee, session)

    def go(number: int) -> None:
        if number % 2:
            access.activate(request, employee, session)
        else:
            flows.revoke_grant(grant=request, actor=approver.user, reason="no", now=clock.now())

    race(go, runners=RUNNERS, tolerate=Refusal)

    assert access.fresh(request).state == State.REVOKED
    assert access.roles_in(session) == []
    assert GrantEvent.unscoped.filter(kind="revoked").count() == 1
