"""Who held what at an instant: all of it, each row once, a page at a time."""

from datetime import timedelta
from itertools import count

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access import flows
from access.holdings import (
    Key,
    Then,
    count_people,
    holdings_after,
    holdings_of,
    people_after,
    people_by_address,
)
from accounts import flows as accounts
from accounts.models import RoleAssignment
from core import clock
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def statements(ask) -> int:
    with CaptureQueriesContext(connection) as seen:
        ask()
    return len(seen)


def told(found):
    return {(each.user.email.partition("@")[0], each.role.name, each.group) for each in found}


class TestNowAndThen:
    def test_by_name_by_group_and_by_grant(self, acme, employee, approver, active, later):
        began = clock.now()
        group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
        reader = access.role(acme, "reader")
        accounts.give_group_role(group=group, role=reader, now=clock.now())
        accounts.add_group_member(group=group, user=employee.user, now=clock.now())
        later(minutes=10)
        in_between = clock.now()
        later(minutes=10)
        accounts.remove_group_member(group=group, user=employee.user, now=clock.now())
        auditor = access.role(acme, "auditor")
        standing = accounts.assign_role(user=approver.user, role=auditor, now=clock.now())
        later(minutes=1)
        at_last = clock.now()
        accounts.end_role_assignment(assignment=standing, now=clock.now())
        later(hours=1)

        def held(at):
            return told(access.holdings(acme, at))

        assert held(began - HOUR) == set()
        assert held(in_between) == {("alice", "db-admin", None), ("alice", "reader", "ops")}
        assert held(at_last - timedelta(seconds=1)) == {
            ("alice", "db-admin", None), ("bob", "auditor", None),
        }  # fmt: skip
        assert held(clock.now()) == set()

    def test_a_group_that_was_left_and_joined_many_times(self, acme, employee, later):
        group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
        role = access.role(acme, "reader")
        accounts.give_group_role(group=group, role=role, now=clock.now())
        was = {}
        for _ in range(3):
            later(minutes=1)
            accounts.add_group_member(group=group, user=employee.user, now=clock.now())
            later(minutes=1)
            was[clock.now()] = {("alice", "reader", "ops")}
            later(minutes=1)
            accounts.take_group_role(group=group, role=role, now=clock.now())
            later(minutes=1)
            was[clock.now()] = set()
            later(minutes=1)
            accounts.give_group_role(group=group, role=role, now=clock.now())
            accounts.remove_group_member(group=group, user=employee.user, now=clock.now())
            later(minutes=1)
            was[clock.now()] = set()

        assert {at: told(access.holdings(acme, at)) for at in was} == was

    def test_an_account_that_is_closed_by_now_held_what_it_held(self, acme, employee, later):
        role = access.role(acme, "reader")
        accounts.assign_role(user=employee.user, role=role, now=clock.now())
        before = clock.now()
        later(minutes=1)
        accounts.deactivate_user(user=employee.user, now=clock.now())
        later(minutes=1)
        closed = clock.now()
        later(minutes=1)
        accounts.reactivate_user(user=employee.user, now=clock.now())

        assert told(access.holdings(acme, before)) == {("alice", "reader", None)}
        assert access.holdings(acme, closed) == []
        assert told(access.holdings(acme, clock.now())) == {("alice", "reader", None)}

    def test_whether_it_was_suspended_then(self, acme, active, approver, later):
        instants = [clock.now()]
        for act in (flows.suspend_grant, flows.resume_grant, flows.suspend_grant):
            later(minutes=1)
            act(grant=active, actor=approver.user, now=clock.now())
            instants.append(clock.now())

        found = [access.holdings(acme, at)[0].is_suspended for at in instants]
        assert found == [False, True, False, True]

    def test_it_says_by_what(self, acme, active):
        (held,) = access.holdings(acme, clock.now())

        assert (held.grant_id, held.ends_at) == (active.pk, active.ends_at)

    def test_it_is_of_one_organisation(self, globex, active):
        assert access.holdings(globex, clock.now()) == []

    def test_one_role_or_one_person_alone(self, acme, company):
        assert {each.role.name for each in access.holdings(acme, clock.now(), role="r1")} == {"r1"}
        assert {each.user.email for each in access.holdings(acme, clock.now(), person="P03@")} == {
            "p03@acme.example"
        }
        assert access.holdings(acme, clock.now(), role="no-such-role") == []


