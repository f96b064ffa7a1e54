"""Both engines agree: on the rules' own tests, on every case of ours, and on facts made up."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from policy import engine
from policy.access import Action
from policy.facts import Trigger
from tests.policy import test_access, test_decisions, test_fail_closed, test_response
from tests.support import opa
from tests.support.agreement import NOTHING, Agreement
from tests.support.opa import Opa

FOLDER = settings.POLICY_DIR
DECISION, RESPONSE = engine.DECISION, engine.RESPONSE


@pytest.fixture(scope="module")
def both() -> Iterator[Agreement]:
    with Opa(FOLDER) as server:
        yield Agreement(server.url, FOLDER)


def plain(document: Any) -> Any:
    return json.loads(json.dumps(document))


def own_tests() -> list[str]:
    """The paths of the rules' own tests."""
    found = []
    for path in sorted(FOLDER.glob("*_test.rego")):
        text = path.read_text()
        (package,) = re.findall(r"^package (\S+)", text, re.MULTILINE)
        names = re.findall(r"^(test_\w+) if", text, re.MULTILINE)
        found += [f"{package.replace('.', '/')}/{name}" for name in names]
    return found


def test_the_rules_own_tests_pass_in_opa() -> None:
    said = opa.run("test", FOLDER)

    assert said.returncode == 0, said.stdout + said.stderr
    assert f"PASS: {len(own_tests())}/{len(own_tests())}" in said.stdout


def test_the_rules_pass_its_strict_check() -> None:
    said = opa.run("check", "--strict", FOLDER)

    assert said.returncode == 0, said.stdout + said.stderr


@pytest.mark.parametrize("path", own_tests())
def test_they_agree_on_the_rules_own_tests(both: Agreement, path: str) -> None:
    assert both.on(path, {}) is True


@pytest.mark.parametrize(
    "asked", [row[0] for row in test_decisions.ROWS.values()], ids=list(test_decisions.ROWS)
)
@pytest.mark.parametrize("trigger", list(Trigger))
def test_they_agree_on_every_case_of_a_session(
    both: Agreement, asked: Any, trigger: Trigger
) -> None:
    document = asked.document() | {"trigger": trigger.value}

    both.on(DECISION, document)


@pytest.mark.parametrize(
    "signal", [row[0] for row in test_response.ROWS.values()], ids=list(test_response.ROWS)
)
def test_they_agree_on_every_signal(both: Agreement, signal: Any) -> None:
    assert both.on(RESPONSE, signal.document()) != NOTHING


@pytest.mark.parametrize("path", test_fail_closed.MISSING, ids=".".join)
@pytest.mark.parametrize("wrong", ["missing", None, "true", []], ids=repr)
def test_they_agree_on_facts_that_are_missing_or_of_another_kind(
    both: Agreement, path: tuple[str, ...], wrong: Any
) -> None:
    document = plain(test_decisions.GOOD.document())
    place = document
    for step in path[:-1]:
        place = place[step]
    if wrong == "missing":
        del place[path[-1]]
    else:
        place[path[-1]] = wrong

    both.on(DECISION, document)


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [
        ("locks", [1]),
        ("locks", [None]),
        ("role_tiers", {"reader": None}),
        ("role_tiers", {"a": "1"}),
    ],
)
def test_they_agree_on_members_of_another_kind(both: Agreement, fact: str, wrong: Any) -> None:
    document = plain(test_decisions.GOOD.document()) | {fact: wrong}

    assert both.on(DECISION, document) == NOTHING


@pytest.mark.parametrize("row", test_access.ROWS, ids=lambda row: f"{row[0]}-{row[3]}")
def test_they_agree_on_every_case_of_access(both: Agreement, row: Any) -> None:
    action, part, change, rule = row
    good = replace(test_access.GOOD, action=action)
    asked = replace(good, **{part: replace(getattr(good, part), **change)})

    assert both.on(engine.ACCESS, good.document())["allowed"] is True
    assert both.on(engine.ACCESS, asked.document())["checks"][rule] is False


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("wrong", ["missing", None, "true", []], ids=repr)
def test_they_agree_on_facts_of_access_that_are_missing_or_of_another_kind(
    both: Agreement, action: Action, wrong: Any
) -> None:
    good = plain(replace(test_access.GOOD, action=action).document())
    for part in ("entitlement", "requester", "session", "request", "answer", "approvals"):
        for name in good[part]:
            document = deepcopy(good)
            if wrong == "missing":
                del document[part][name]
            else:
                document[part][name] = wrong

            both.on(engine.ACCESS, document)


