"""May somebody ask, answer, begin: one row of facts, and the rules that fail."""

from dataclasses import replace

import pytest

from policy import engine
from policy.access import (
    AccessFacts,
    Action,
    ActorFacts,
    AnswerFacts,
    ApprovalsFacts,
    EntitlementFacts,
    RequesterFacts,
    RequestFacts,
    Ticket,
    Verdict,
)
from policy.evaluator import UNDEFINED, PolicyUnavailable

GOOD = AccessFacts(
    action=Action.REQUEST,
    entitlement=EntitlementFacts(
        is_active=True, max_duration=3600, start_horizon=600, reason_required=True,
        approver_reason_required=True, required_level=2, max_age=900, required_tier=2,
        binds_network=True, condition_holds=True, break_glass_duration=600,
    ),
    requester=RequesterFacts(is_active=True, is_locked=False, eligible_for=60),
    session=ActorFacts(is_allowed=True, level=2, authentication_age=60, tier=2, has_address=True),
    request=RequestFacts(
        duration=600, has_reason=True, ticket=Ticket.GOOD, extends_live=True, remaining=60,
        stage_remaining=60,
    ),
    answer=AnswerFacts(
        is_approver=True, is_own=False, is_same_person=False, acts_for_requester=False,
        has_answered=False, has_reason=True, has_written=False,
    ),
    approvals=ApprovalsFacts(hold=True, are_of_others=True),
)  # fmt: skip
OF_SESSION = [
    ("session", {"is_allowed": False}, "session_allowed"),
    ("session", {"level": 1}, "strong_enough"),
    ("session", {"authentication_age": 901}, "fresh_enough"),
]
OF_PERSON = [
    ("entitlement", {"is_active": False}, "entitlement_active"),
    ("requester", {"is_active": False}, "requester_active"),
    ("requester", {"is_locked": True}, "requester_unlocked"),
    ("requester", {"eligible_for": 0}, "eligible"),
]
OF_PLACE = [
    ("session", {"tier": 1}, "device_trusted"),
    ("session", {"has_address": False}, "network_known"),
    ("entitlement", {"condition_holds": False}, "condition_holds"),
]
OF_REQUEST = [
    ("request", {"duration": 3601}, "duration_within"),
    ("request", {"duration": 0}, "duration_within"),
    ("request", {"starts_in": -1}, "start_ahead"),
    ("request", {"starts_in": 601}, "start_ahead"),
    ("request", {"has_reason": False}, "reason_given"),
    ("request", {"ticket": Ticket.UNKNOWN}, "ticket_good"),
    ("request", {"has_open": True}, "nothing_open"),
]
OF_ANSWER = [
    ("answer", {"is_approver": False}, "approver_named"),
    ("answer", {"is_own": True}, "approver_is_another"),
    ("answer", {"is_same_person": True}, "approver_is_another_person"),
    ("answer", {"acts_for_requester": True}, "approver_acts_for_nobody"),
    ("answer", {"has_answered": True}, "answered_once"),
    ("answer", {"has_written": True}, "approver_has_not_written"),
    ("answer", {"has_reason": False}, "approver_reason_given"),
    ("request", {"remaining": 0}, "in_time"),
    ("request", {"stage_remaining": 0}, "stage_in_time"),
]
OF_BEGINNING = [
    ("request", {"terms_hold": False}, "terms_hold"),
    ("request", {"starts_in": 1}, "start_reached"),
    ("request", {"remaining": 0}, "in_time"),
    ("request", {"ticket": Ticket.UNAVAILABLE}, "ticket_good"),
    ("approvals", {"hold": False}, "approvals_hold"),
    ("approvals", {"are_of_others": False}, "approvers_are_others"),
]
OF_EMERGENCY = [
    ("entitlement", {"break_glass_duration": 0}, "break_glass_allowed"),
    ("request", {"duration": 601}, "duration_within"),
    ("request", {"has_reason": False}, "reason_given"),
    ("request", {"unreviewed": 1}, "break_glass_reviewed"),
]
ROWS = [
    (action, *row)
    for action, rows in {
        Action.REQUEST: OF_PERSON + OF_SESSION + OF_PLACE + OF_REQUEST,
        Action.EXTEND: OF_PERSON
        + OF_SESSION
        + OF_PLACE
        + OF_REQUEST
        + [("request", {"extends_live": False}, "extends_live")],
        Action.APPROVE: OF_PERSON
        + OF_SESSION
        + OF_ANSWER
        + [
            ("request", {"terms_hold": False}, "terms_hold"),
            ("request", {"ticket": Ticket.UNKNOWN}, "ticket_good"),
        ],
        Action.DENY: OF_SESSION + OF_ANSWER,
        Action.ACTIVATE: OF_PERSON + OF_SESSION + OF_PLACE + OF_BEGINNING,
        Action.BREAK_GLASS: OF_PERSON + OF_SESSION + OF_PLACE + OF_EMERGENCY,
    }.items()
    for row in rows
]