@pytest.fixture
def company(acme):
    """Eight people with three roles each by name, two of these again by each of two groups."""
    now = clock.now()
    roles = [access.role(acme, f"r{number}") for number in range(3)]
    groups = [
        accounts.create_group(organisation=acme, name=name, now=now) for name in ("east", "west")
    ]
    for group in groups:
        for role in roles[:2]:
            accounts.give_group_role(group=group, role=role, now=now)
    for number in range(8):
        person = cast.person(f"p{number:02}@acme.example", acme)
        for role in roles:
            accounts.assign_role(user=person.user, role=role, now=now)
        for group in groups:
            accounts.add_group_member(group=group, user=person.user, now=now)
    return groups


def change_something(acme, step):
    """Whatever may happen while somebody reads: things end, begin, and people go."""
    now = clock.now()
    live = RoleAssignment.unscoped.live(now).filter(organisation_id=acme.pk).order_by("-user_id")
    victim = live.select_related("user", "role")[step % 3]
    accounts.end_role_assignment(assignment=victim, now=now)
    others = (
        lambda: accounts.remove_group_member(
            group=acme.people_groups.get(name="east"), user=victim.user, now=now
        ),
        lambda: accounts.deactivate_user(user=victim.user, now=now),
        lambda: accounts.take_group_role(
            group=acme.people_groups.get(name="west"), role=access.role(acme, "r1"), now=now
        ),
        lambda: accounts.assign_role(
            user=cast.person(f"a{step}@acme.example", acme).user,
            role=access.role(acme, "r0"), now=now,
        ),
    )  # fmt: skip
    others[step % len(others)]()


class TestPages:
    @pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 8, 55, 56, 57])
    def test_every_row_stands_on_one_page(self, acme, company, most):
        pages = access.holdings(acme, clock.now(), most=most)

        assert len(pages) == len({each.key for each in pages}) == 8 * (3 + 2 * 2)
        assert [each.key for each in pages] == sorted(
            (each.key for each in pages), key=lambda key: (key.user_id, key.role_id, key.way)
        )

    @pytest.mark.parametrize("most", [3, 4, 7])
    def test_also_while_things_end_begin_and_people_go_in_between(self, acme, company, later, most):
        at = clock.now()
        was = access.holdings(acme, at)
        then, found, place = Then(acme.pk, at), [], Key()
        for step in count():
            page = holdings_after(then, after=place, most=most)
            if not page:
                break
            found += page
            place = page[-1].key
            later(seconds=1)
            if step < 8:
                change_something(acme, step)

        assert [each.key for each in found] == [each.key for each in was]
        assert told(access.holdings(acme, clock.now())) != told(was)

    def test_of_people_by_address_and_by_id(self, acme, company, employee):
        then = Then(acme.pk, clock.now())
        assert count_people(then) == 8
        names = [
            each.email[:3]
            for begin in range(0, 8, 3)
            for each in people_by_address(then, begin=begin, end=begin + 3)
        ]
        assert names == [f"p{number:02}" for number in range(8)]
        found, last = [], None
        while page := people_after(then, after=last, most=3):
            found += page
            last = page[-1].pk
        assert [each.pk for each in found] == sorted(each.pk for each in found)
        assert {each.email[:3] for each in found} == set(names)

    def test_many_take_as_many_statements_as_few(self, acme, company):
        then = Then(acme.pk, clock.now())
        first = people_after(then, after=None, most=1)
        few = (
            statements(lambda: holdings_after(then, after=Key(), most=1)),
            statements(lambda: people_after(then, after=None, most=1)),
            statements(lambda: holdings_of(then, first)),
        )
        people = people_after(then, after=None, most=50)
        assert len(people) == 8
        assert few == (4, 2, 2)
        assert statements(lambda: holdings_after(then, after=Key(), most=100)) == 4
        assert statements(lambda: people_after(then, after=None, most=50)) == 2
        assert statements(lambda: holdings_of(then, people)) == 2