# --- made up --------------------------------------------------------------------------------------

numbers = st.integers(-2, 4) | st.integers(-100_000, 1_000_000)
levels = st.integers(0, 4)
names = st.sampled_from(["a", "b", "db-admin", "a/b", "é", ""])
tiers = st.dictionaries(names, levels, max_size=4)
FACTS: dict[str, Any] = {
    "trigger": st.sampled_from([trigger.value for trigger in Trigger]),
    "organisation_is_active": st.booleans(),
    "user": st.fixed_dictionaries(
        {name: st.booleans() for name in ("is_active", "email_verified", "stamp_matches")}
    ),
    "session": st.fixed_dictionaries(
        {
            "is_ended": st.booleans(), "idle_remaining": numbers, "absolute_remaining": numbers,
            "level": levels, "authentication_age": numbers, "methods": st.lists(names, max_size=2),
            "binding": st.sampled_from(["", "dbsc", "webcrypto"]), "proof_age": numbers,
            "age": numbers,
        }
    ),
    "device": st.fixed_dictionaries(
        {
            "is_enrolled": st.booleans(),
            "state": st.sampled_from(["", "enrolled", "suspended", "lost", "revoked", "retired"]),
            "tier": levels, "posture_age": numbers,
        }
    ),
    "risk": st.fixed_dictionaries(
        {
            "level": st.integers(0, 3), "is_answered": st.booleans(),
            "user_level": st.integers(0, 3), "is_user_answered": st.booleans(),
            "provable_level": levels,
        }
    ),
    "network": st.fixed_dictionaries({"has_changed": st.booleans()}),
    "locks": st.lists(st.sampled_from(["user", "session", "client", "planet", ""]), max_size=3),
    "role_level": levels,
    "role_tiers": tiers,
    "binding_is_required": st.booleans(),
    "resource": st.fixed_dictionaries(
        {
            "client_is_active": st.booleans(), "required_level": levels, "max_age": numbers,
            "required_tier": levels, "scope_tiers": tiers,
        }
    ),
}  # fmt: skip
# Beyond these what is exact differs from reader to reader (RFC 8259 §6), and facts are small.
floats = st.floats(-(2**53), 2**53, width=32)
odd = (
    st.none() | st.booleans() | numbers | floats
    | names | st.lists(numbers, max_size=2) | st.dictionaries(names, numbers, max_size=2)
)  # fmt: skip
often = how(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@often
@given(document=st.fixed_dictionaries(FACTS))
def test_they_agree_on_whatever_facts(both: Agreement, document: dict[str, Any]) -> None:
    assert both.on(DECISION, document) != NOTHING


@often
@given(
    document=st.fixed_dictionaries(FACTS),
    changes=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), odd), min_size=1, max_size=3),
)  # fmt: skip
def test_they_agree_on_facts_of_other_kinds(
    both: Agreement, document: dict[str, Any], changes: list[tuple[int, int, Any]]
) -> None:
    document = deepcopy(document)
    for where, inside, value in changes:
        name = list(FACTS)[where % len(FACTS)]
        part = document[name]
        if isinstance(part, dict) and part and inside % 5:
            part[list(part)[inside % len(part)]] = value
        else:
            document[name] = value

    both.on(DECISION, document)


@often
@given(
    kind=st.sampled_from(
        ["token_replay", "device_lost", "device_revoked", "posture_changed", "account_at_risk", "x"]
    ),
    facts=st.dictionaries(
        st.sampled_from(["level", "previous", "current", "reason"]),
        st.sampled_from(["high", "medium", "takeover"]) | odd,
    ),
)
def test_they_agree_on_whatever_signal(both: Agreement, kind: str, facts: dict[str, Any]) -> None:
    both.on(RESPONSE, {"kind": kind, "facts": facts})


def test_a_difference_would_be_noticed(tmp_path: Any) -> None:
    for name, value in (("here", 1), ("there", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.rego").write_text(f"package a\n\nx := {value}\n")
    with Opa(tmp_path / "here") as server:
        assert Agreement(server.url, tmp_path / "here").on("a/x", {}) == 1
        with pytest.raises(AssertionError):
            Agreement(server.url, tmp_path / "there").on("a/x", {})
