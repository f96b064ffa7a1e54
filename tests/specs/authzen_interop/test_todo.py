"""The Todo and the API gateway scenario of the AuthZEN interop: 43 and 25 vectors.

The vectors are made of the published tables: who has which role, and what each role may do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Organisation
from tests.support import authzen
from tests.support.authzen import EVALUATION, EVALUATIONS, Asker

pytestmark = pytest.mark.django_db

RULES = Path(__file__).with_name("todo.rego")
PID = "CiRmZD{}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs"
# id, address, and whether they may: create; update and delete their own; update and delete others'.
PEOPLE = {
    "Rick": (PID.format("A"), "rick@the-citadel.com", True, True, True, True, True),
    "Morty": (PID.format("E"), "morty@the-citadel.com", True, True, True, False, False),
    "Summer": (PID.format("I"), "summer@the-smiths.com", True, True, True, False, False),
    "Beth": (PID.format("M"), "beth@the-smiths.com", False, False, False, False, False),
    "Jerry": (PID.format("Q"), "jerry@the-smiths.com", False, False, False, False, False),
}
OTHER = {"Rick": "Morty"}  # whose todo is somebody else's; Rick's for everybody but himself
TODO = "7240d0db-8ff0-41ec-98b2-34a096273b9f"
# method, route, and who may not.
ROUTES = [
    ("GET", "/users/{userId}", ()),
    ("GET", "/todos", ()),
    ("POST", "/todos", ("Beth", "Jerry")),
    ("PUT", "/todos/{todoId}", ("Beth", "Jerry")),
    ("DELETE", "/todos/{todoId}", ("Beth", "Jerry")),
]


@pytest.fixture
def pdp(acme: Organisation, tmp_path: Path) -> Iterator[Asker]:
    with authzen.policy_of(RULES, tmp_path):
        yield Asker(authzen.gateway(acme))


def resource(kind: str, name: str, owner: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {"type": kind, "id": name}
    return told | ({"properties": {"ownerID": owner}} if owner else {})


def todo_vectors() -> Iterator[tuple[dict[str, Any], bool]]:
    for name, (pid, address, creates, updates, deletes, updates_any, deletes_any) in PEOPLE.items():
        others = PEOPLE[OTHER.get(name, "Rick")][1]
        rows = [
            ("can_read_user", resource("user", "beth@the-smiths.com"), True),
            ("can_read_user", resource("user", pid), True),
            ("can_read_todos", resource("todo", "todo-1"), True),
            ("can_create_todo", resource("todo", "todo-1"), creates),
            ("can_update_todo", resource("todo", TODO, others), updates_any),
            ("can_update_todo", resource("todo", TODO, address), updates),
            ("can_delete_todo", resource("todo", TODO, others), deletes_any),
            ("can_delete_todo", resource("todo", TODO, address), deletes),
        ]
        for action, about, expected in rows:
            yield (
                {
                    "subject": {"type": "user", "id": pid, "identity": pid},
                    "action": {"name": action}, "resource": about, "context": {},
                },
                expected,
            )  # fmt: skip


def batch_vectors() -> Iterator[tuple[dict[str, Any], list[bool]]]:
    for name, owners in (("Rick", ("Rick", "Jerry")), ("Morty", ("Rick", "Morty")),
                         ("Jerry", ("Rick", "Jerry"))):  # fmt: skip
        pid, _, _, own, _, others, _ = PEOPLE[name]
        yield (
            {
                "subject": {"type": "user", "id": pid}, "action": {"name": "can_update_todo"},
                "resource": {}, "context": {},
                "evaluations": [
                    {"resource": resource("todo", TODO, PEOPLE[owner][1])} for owner in owners
                ],
            },
            [own if owner == name else others for owner in owners],
        )  # fmt: skip


def gateway_vectors() -> Iterator[tuple[dict[str, Any], bool]]:
    for name, (pid, *_) in PEOPLE.items():
        for method, route, barred in ROUTES:
            yield (
                {
                    "subject": {"type": "identity", "id": pid}, "action": {"name": method},
                    "resource": resource("route", route), "context": {},
                },
                name not in barred,
            )  # fmt: skip


def decide(pdp: Asker, body: dict[str, Any]) -> bool:
    reply = pdp.send(EVALUATION, body)
    assert reply.status == 200, reply.body
    decision: bool = reply.json["decision"]
    return decision


@pytest.mark.spec("AuthZEN interop", "Todo", "40 evaluations")
def test_todo_evaluations(pdp: Asker) -> None:
    vectors = list(todo_vectors())

    assert [decide(pdp, body) for body, _ in vectors] == [expected for _, expected in vectors]
    assert len(vectors) == 40


@pytest.mark.spec("AuthZEN interop", "Todo", "3 batches")
def test_todo_batches(pdp: Asker) -> None:
    vectors = list(batch_vectors())

    for body, expected in vectors:
        told = pdp.send(EVALUATIONS, body).json["evaluations"]
        assert [one["decision"] for one in told] == expected
    assert len(vectors) == 3


@pytest.mark.spec("AuthZEN interop", "API gateway", "25 evaluations of routes")
def test_gateway_routes(pdp: Asker) -> None:
    vectors = list(gateway_vectors())

    assert [decide(pdp, body) for body, _ in vectors] == [expected for _, expected in vectors]
    assert len(vectors) == 25


@pytest.mark.spec("AuthZEN interop", "Todo", "whoever is not of the scenario may nothing")
def test_strangers(pdp: Asker) -> None:
    for body, _ in todo_vectors():
        if not body["action"]["name"].startswith("can_read"):
            assert decide(pdp, {**body, "subject": {"type": "user", "id": "mallory"}}) is False
