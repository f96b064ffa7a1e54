"""What is done after signing in, against what is usual in the organisation."""

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.events import Event
from audit.recorder import record
from core import clock
from risk.flows import assess_login, watch_actions, watching
from risk.levels import RiskLevel
from risk.models import SignIn, UserRisk
from tests.cast import Person
from tests.risk.conftest import attempt

pytestmark = pytest.mark.django_db
USUAL = (Event.CONSENT_GRANTED, Event.CODE_ISSUED, Event.SESSION_ENDED)
STRANGE = (
    Event.CLIENT_SECRET_ROTATED,
    Event.ROLE_CREATED,
    Event.ROLE_ASSIGNED,
    Event.CLIENT_UPDATED,
)


def do(who: Person, *events: Event) -> None:
    for event in (Event.SESSION_STARTED, *events):
        record(
            event, organisation_id=who.user.organisation_id, actor=who.user, subject=who.user,
            now=clock.now(),
        )  # fmt: skip


@pytest.fixture
def fortnight(employee: Person, newcomer: Person, places, later) -> None:
    """A hundred sign-ins of two people who always do the same."""
    for _ in range(50):
        later(hours=2)
        do(employee, *USUAL)
        do(newcomer, *USUAL)
    later(hours=2)


def signed_in_and_did(who: Person, *events: Event) -> None:
    assess_login(attempt(who), now=clock.now())
    do(who, *events)


def test_the_usual_is_passed_over(fortnight, employee):
    signed_in_and_did(employee, *USUAL)

    assert watch_actions(now=clock.now()) == 0
    assert not UserRisk.unscoped.exists()


def test_what_nobody_does_raises_the_account_once(fortnight, employee):
    signed_in_and_did(employee, *STRANGE)

    assert [watch_actions(now=clock.now()) for _ in range(2)] == [1, 0]

    risk = UserRisk.unscoped.get()
    assert (risk.user_id, risk.reasons) == (employee.user.pk, ["unusual_actions"])
    assert risk.level >= RiskLevel.MEDIUM
    assert SignIn.unscoped.get().reasons[0][0] == "unusual_actions"


def test_what_is_usual_is_read_by_indexes_alone(employee):
    with CaptureQueriesContext(connection) as asked:
        watching.learn_usual(employee.user.organisation_id, now=clock.now())
    (statement,) = (query["sql"] for query in asked)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        plan = json.dumps(cursor.fetchone())

    assert "audit_by_sign_in" in plan
    assert "audit_by_actor" in plan
    assert "Seq Scan" not in plan
    assert "Bitmap" not in plan, "as many rows as are asked for are read, and no more"


def test_no_more_is_learnt_from_than_the_latest_sign_ins(fortnight, employee, monkeypatch):
    monkeypatch.setattr(watching, "LEARNT_SIGN_INS", 10)

    usual = watching.learn_usual(employee.user.organisation_id, now=clock.now())

    assert usual.firsts[Event.SESSION_STARTED] == 10
    assert usual.pairs[Event.SESSION_STARTED, USUAL[0]] == 10


def test_a_young_organisation_is_not_judged(employee, places):
    signed_in_and_did(employee, *STRANGE)

    assert watch_actions(now=clock.now()) == 0


def test_another_organisations_habits_do_not_count(fortnight, outsider):
    signed_in_and_did(outsider, *STRANGE)

    assert watch_actions(now=clock.now()) == 0
