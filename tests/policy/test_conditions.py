"""Conditions of access over what they see: all of them, and no is the answer to every doubt."""

import time
from typing import Any

import pytest

from policy import bodies
from policy.conditions import SessionSeen, failing

WHO = {"name": "alice@acme.example", "roles": ["employee"], "groups": ["ops"], "workload": ""}
ASKED = {"reason": "x", "ticket": "OPS-1", "roles": ["db-admin"], "duration": 60, "starts_in": 0}
HERE = SessionSeen(2, ("pwd", "otp"), 60, "", 3, "192.0.2.1")
SLOW = "\n".join(f"some n{i} in [{','.join(map(str, range(120)))}]" for i in range(3))


def failed(*conditions: str, who: Any = WHO, session: SessionSeen = HERE) -> list[str]:
    return failing(conditions, requester=who, request=ASKED, session=session)


@pytest.mark.parametrize(
    "body",
    [
        '"ops" in input.requester.groups',
        'input.request.ticket == "OPS-1"',
        "input.session.tier >= 3",
        '"otp" in input.session.methods',
        "input.session.authentication_age < 300",
        "net.cidr_contains(`192.0.2.0/24`, input.session.address)",
    ],
)
def test_each_fact_is_seen(body):
    assert failed(body) == []


def test_all_have_to_hold_and_those_that_do_not_are_named():
    bad = "input.session.tier >= 4"

    assert failed('"ops" in input.requester.groups', bad, "", bad) == [bad]


@pytest.mark.parametrize(
    "body",
    ["input.session.mood == 1", "startswith(input.session.tier, 1)", "input.session.tier ==", "}"],
    ids=["undefined", "failing", "no rule", "a brace"],
)
def test_whatever_goes_wrong_is_a_no(body):
    assert failed(body) == [body]


def test_nobody_known_is_nobody():
    body = '"ops" in input.requester.groups'

    assert failed(body, who=None) == [body]


def test_an_application_signs_in_nowhere():
    assert failed("input.session.level > 0", session=SessionSeen()) != []
    assert failed("net.cidr_contains(`0.0.0.0/0`, input.session.address)", session=SessionSeen())


def test_what_takes_too_long_is_a_no_and_is_not_begun_again_for_a_while(monkeypatch):
    monkeypatch.setattr(bodies, "_pauses", {})
    slow = f"{SLOW}\nn0 + n1 + n2 == 357"
    assert failed(slow) == [slow]

    began = time.thread_time_ns()
    assert failed(slow) == [slow]
    assert time.thread_time_ns() - began < bodies.BUDGET_NS

    bodies._pauses[slow] = time.monotonic() - 1
    began = time.thread_time_ns()
    assert failed(slow) == [slow]
    assert time.thread_time_ns() - began > bodies.BUDGET_NS


def test_what_takes_too_long_is_not_saved():
    with pytest.raises(bodies.BodyError, match="too long"):
        bodies.check(f"{SLOW}\nn0 + n1 + n2 == 357", {})