@pytest.mark.parametrize("action", list(Action))
def test_good_facts_are_allowed(action):
    verdict = engine.permit(replace(GOOD, action=action))

    assert (verdict.allowed, verdict.reasons) == (True, ())
    assert verdict.revision == engine.revision()


@pytest.mark.parametrize(
    ("action", "part", "change", "rule"),
    ROWS,
    ids=lambda value: str(value) if not isinstance(value, dict) else "-".join(map(str, value)),
)
def test_each_rule_stops_each_action_that_it_is_for(action, part, change, rule):
    facts = replace(GOOD, action=action, **{part: replace(getattr(GOOD, part), **change)})

    verdict = engine.permit(facts)

    assert not verdict.allowed
    assert rule in verdict.reasons


def test_every_rule_of_the_policy_is_in_the_table():
    checks = {
        (action, name) for action in Action
        for name in engine.permit(replace(GOOD, action=action)).checks
    }  # fmt: skip

    assert checks == {(action, rule) for action, _, _, rule in ROWS}


def test_every_rule_has_words():
    from access.words import RULES

    assert {rule for *_, rule in ROWS} <= RULES.keys()


@pytest.mark.parametrize(
    "answer",
    [
        None, True, "allowed", [], {}, UNDEFINED, {"allowed": True},
        {"allowed": True, "checks": {}, "final": False, "step_up": False, "demanded_level": 0},
        {"allowed": 1, "checks": {"a": True}, "final": False, "step_up": False, "demanded_level": 0},
        {"allowed": True, "checks": {"a": 1}, "final": False, "step_up": False, "demanded_level": 0},
        {"allowed": True, "checks": {"a": False}, "final": False, "step_up": False, "demanded_level": 0},
        {"allowed": True, "checks": {"a": True}, "final": "no", "step_up": False, "demanded_level": 0},
        {"allowed": True, "checks": ["a"], "final": False, "step_up": False, "demanded_level": 0},
        {"allowed": False, "checks": {"a": False}, "final": False, "step_up": True, "demanded_level": 9},
    ],
    ids=repr,
)  # fmt: skip
def test_an_answer_of_any_other_shape_is_a_no(answer):
    verdict = Verdict.from_answer(answer, "r")

    assert (verdict.allowed, verdict.reasons) == (False, ("policy_undefined",))


def test_a_policy_that_cannot_be_asked_is_a_no(monkeypatch):
    def fail(*_, **__):
        raise PolicyUnavailable("gone")

    monkeypatch.setattr(engine, "_value", fail)

    assert engine.permit(GOOD).reasons == ("policy_unavailable",)


def test_without_a_policy_nobody_may(monkeypatch):
    monkeypatch.setattr(engine._Engine, "evaluator", None)

    assert engine.permit(GOOD).reasons == ("policy_missing",)
