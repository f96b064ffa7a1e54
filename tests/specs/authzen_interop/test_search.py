"""The Search and the IdP scenario of the AuthZEN interop: 198 and 6 vectors.

PEOPLE, RECORDS and DELETES are the published tables; what is expected follows from the six published
rules over them, which `may` says in Python once more.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts import flows
from accounts.models import Organisation
from core import clock
from tests.support import authzen
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db

RULES = Path(__file__).with_name("search.rego")
ACTIONS = ("view", "edit", "delete")
PEOPLE = {
    "alice": ("manager", "Sales"), "bob": ("employee", "Legal"), "carol": ("contractor", "Legal"),
    "dan": ("manager", "Finance"), "erin": ("employee", "Finance"),
    "felix": ("contractor", "Accounting"),
}  # fmt: skip
# Owners take turns; departments as they are published, 101 to 120.
DEPARTMENTS = {
    "L": "Legal", "A": "Accounting", "S": "Sales", "F": "Finance",
}  # fmt: skip
RECORDS = {
    str(101 + n): (DEPARTMENTS[letter], list(PEOPLE)[n % 6])
    for n, letter in enumerate("LLLALASLASALSAFLLALA")
}
# Published: which records each may delete, and some of what they may edit and view.
DELETES = {
    "alice": "101 107 113 119", "bob": "102 108 114 120", "carol": "103 109 115",
    "dan": "104 110 116", "erin": "105 111 117", "felix": "106 112 118",
}  # fmt: skip
EDITS = DELETES | {"alice": "101 107 110 113 119", "dan": "104 110 115 116"}
VIEWS = {
    "alice": " ".join(RECORDS), "dan": " ".join(RECORDS),
    "bob": "101 102 103 105 108 112 114 116 117 119 120",
    "carol": "101 102 103 105 108 109 112 115 116 117 119",
    "erin": "105 111 115 117", "felix": "104 106 109 111 112 114 118 120",
}  # fmt: skip
PUBLISHED = {"view": VIEWS, "edit": EDITS, "delete": DELETES}


def may(user: str, action: str, record: str) -> bool:
    """The six rules of the scenario."""
    role, department = PEOPLE[user]
    of, owner = RECORDS[record]
    if owner == user:
        return True
    if action == "view":
        return role == "manager" or of == department
    return action == "edit" and role == "manager" and of == department


@pytest.fixture
def pdp(acme: Organisation, tmp_path: Path) -> Iterator[Asker]:
    for name, (role, department) in PEOPLE.items():
        authzen.named(acme, name, roles=[role], group=department.lower())
    for name, (department, owner) in RECORDS.items():
        flows.register_resource(
            organisation=acme, type="record", name=name,
            properties={"department": department, "owner": owner}, now=clock.now(),
        )  # fmt: skip
    authzen.actions(acme, "record", *ACTIONS)
    with authzen.policy_of(RULES, tmp_path):
        yield Asker(authzen.gateway(acme, authzen_subject_id="preferred_username"))


def record(name: str = "") -> dict[str, str]:
    return {"type": "record"} | ({"id": name} if name else {})


def user(name: str = "") -> dict[str, str]:
    return {"type": "user"} | ({"id": name} if name else {})


@pytest.mark.spec("AuthZEN interop", "Search", "60 searches for subjects")
def test_subjects(pdp: Asker) -> None:
    vectors = [
        ({"subject": user(), "action": {"name": action}, "resource": record(name)},
         {"results": [user(who) for who in PEOPLE if may(who, action, name)]})
        for name in RECORDS for action in ACTIONS
    ]  # fmt: skip

    for body, expected in vectors:
        assert pdp.search("subject", body) == expected
    assert len(vectors) == 60


@pytest.mark.spec("AuthZEN interop", "Search", "18 searches for resources")
def test_resources(pdp: Asker) -> None:
    vectors = [
        ({"subject": user(who), "action": {"name": action}, "resource": record()},
         {"results": [record(name) for name in PUBLISHED[action][who].split()]})
        for who in PEOPLE for action in ACTIONS
    ]  # fmt: skip

    for body, expected in vectors:
        assert pdp.search("resource", body) == expected
    assert len(vectors) == 18


@pytest.mark.spec("AuthZEN interop", "Search", "120 searches for actions")
@pytest.mark.parametrize("who", PEOPLE)
def test_actions(pdp: Asker, who: str) -> None:
    vectors = [
        ({"subject": user(who), "resource": record(name)},
         {action for action in ACTIONS if may(who, action, name)})
        for name in RECORDS
    ]  # fmt: skip

    for body, expected in vectors:
        told = pdp.search("action", body)
        assert {result["name"] for result in told["results"]} == expected
        assert "page" not in told
    assert len(vectors) == 20


@pytest.mark.spec("AuthZEN interop", "Identity provider", "6 searches for what a token may tell")
def test_what_goes_into_a_token(pdp: Asker) -> None:
    for who, names in DELETES.items():
        body = {"subject": user(who), "action": {"name": "delete"}, "resource": record()}
        assert pdp.search("resource", body) == {"results": [record(name) for name in names.split()]}


@pytest.mark.spec("AuthZEN interop", "Search", "whatever is not of the scenario finds nothing")
def test_unknown(pdp: Asker) -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("subject", {"subject": user(), "action": {"name": "view"}, "resource": record("999")}),
        ("subject", {"subject": user(), "action": {"name": "burn"}, "resource": record("101")}),
        ("resource", {"subject": user("zoe"), "action": {"name": "view"}, "resource": record()}),
        ("action", {"subject": user("zoe"), "resource": record("101")}),
    ]
    for kind, body in bodies:
        assert pdp.search(kind, body) == {"results": []}


@pytest.mark.spec("AuthZEN interop", "Search", "the rules say what is published")
def test_the_rules_say_what_is_published(pdp: Asker) -> None:
    for action, table in PUBLISHED.items():
        for who, names in table.items():
            assert [name for name in RECORDS if may(who, action, name)] == names.split()
    assert pdp.search("action", {"subject": user("dan"), "resource": record("115")}) == {
        "results": [{"name": "edit"}, {"name": "view"}]
    }
