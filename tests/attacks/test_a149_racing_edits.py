"""A149: asking, beginning and taking in an emergency while somebody changes what that rests on.

Real transactions on connections of their own. Whoever is second sees what the first one did, and
nobody is told of a deadlock.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from access import flows
from access.models import Eligibility, Grant, State
from core import clock
from core.errors import Refusal
from tests.support import access
from tests.support.racing import race

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS, RUNNERS = 6, 4
HALF = timedelta(minutes=30)


@pytest.fixture
def session(employee):
    return access.session_of(employee)


@pytest.fixture
def offered(acme, employee, approver):
    return access.entitlement(acme, by=[approver], eligible=[employee], break_glass_duration=HALF)


@pytest.fixture
def active(offered, employee, approver, session):
    asked = access.ask(offered, employee, session)
    return access.activate(access.approve(asked, approver), employee, session)


def extend(grant, employee, session):
    return flows.extend_grant(
        grant=grant, requester=employee.user, session_id=session.pk, now=clock.now()
    )


def take(offered, employee, session):
    return flows.break_glass(
        entitlement=offered, requester=employee.user, session_id=session.pk, reason="fire",
        now=clock.now(),
    )  # fmt: skip


def withdraw_what_waits(employee):
    for each in Grant.unscoped.filter(state__in=[State.APPROVAL_AWAITED, State.SCHEDULED]):
        flows.cancel_grant(grant=each, requester=employee.user, now=clock.now())


def test_a_person_takes_one_emergency_at_a_time(acme, employee, approver, session):
    all_offered = [
        access.entitlement(
            acme, name=f"e{number}", by=[approver], eligible=[employee], break_glass_duration=HALF
        )
        for number in range(RUNNERS)
    ]

    taken = race(
        lambda number: take(all_offered[number], employee, session),
        runners=RUNNERS, tolerate=Refusal,
    )  # fmt: skip

    assert len(taken) == Grant.unscoped.filter(state=State.ACTIVE).count() == 1


def test_an_extension_begins_while_another_is_asked_for(active, employee, approver, session):
    for _ in range(ROUNDS):
        longer = access.approve(extend(active, employee, session), approver)

        def act(number: int, former: Grant = active, longer: Grant = longer) -> None:
            if number % 2:
                access.activate(longer, employee, session)
            else:
                extend(former, employee, session)

        race(act, runners=RUNNERS, tolerate=Refusal)
        withdraw_what_waits(employee)
        active = Grant.unscoped.get(state=State.ACTIVE)


def test_an_extension_is_asked_for_while_the_terms_change(
    acme, active, offered, employee, approver, session
):
    for turn in range(ROUNDS):

        def act(number: int, turn: int = turn) -> None:
            if number % 2:
                changed = access.offer(
                    acme, by=[approver], break_glass_duration=HALF, description=f"{turn}.{number}"
                )
                flows.update_entitlement(entitlement=offered, offer=changed, now=clock.now())
            else:
                extend(active, employee, session)

        race(act, runners=RUNNERS, tolerate=Refusal)
        withdraw_what_waits(employee)
    assert access.fresh(active).state == State.ACTIVE


def test_an_emergency_waits_for_whoever_ends_the_eligibility(offered, employee, session):
    """Once that is written, it is refused: it never slips in between looking and writing."""
    held, go_on = threading.Event(), threading.Event()

    def end_it() -> None:
        with transaction.atomic():
            flows.end_eligibility(eligibility=Eligibility.unscoped.get(), now=clock.now())
            held.set()
            assert go_on.wait(60)

    told: list[Refusal] = []

    def take_it() -> None:
        assert held.wait(60)
        try:
            take(offered, employee, session)
        except Refusal as refusal:
            told.append(refusal)

    ending, taking = start(end_it), start(take_it)
    assert held.wait(60)
    wait_until(lambda: somebody_waits() or not taking.is_alive())
    go_on.set()
    ending.join()
    taking.join()

    assert [refusal.code for refusal in told] == ["not_allowed"]
    assert not Grant.unscoped.exists()


def start(act: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database())"
        )
        return bool(cursor.fetchone()[0])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
