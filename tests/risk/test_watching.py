"""What is done after signing in, against what is usual in the organisation."""

import pytest

from audit.events import Event
from audit.recorder import record
from core import clock
from risk.flows import assess_login, watch_actions
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


def test_a_young_organisation_is_not_judged(employee, places):
    signed_in_and_did(employee, *STRANGE)

    assert watch_actions(now=clock.now()) == 0


def test_another_organisations_habits_do_not_count(fortnight, outsider):
    signed_in_and_did(outsider, *STRANGE)

    assert watch_actions(now=clock.now()) == 0
