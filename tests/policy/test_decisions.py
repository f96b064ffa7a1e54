"""What policy answers, case by case: one row of facts, one verdict."""

from dataclasses import replace

import pytest

from core.assurance import Level
from policy import engine
from policy.decision import Outcome
from policy.facts import Facts, ResourceFacts, SessionFacts, Trigger, UserFacts

GOOD = Facts(
    trigger=Trigger.REFRESH,
    organisation_is_active=True,
    user=UserFacts(is_active=True, email_verified=True, stamp_matches=True),
    session=SessionFacts(
        is_ended=False, idle_remaining=3600, absolute_remaining=86_400, level=2,
        authentication_age=60, methods=("pwd", "otp"),
    ),
)  # fmt: skip


def facts(*, user=None, session=None, resource=None, **top):
    return replace(
        GOOD,
        user=replace(GOOD.user, **(user or {})),
        session=replace(GOOD.session, **(session or {})),
        resource=replace(GOOD.resource, **(resource or {})),
        **top,
    )


ALLOW, STEP_UP, DENY, REVOKE = Outcome.ALLOW, Outcome.STEP_UP, Outcome.DENY, Outcome.REVOKE
ROWS = {
    "a good session": (facts(), ALLOW, ()),
    "one factor where nobody asks for more": (facts(session={"level": 1}), ALLOW, ()),
    "its last second": (facts(session={"idle_remaining": 1, "absolute_remaining": 1}), ALLOW, ()),
    "a closed account": (facts(user={"is_active": False}), REVOKE, ("user_inactive",)),
    "a closed organisation": (
        facts(organisation_is_active=False), REVOKE, ("organisation_inactive",),
    ),
    "changed credentials": (
        facts(user={"stamp_matches": False}), REVOKE, ("credentials_changed",),
    ),
    "an ended session": (facts(session={"is_ended": True}), REVOKE, ("session_ended",)),
    "idle to the second": (facts(session={"idle_remaining": 0}), REVOKE, ("session_idle",)),
    "idle for long": (facts(session={"idle_remaining": -9999}), REVOKE, ("session_idle",)),
    "expired to the second": (
        facts(session={"absolute_remaining": 0}), REVOKE, ("session_expired",),
    ),
    "a stopped application": (
        facts(resource={"client_is_active": False}), DENY, ("client_inactive",),
    ),
    "an address nobody confirmed": (
        facts(user={"email_verified": False}), DENY, ("email_unverified",),
    ),
    "nothing proven": (facts(session={"level": 0}), DENY, ("not_authenticated",)),
    "a role that wants two factors": (
        facts(session={"level": 1}, role_level=2), STEP_UP,
        ("role_requires_stronger_authentication",),
    ),
    "the same role with two factors": (facts(role_level=2), ALLOW, ()),
    "the same role at a page": (
        facts(session={"level": 1}, role_level=2, trigger=Trigger.REQUEST), ALLOW, (),
    ),
    "the same role in the sweep": (
        facts(session={"level": 1}, role_level=2, trigger=Trigger.SWEEP), ALLOW, (),
    ),
    "the same role at the administration": (
        facts(session={"level": 1}, role_level=2, trigger=Trigger.ADMIN), STEP_UP,
        ("role_requires_stronger_authentication",),
    ),
    "an application that wants two factors": (
        facts(session={"level": 1}, resource={"required_level": 2}), STEP_UP,
        ("resource_requires_stronger_authentication",),
    ),
    "a sign-in older than asked for": (
        facts(resource={"max_age": 59}), STEP_UP, ("authentication_too_old",),
    ),
    "a sign-in as old as allowed": (facts(resource={"max_age": 60}), ALLOW, ()),
    "max_age of zero": (facts(resource={"max_age": 0}), STEP_UP, ("authentication_too_old",)),
    "max_age of zero, just signed in": (
        facts(session={"authentication_age": 0}, resource={"max_age": 0}), ALLOW, (),
    ),
    "the strictest verdict wins": (
        facts(
            user={"is_active": False, "email_verified": False},
            session={"level": 1}, role_level=2,
        ),
        REVOKE,
        ("email_unverified", "role_requires_stronger_authentication", "user_inactive"),
    ),
    "deny before step-up": (
        facts(user={"email_verified": False}, resource={"max_age": 0}), DENY,
        ("authentication_too_old", "email_unverified"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "outcome", "reasons"), ROWS.values(), ids=ROWS.keys())
def test_each_case_has_its_verdict(asked, outcome, reasons):
    decision = engine.decide(asked)

    assert decision.outcome is outcome
    assert decision.reasons == reasons
    assert decision.is_allowed is (outcome is ALLOW)
    assert decision.revision == engine.revision()


@pytest.mark.parametrize("trigger", list(Trigger))
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1] is REVOKE])
def test_what_ends_a_session_ends_it_at_every_use(trigger, name):
    assert engine.decide(replace(ROWS[name][0], trigger=trigger)).outcome is REVOKE


@pytest.mark.parametrize(
    ("role_level", "required_level", "wanted"),
    [(0, 0, Level.AAL1), (2, 0, Level.AAL2), (0, 2, Level.AAL2), (1, 2, Level.AAL2)],
)
def test_a_step_up_is_told_what_to_reach(role_level, required_level, wanted):
    decision = engine.decide(
        facts(
            session={"level": 1}, role_level=role_level,
            resource={"required_level": required_level, "max_age": 30},
        )
    )  # fmt: skip

    assert decision.required_level is wanted
    assert decision.max_age == 30


def test_no_max_age_is_none():
    assert engine.decide(GOOD).max_age is None
    assert ResourceFacts().max_age == -1


def test_each_decision_has_a_name_of_its_own():
    assert engine.decide(GOOD).decision_id != engine.decide(GOOD).decision_id
