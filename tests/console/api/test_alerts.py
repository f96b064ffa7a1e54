"""Alerts by the API: what the page tells, of the own organisation, a page at a time."""

from datetime import timedelta

import pytest

from access import flows
from access.alerts import Kind, alerts_of
from accounts import flows as accounts
from core import clock
from tests.support import access
from tests.support.api import code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def standing(acme, employee, newcomer, approver):
    """A role that may be had for a time, held for good by two."""
    access.entitlement(acme, by=[approver], eligible=[employee])
    role = access.role(acme, "db-admin")
    for person in (employee, newcomer):
        accounts.assign_role(user=person.user, role=role, now=clock.now())


def test_it_tells_what_the_page_tells(bob, acme, standing):
    told = bob.get("/alerts").json()["items"]

    found = alerts_of(organisation_id=acme.pk, now=clock.now())
    assert [(each["kind"], each["email"], each["what"]) for each in told] == [
        (alert.kind, alert.user.email, alert.what) for alert in found
    ]
    assert {each["kind"] for each in told} == {"standing"}
    assert len(told) == 2


def test_it_is_narrowed_to_a_kind_and_read_in_pages(bob, standing):
    assert bob.get("/alerts", kind="unused").json() == {"items": [], "next": None}

    first = bob.get("/alerts", kind="standing", limit=1).json()
    second = bob.get("/alerts", kind="standing", limit=1, cursor=first["next"]).json()

    emails = [page["items"][0]["email"] for page in (first, second)]
    assert len(set(emails)) == 2
    assert second["next"] is None
    moved = bob.get("/alerts", limit=1, cursor=first["next"])
    assert code_of(moved) == (400, "invalid_request")
    assert code_of(bob.get("/alerts", kind="all")) == (422, "invalid_request")


def test_an_emergency_that_nobody_reviewed_names_its_grant(bob, acme, employee, approver):
    made = access.entitlement(
        acme, by=[approver], eligible=[employee], break_glass_duration=timedelta(minutes=30)
    )
    grant = flows.break_glass(
        entitlement=made, requester=employee.user,
        session_id=access.session_of(employee).pk, reason="fire", now=clock.now(),
    )  # fmt: skip

    (told,) = bob.get("/alerts", kind=Kind.UNREVIEWED.value).json()["items"]

    assert (told["grant"], told["user"]) == (str(grant.pk), str(employee.user.pk))


def test_another_organisations_are_not_told(carol, standing):
    assert carol.get("/alerts").json()["items"] == []
