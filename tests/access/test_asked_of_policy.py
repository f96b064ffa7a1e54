"""What is asked of policy is kept with who asked; a list of offers looks up the rules once."""

import pytest

from access import asking
from core import clock
from policy import engine
from policy.engine import _Engine
from policy.journal import About
from tests.support import access

pytestmark = pytest.mark.django_db


class Kept:
    """Keeps what a journal is told, for the test to look at."""

    def __init__(self) -> None:
        self.entries = []

    def note(self, entry) -> None:
        self.entries.append(entry)

    def about(self) -> set[About]:
        return {entry.about for entry in self.entries if entry.path == engine.ACCESS}


class Counted:
    """The shipped rules, and how often somebody asked which count."""

    def __init__(self) -> None:
        self.asked = 0

    def active(self) -> str:
        self.asked += 1
        return ""


@pytest.fixture
def journal(monkeypatch) -> Kept:
    kept = Kept()
    monkeypatch.setattr(_Engine, "journal", kept)
    return kept


def test_a_request_is_kept_with_its_requester(journal, entitlement, employee, session):
    access.ask(entitlement, employee, session, reason="to mend it")

    assert journal.about() == {About(employee.user.pk, session.pk)}


def test_an_answer_is_kept_with_its_approver(journal, request_, approver):
    journal.entries.clear()
    access.approve(request_, approver)

    assert {about.user_id for about in journal.about()} == {approver.user.pk}


def test_an_activation_is_kept_with_the_owner(journal, scheduled, employee, session):
    journal.entries.clear()
    access.activate(scheduled, employee, session)

    assert journal.about() == {About(employee.user.pk, session.pk)}


@pytest.mark.parametrize("offers", [1, 5])
def test_a_list_of_offers_asks_once_which_rules_count(
    monkeypatch, acme, employee, approver, session, offers
):
    for number in range(offers):
        access.entitlement(acme, name=f"offer-{number}", by=[approver], eligible=[employee])
    versions = Counted()
    monkeypatch.setattr(_Engine, "versions", versions)

    choices = asking.choices_of(employee.user, session_id=None, now=clock.now())

    assert (len(choices), versions.asked) == (offers, 1)
