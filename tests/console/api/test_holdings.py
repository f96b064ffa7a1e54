"""Who has what, by the API: every row on one page, of one instant."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import flows as accounts
from core import clock
from idp.clients.roles import give_role
from tests import cast
from tests.support import access
from tests.support.api import Api, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(approver):
    return Api.of(approver)


@pytest.fixture
def people(acme):
    """Five people with two roles by name, and one by a group; three applications with two each."""
    now = clock.now()
    roles = [access.role(acme, f"r{number}") for number in range(2)]
    group = accounts.create_group(organisation=acme, name="east", now=now)
    accounts.give_group_role(group=group, role=roles[0], now=now)
    made = []
    for number in range(5):
        person = cast.person(f"p{number}@acme.example", acme)
        for role in roles:
            accounts.assign_role(user=person.user, role=role, now=now)
        accounts.add_group_member(group=group, user=person.user, now=now)
        made.append(person)
    for number in range(3):
        client = access.machine(acme, f"nightly-{number}")
        for role in roles:
            give_role(client=client, role=role, now=now)
    return made


def key(row):
    return row["email"], row["workload"], row["role_name"], row["group"]


def everything(bob, limit, meanwhile=lambda page: None, **asked):
    found, instants, cursor, pages = [], set(), "", 0
    while cursor is not None:
        told = bob.get("/holdings", limit=limit, cursor=cursor, **asked).json()
        assert len(told["items"]) <= limit
        found += told["items"]
        instants.add(told["at"])
        cursor, pages = told["next"], pages + 1
        meanwhile(pages)
    assert len(instants) == 1
    return found


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 7, 15, 16, 21, 200])
def test_every_row_stands_on_one_page(bob, people, limit):
    found = [key(each) for each in everything(bob, limit)]

    assert len(found) == len(set(found)) == 5 * 3 + 3 * 2
    assert [name for _, name, _, _ in found[15:] if name is None] == [], "applications come last"


@pytest.mark.parametrize("limit", [1, 4, 6])
def test_also_while_something_ends_between_pages(bob, acme, people, later, limit):
    was = [key(each) for each in everything(bob, 200)]
    left = list(reversed(people))
    group = acme.people_groups.get(name="east")

    def meanwhile(page):
        later(seconds=1)
        if left:
            person = left.pop(0)
            accounts.remove_group_member(group=group, user=person.user, now=clock.now())
            accounts.deactivate_user(user=person.user, now=clock.now())
            for held in person.user.role_assignments.filter(ended_at=None):
                accounts.end_role_assignment(assignment=held, now=clock.now())
            new = cast.person(f"n{page}@acme.example", acme)
            accounts.assign_role(user=new.user, role=access.role(acme, "r0"), now=clock.now())

    assert [key(each) for each in everything(bob, limit, meanwhile)] == was
    assert left == [] or limit > 1


def test_each_page_takes_the_same_statements(bob, people):
    def page(**asked):
        with CaptureQueriesContext(connection) as seen:
            told = bob.get("/holdings", **asked).json()
        return len(seen), told

    few, told = page(limit=1)
    more, told_more = page(limit=10)
    assert (len(told["items"]), len(told_more["items"])) == (1, 10)
    assert few == more
    last, _ = page(limit=200)
    assert last <= few + 5, "the last page of people has applications behind it"


def test_a_cursor_is_of_the_instant_that_was_asked_about(bob, people, later):
    at = clock.now().isoformat()
    later(minutes=1)
    cursor = bob.get("/holdings", limit=1, at=at).json()["next"]

    assert code_of(bob.get("/holdings", limit=1, cursor=cursor)) == (400, "invalid_request")
    assert bob.get("/holdings", limit=1, at=at, cursor=cursor).json()["items"]
    earlier = (clock.now() - timedelta(days=1)).isoformat()
    assert code_of(bob.get("/holdings", limit=1, at=earlier, cursor=cursor)) == (
        400,
        "invalid_request",
    )
