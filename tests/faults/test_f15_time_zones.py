"""F15: the clocks go back or forward, on a host and in a database of any time zone.

What is kept is an instant in UTC, so a window of two hours is two hours long, also where the clock
on the wall shows one of them twice, or leaves it out.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import Lock, LockTarget, RoleAssignment
from core import clock
from idp.models import RefreshFamily
from policy.decision import Outcome
from policy.facts import Trigger
from sessions.evaluation import evaluate
from tests import cast
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db(transaction=True)

# An instant one hour before each change.
CHANGES = {
    "New York, back": ("America/New_York", datetime(2027, 11, 7, 5, 30, tzinfo=UTC)),
    "New York, forward": ("America/New_York", datetime(2027, 3, 14, 6, 30, tzinfo=UTC)),
    "Zurich, back": ("Europe/Zurich", datetime(2027, 10, 31, 0, 30, tzinfo=UTC)),
    "Lord Howe, by half an hour": ("Australia/Lord_Howe", datetime(2027, 4, 3, 14, 30, tzinfo=UTC)),
    "Kolkata, never": ("Asia/Kolkata", datetime(2027, 6, 1, 18, 0, tzinfo=UTC)),
}


@pytest.fixture(params=CHANGES.values(), ids=CHANGES)
def before_a_change(request: Any, transactional_db: None) -> Iterator[datetime]:
    """Host, process and whatever connects to the database live in that zone; an hour is left."""
    zone, instant = request.param
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TZ", "PGTZ"):  # the C library's, and libpq's
            patch.setenv(name, zone)
        time.tzset()
        connection.close()
        clock.shift(instant - clock.now())
        yield instant
    time.tzset()
    connection.close()


def at(instant: datetime, **after: float) -> None:
    clock.shift(instant + timedelta(**after) - clock.now())


def test_a_role_for_two_hours_is_held_for_two_hours(
    before_a_change: datetime, acme: Any, acme_web: Any, employee: Person
) -> None:
    role = accounts.create_role(organisation=acme, name="auditor", now=clock.now())
    ends_at = before_a_change + timedelta(hours=2)
    accounts.assign_role(user=employee.user, role=role, now=clock.now(), ends_at=ends_at)
    session = cast.sign_in(Browser(), employee)
    code = oauth.issue_code(acme_web, session, scope="openid roles")
    tokens = oauth.redeem(acme_web, code).json

    held = []
    for minutes in (59, 61, 119, 121):
        at(before_a_change, minutes=minutes)
        tokens = oauth.refresh(acme_web, tokens["refresh_token"]).json
        held.append(oauth.claims_of(tokens["access_token"])["roles"])

    assert held == [["auditor"]] * 3 + [[]]
    assert RoleAssignment.unscoped.get().ends_at == ends_at


def test_a_lock_for_two_hours_lasts_for_two_hours(
    before_a_change: datetime, acme: Any, employee: Person
) -> None:
    role = accounts.create_role(
        organisation=acme, name="vault", required_acr="phr", now=clock.now()
    )
    accounts.assign_role(user=employee.user, role=role, now=clock.now())
    session = cast.sign_in(Browser(), employee)
    accounts.place_lock(
        organisation_id=acme.pk, target_type=LockTarget.ROLE, target=str(role.pk), reason="test",
        ends_at=before_a_change + timedelta(hours=2), now=clock.now(),
    )  # fmt: skip

    outcomes = []
    for minutes in (61, 119, 121):
        at(before_a_change, minutes=minutes)
        outcomes.append(
            evaluate(session_id=session.id, trigger=Trigger.ADMIN, now=clock.now()).outcome
        )

    assert outcomes == [Outcome.ALLOW, Outcome.ALLOW, Outcome.STEP_UP]
    assert Lock.unscoped.get().ends_at == before_a_change + timedelta(hours=2)


def test_a_code_lives_for_a_minute_in_the_hour_that_comes_twice(
    before_a_change: datetime, acme_web: Any, employee: Person
) -> None:
    session = cast.sign_in(Browser(), employee)
    for hours in (0, 1):
        at(before_a_change, hours=hours, seconds=1)
        in_time, late = (oauth.issue_code(acme_web, session) for _ in range(2))
        at(before_a_change, hours=hours, seconds=50)
        assert oauth.redeem(acme_web, in_time).status == 200
        at(before_a_change, hours=hours, seconds=70)
        assert oauth.redeem(acme_web, late).error == "invalid_grant"


def test_seven_days_are_a_hundred_and_sixty_eight_hours(
    before_a_change: datetime, acme_web: Any, employee: Person
) -> None:
    session = cast.sign_in(Browser(), employee)
    began = clock.now()
    oauth.redeem(acme_web, oauth.issue_code(acme_web, session))

    lifetime = RefreshFamily.unscoped.get().expires_at - began
    assert abs(lifetime - timedelta(hours=168)) < timedelta(seconds=5)


def test_a_session_that_idles_for_a_day_ends_after_twenty_four_hours(
    before_a_change: datetime, client: Browser, employee: Person
) -> None:
    cast.sign_in(client, employee)
    at(before_a_change, hours=23, minutes=59)
    assert client.get("/sessions/").status_code == 200
    at(before_a_change, hours=23 + 24, minutes=58)
    assert client.get("/sessions/").status_code == 200
    at(before_a_change, hours=47 + 24, minutes=59)

    assert client.get("/sessions/").status_code == 302
