"""A149: an application that begins at the same instant many times, or begins and is refused at once."""

import pytest

from access import flows
from access.models import State, WorkloadRole
from core import clock
from core.errors import Refusal
from tests.support import access
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)
RUNNERS = 10


@pytest.fixture
def workload(acme, employee):
    return access.workload(access.machine(acme), employee)


@pytest.fixture
def scheduled(acme, approver, workload):
    offered = access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)
    flows.add_eligibility(entitlement=offered, workload=workload, now=clock.now())
    return access.approve(access.ask_by_itself(offered, workload), approver)


def test_it_begins_once(scheduled, workload):
    begun = race(lambda _: access.begin_by_itself(scheduled, workload), runners=RUNNERS)

    assert {each.pk for each in begun} == {scheduled.pk}
    assert access.kinds(scheduled).count("activated") == 1
    assert WorkloadRole.unscoped.count() == 1


def test_begun_and_revoked_at_once_nothing_counts(scheduled, workload, approver):
    def act(number: int) -> None:
        if number % 2:
            flows.revoke_grant(grant=scheduled, actor=approver.user, reason="x", now=clock.now())
        else:
            access.begin_by_itself(scheduled, workload)

    race(act, runners=RUNNERS, tolerate=Refusal)

    assert access.fresh(scheduled).state == State.REVOKED
    assert not WorkloadRole.unscoped.filter(ended_at=None).exists()


def test_asked_for_at_once_it_is_asked_for_once(scheduled, workload, approver):
    flows.revoke_grant(grant=scheduled, actor=approver.user, reason="x", now=clock.now())

    asked = race(
        lambda _: access.ask_by_itself(scheduled.entitlement, workload),
        runners=RUNNERS, tolerate=Refusal,
    )  # fmt: skip

    assert len(asked) == 1
