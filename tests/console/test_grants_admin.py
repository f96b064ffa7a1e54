"""Who has what, now and then, and what administrators do about it."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from access.holdings import Then
from access.models import GrantEvent
from accounts import flows as accounts
from console import matrix
from console.admin import grants
from console.matrix import plain_cell
from core import clock
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db

LIST = "/admin/access/grant/"
MATRIX = f"{LIST}matrix/"
CSV = f"{LIST}matrix.csv"


@pytest.fixture
def lead(acme):
    return cast.person("lena@acme.example", acme, totp=True)


@pytest.fixture
def active(acme, employee, lead):
    entitlement = access.entitlement(acme, by=[lead], eligible=[employee])
    session = access.session_of(employee)
    grant = access.ask(entitlement, employee, session, reason="to mend it")
    return access.activate(access.approve(grant, lead), employee, session)


@pytest.fixture
def held(acme, employee, newcomer, active):
    """alice: db-admin by a grant; nina: auditor for a day, and keeper by a group."""
    now = clock.now()
    group = accounts.create_group(organisation=acme, name="keepers", now=now)
    accounts.give_group_role(group=group, role=access.role(acme, "keeper"), now=now)
    accounts.add_group_member(group=group, user=newcomer.user, now=now)
    accounts.assign_role(
        user=newcomer.user, role=access.role(acme, "auditor"), ends_at=now + timedelta(days=1),
        now=now,
    )  # fmt: skip
    return group


@pytest.fixture
def administrator(client, approver):
    cast.sign_in(client, approver)
    return client


def text(answer):
    return " ".join(answer.content.decode().split())


def rows(answer):
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode())))


def then(moment):
    return {"day": f"{moment:%Y-%m-%d}", "time": f"{moment:%H:%M:%S}"}


def cells(answer):
    """(address, role) → how it is held, as the page has it."""
    return {
        (line.holder.email, role.name): [held.words for held in cell]
        for line in answer.context["lines"]
        for role, cell in zip(answer.context["roles"], line.cells, strict=True)
        if cell
    }


def test_the_matrix_tells_how_each_role_is_held(administrator, employee, newcomer, active, held):
    answer = administrator.get(MATRIX)

    assert cells(answer) == {
        (employee.email, "db-admin"): ["elevated"],
        (newcomer.email, "auditor"): ["standing"],
        (newcomer.email, "keeper"): ["standing, by keepers"],
    }
    page = text(answer)
    assert f"until {active.ends_at:%-d %b %Y, %H:%M}" in page
    assert f"{LIST}{active.pk}/change/" in page


def test_it_tells_of_a_past_instant(administrator, approver, acme, employee, newcomer, held, later):
    before = clock.now()
    later(hours=2)
    accounts.remove_group_member(group=held, user=newcomer.user, now=clock.now())
    cast.sign_in(administrator, approver)

    assert (newcomer.email, "keeper") not in cells(administrator.get(MATRIX))
    assert (employee.email, "db-admin") not in cells(administrator.get(MATRIX)), "it has ended"
    was = cells(administrator.get(MATRIX, then(before + timedelta(seconds=1))))
    assert was[newcomer.email, "keeper"] == ["standing, by keepers"]
    assert was[employee.email, "db-admin"] == ["elevated"]
    assert cells(administrator.get(MATRIX, then(before - timedelta(days=1)))) == {}


@pytest.mark.parametrize(
    ("asked", "people"),
    [
        ({"role": "auditor"}, {"nina"}),
        ({"role": "root"}, set()),
        ({"person": "ALICE"}, {"alice"}),
        ({"person": "acme.example"}, {"alice", "nina"}),
        ({"person": "alice", "role": "keeper"}, set()),
    ],
)
def test_it_is_filtered_by_role_and_person(administrator, held, asked, people):
    found = cells(administrator.get(MATRIX, asked))

    assert {email.partition("@")[0] for email, _ in found} == people


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"day": "2999-01-01"}, "not known yet"),
        ({"day": "yesterday"}, "valid date"),
        ({"time": "10:00"}, "on which day"),
    ],
)
def test_an_instant_that_cannot_be_is_refused(administrator, held, asked, words):
    assert words in text(administrator.get(MATRIX, asked))
    assert administrator.get(CSV, asked).status_code == 400


def test_another_organisation_is_not_in_it(administrator, outsider, globex, held):
    accounts.assign_role(user=outsider.user, role=access.role(globex, "root"), now=clock.now())

    for path in (MATRIX, f"{MATRIX}?organisation=globex"):
        assert outsider.email not in text(administrator.get(path))
    assert all(
        row["email"] != outsider.email
        for row in rows(administrator.get(f"{CSV}?organisation=globex"))
    )


def test_many_people_take_as_many_statements_as_one_and_fit_on_pages(
    administrator, acme, held, django_assert_max_num_queries
):
    with django_assert_max_num_queries(30) as few:
        administrator.get(MATRIX)
    for number in range(60):
        person = cast.person(f"p{number:02}@acme.example", acme)
        accounts.add_group_member(group=held, user=person.user, now=clock.now())
        accounts.assign_role(user=person.user, role=access.role(acme, "auditor"), now=clock.now())
    with django_assert_max_num_queries(len(few)):
        page = text(administrator.get(MATRIX))

    assert "62 people" in page
    assert "Page 1 of 2" in page
    assert "p59@acme.example" not in page
    assert "p59@acme.example" in text(administrator.get(MATRIX, {"p": "2"}))
    assert len(rows(administrator.get(CSV))) == 1 + 2 + 2 * 60


def further_from(answer):
    found = re.search(r'href="([^"]*)" rel="next"', text(answer))
    return found and unescape(found[1])


def test_what_ends_between_pages_stands_on_the_next_all_the_same(
    administrator, acme, held, monkeypatch, later
):
    monkeypatch.setattr(grants, "PEOPLE_ON_A_PAGE", 2)
    people = [cast.person(f"p{number}@acme.example", acme) for number in range(5)]
    for person in people:
        accounts.add_group_member(group=held, user=person.user, now=clock.now())
    every = cells(administrator.get(MATRIX, {"as_of": clock.now().isoformat(), "p": "1"}))
    first = answer = administrator.get(MATRIX)
    found = dict(cells(answer))
    while further := further_from(answer):
        later(seconds=1)
        person = people.pop()
        accounts.remove_group_member(group=held, user=person.user, now=clock.now())
        answer = administrator.get(f"{MATRIX}{further}")
        again = cells(answer)
        assert not found.keys() & again.keys()
        found |= again

    assert set(every) < set(found)
    assert {email for email, _ in found} == {
        "alice@acme.example", "nina@acme.example", *(f"p{number}@acme.example" for number in range(5)),
    }  # fmt: skip
    assert "now (" in text(first)
    assert "now (" not in text(answer)
    assert "p4@acme.example" not in {email for email, _ in cells(administrator.get(MATRIX))}


def test_many_roles_fit_on_pages_of_their_own(administrator, acme, newcomer):
    for number in range(45):
        accounts.assign_role(
            user=newcomer.user, role=access.role(acme, f"r{number:02}"), now=clock.now()
        )
    found = [administrator.get(MATRIX, {"r": page}) for page in (1, 2, 3)]

    assert [len(cells(answer)) for answer in found] == [20, 20, 5]
    assert len({role for answer in found for _, role in cells(answer)}) == 45
    assert "Roles 21 to 40 of 45 that these people have." in text(found[1])


class TestTheTable:
    @pytest.fixture
    def many(self, acme, held, monkeypatch):
        monkeypatch.setattr(matrix, "HOLDERS_AT_ONCE", 2)
        people = [cast.person(f"p{number}@acme.example", acme) for number in range(9)]
        for person in people:
            accounts.add_group_member(group=held, user=person.user, now=clock.now())
        return people

    def test_is_read_a_page_at_a_time_as_it_is_sent(self, acme, many):
        lines = matrix.table_of(Then(acme.pk, clock.now()))
        with CaptureQueriesContext(connection) as seen:
            next(lines)
            assert len(seen) == 0
            next(lines)
            assert len(seen) == 4, "a page of people, and what they hold"
            list(lines)
        assert len(seen) == 6 * 4 + 1 + 2, "six pages, one of nobody, and no application"

    def test_has_all_of_it_once_whatever_ends_meanwhile(self, acme, held, many, later):
        lines = matrix.table_of(Then(acme.pk, clock.now()))
        next(lines)
        found = []
        for line in lines:
            found.append((line[0], line[2]))
            if many:
                later(seconds=1)
                person = many.pop()
                accounts.remove_group_member(group=held, user=person.user, now=clock.now())
                accounts.deactivate_user(user=person.user, now=clock.now())

        assert len(found) == len(set(found)) == 3 + 9
        assert {email for email, role in found if role == "keeper"} >= {
            f"p{number}@acme.example" for number in range(9)
        }


def test_the_table_is_safe_to_open_in_a_spreadsheet(administrator, acme, held):
    bad = cast.person("eve@acme.example", acme, name='=HYPERLINK("http://evil.example","x")')
    accounts.assign_role(user=bad.user, role=access.role(acme, "auditor"), now=clock.now())

    answer = administrator.get(CSV)
    assert answer["Content-Disposition"].startswith("attachment")
    found = next(row for row in rows(answer) if row["email"] == bad.email)
    assert found["name"] == "'" + bad.user.name
    assert found["role"] == "auditor"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_begins_a_formula(begin):
    assert plain_cell(f"{begin}1+1") == f"'{begin}1+1"


def act(browser, action, grant, reason="it was shared"):
    form = {"action": action, "_selected_action": [str(grant.pk)], "reason": reason}
    return text(browser.post(LIST, form, follow=True))


def test_access_is_suspended_resumed_and_revoked_for_a_reason(administrator, approver, active):
    assert "1 suspended" in act(administrator, "suspend", active)
    assert access.fresh(active).state == "suspended"
    assert list(cells(administrator.get(MATRIX)).values()) == [["elevated, suspended"]]
    assert "1 resumed" in act(administrator, "resume", active)
    assert access.fresh(active).state == "active"
    assert "1 revoked" in act(administrator, "revoke", active)
    assert access.fresh(active).state == "revoked"

    told = GrantEvent.objects.within_id(active.organisation_id).filter(grant=active)
    said = {
        each.kind: each.facts["reason"]
        for each in told.filter(actor=f"accounts.User:{approver.user.pk}")
    }
    assert said == dict.fromkeys(("suspended", "resumed", "revoked"), "it was shared")


@pytest.mark.parametrize("action", ["suspend", "resume", "revoke"])
def test_without_a_reason_nothing_happens(administrator, active, action):
    assert "Give a reason" in act(administrator, action, active, reason="  ")
    assert access.fresh(active).state == "active"


def test_what_is_over_is_not_revoked_again(administrator, active):
    act(administrator, "revoke", active)

    assert "cannot be revoked" in act(administrator, "revoke", active)


def test_an_administrator_does_not_resume_or_revoke_their_own(client, active, employee):
    employee.user.is_staff = True
    employee.user.save(update_fields=["is_staff"])
    cast.sign_in(client, employee)

    assert "0 revoked" in act(client, "revoke", active)
    assert access.fresh(active).state == "active"


def test_one_grant_is_told_with_its_timeline_and_answers(administrator, lead, active):
    act(administrator, "suspend", active, reason="looks odd")
    page = text(administrator.get(f"{LIST}{active.pk}/change/"))

    assert "to mend it" in page
    assert f"{lead.email} approved it at stage 1" in page
    assert "looks odd" in page
    assert page.index("asked for") < page.index("looks odd")
    assert 'value="resume"' in page
    assert 'value="suspend"' not in page
