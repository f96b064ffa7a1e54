"""The decision log by the API: what the page shows, in pages, explained, and as OPA has it."""

import json
from datetime import timedelta
from typing import get_args
from urllib.parse import parse_qs, urlencode

import pytest

from console.api import decisions
from console.decisions import OUTCOMES, QUESTIONS
from core import clock
from core.ids import new_id
from policy import engine
from policy.decision_log import DecisionLog
from policy.journal import About
from policy.models import DecisionBatch
from policy.response import Signal
from tests.policy.test_decisions import GOOD, facts
from tests.support.api import code_of
from tests.support.decisions import write_batch

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def log(monkeypatch):
    found = DecisionLog()
    monkeypatch.setattr(found, "_start", lambda: None)
    monkeypatch.setattr(engine._Engine, "journal", found)
    return found


@pytest.fixture
def asked(log, bob, carol, employee, newcomer, outsider, acme_web):
    """Of acme: two of alice, one of nina, one of a machine; one of globex, one of nobody."""
    log.flush()
    DecisionBatch.objects.all().delete()
    alice, nina, otto = (each.user.pk for each in (employee, newcomer, outsider))
    weak = facts(user={"email_verified": False})
    made = {
        "good": engine.decide(GOOD, about=About(alice, None, "web")),
        "weak": engine.decide(weak, about=About(alice, None, "spa")),
        "nina": engine.decide(GOOD, about=About(nina, None, "web")),
        "theirs": engine.decide(GOOD, about=About(otto, None, "web")),
        "nobody": engine.respond(Signal("token_replay", {"email": "eve@evil.example"})),
        "machine": engine.respond(
            Signal("token_replay", {}), about=About(None, None, acme_web.client_id)
        ),
    }
    log.flush()
    return {name: str(each.decision_id) for name, each in made.items()}


def names_of(answer, asked):
    """Which of them it tells, but for those that asking itself has made."""
    assert answer.status_code == 200, answer.content
    by_id = {decision_id: name for name, decision_id in asked.items()}
    return [by_id[each["id"]] for each in answer.json()["items"] if each["id"] in by_id]


def test_it_lists_those_of_the_organisation_the_latest_first(bob, carol, asked):
    assert names_of(bob.get("/decisions"), asked) == ["machine", "nina", "weak", "good"]
    assert names_of(carol.get("/decisions"), asked) == ["theirs"]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({"client": "web"}, ["nina", "good"]), ({"outcome": "deny"}, ["weak"]),
        ({"path": "sallyport/response/actions"}, ["machine"]), ({"outcome": "revoke"}, []),
        ({"outcome": "allow", "client": "web"}, ["nina", "good"]),
    ],
)  # fmt: skip
def test_it_is_narrowed(bob, asked, said, names):
    answer = bob.send("GET", f"/decisions?{urlencode(said)}")

    assert names_of(answer, asked) == names


def test_it_is_narrowed_to_a_person_of_the_organisation(bob, employee, outsider, asked):
    told = bob.get("/decisions", user=str(employee.user.pk))

    assert names_of(told, asked) == ["weak", "good"]
    assert told.json()["items"][0]["email"] == employee.email
    assert names_of(bob.get("/decisions", user=str(outsider.user.pk)), asked) == []


def test_it_is_narrowed_to_a_time(bob, asked):
    before = (clock.now() - timedelta(hours=1)).isoformat()

    assert names_of(bob.get("/decisions", until=before), asked) == []
    assert len(names_of(bob.get("/decisions", since=before), asked)) == 4


def test_pages_tell_each_once(bob, asked):
    told, cursor = [], ""
    for _ in range(20):
        page = bob.get("/decisions", client="web", limit=1, cursor=cursor)
        told += names_of(page, asked)
        cursor = page.json()["next"]
        if cursor is None:
            break

    assert told == ["nina", "good"]
    first = bob.get("/decisions", client="web", limit=1).json()["next"]
    assert code_of(bob.get("/decisions", cursor=first)) == (400, "invalid_request")


def test_batches_that_lie_over_each_other_are_told_in_order_and_none_is_lost(bob, employee):
    """As several processes write them."""
    moments = [clock.now() - timedelta(minutes=10 - number) for number in range(6)]
    one = write_batch(employee.user.pk, moments[0], moments[2], moments[5], client="overlap")
    other = write_batch(employee.user.pk, moments[1], moments[3], moments[4], client="overlap")

    told, cursor = [], ""
    while cursor is not None:
        page = bob.get("/decisions", client="overlap", limit=2, cursor=cursor).json()
        told += [each["id"] for each in page["items"]]
        cursor = page["next"]

    assert told == [one[2], other[2], other[1], one[1], other[0], one[0]]


def test_one_is_explained(bob, asked):
    told = bob.get(f"/decisions/{asked['weak']}").json()

    assert (told["outcome"], told["is_same_revision"], told["is_same_answer"]) == (
        "deny", True, True,
    )  # fmt: skip
    assert told["input"]["user"]["email_verified"] is False
    assert told["reasons"]
    spoken = {rule["name"] for rule in told["rules"] if rule["has_spoken"]}
    assert spoken
    assert all(rule["line"] > 0 for rule in told["rules"] if rule["has_spoken"])


def test_it_is_exported_as_opa_has_it_a_part_at_a_time(bob, asked):
    lines, query = [], {"limit": "2"}
    while query:
        answer = bob.get("/decisions/export", **query)
        assert answer["Content-Type"] == "application/x-ndjson"
        lines += [json.loads(line) for line in answer.content.splitlines()]
        link = answer.get("Link", "")
        query = {
            name: values[0] for name, values in parse_qs(link[2 : link.find(">")]).items()
        }  # fmt: skip

    told = [each["decision_id"] for each in lines]
    assert [each for each in told if each in asked.values()] == [
        asked[name] for name in ("machine", "nina", "weak", "good")
    ]
    assert len(set(told)) == len(told)
    (weak,) = [each for each in lines if each["decision_id"] == asked["weak"]]
    assert weak["bundles"]["sallyport"]["revision"]
    assert weak["path"] in QUESTIONS


@pytest.mark.parametrize("name", ["theirs", "nobody"])
def test_what_is_not_of_the_organisation_does_not_exist(bob, asked, name):
    assert code_of(bob.get(f"/decisions/{asked[name]}")) == (404, "not_found")
    assert asked[name] not in bob.get("/decisions/export").content.decode()


def test_nor_does_one_that_never_was(bob):
    assert code_of(bob.get(f"/decisions/{new_id()}")) == (404, "not_found")


@pytest.mark.parametrize(
    "said",
    [{"outcome": "maybe"}, {"since": "yesterday"}, {"limit": 0}, {"user": "alice"}],
    ids=["outcome", "time", "limit", "person"],
)
def test_what_makes_no_sense_is_refused(bob, said):
    assert code_of(bob.get("/decisions", **said)) == (422, "invalid_request")


def test_outcomes_are_those_of_the_page():
    assert set(get_args(decisions.Which)) == {"", *OUTCOMES}
