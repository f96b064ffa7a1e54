"""What policy answers, case by case: one row of facts, one verdict."""

import pytest

from core.assurance import Level
from policy import engine
from policy.decision import Outcome
from policy.facts import (
    DeviceFacts,
    Facts,
    ResourceFacts,
    RiskFacts,
    SessionFacts,
    Trigger,
    UserFacts,
)

GOOD = Facts(
    trigger=Trigger.REFRESH,
    organisation_is_active=True,
    user=UserFacts(is_active=True, email_verified=True, stamp_matches=True),
    session=SessionFacts(
        is_ended=False, idle_remaining=3600, absolute_remaining=86_400, level=2,
        authentication_age=60, methods=("pwd", "otp"),
    ),
)  # fmt: skip


def facts(*, user=None, session=None, resource=None, device=None, risk=None, **top):
    return GOOD._replace(
        user=GOOD.user._replace(**(user or {})),
        session=GOOD.session._replace(**(session or {})),
        resource=GOOD.resource._replace(**(resource or {})),
        device=GOOD.device._replace(**(device or {})),
        risk=GOOD.risk._replace(**(risk or {})),
        **top,
    )


RESTRICT = Outcome.RESTRICT
HIGH = {"level": 3, "provable_level": 3}
ACCOUNT = {"user_level": 3, "provable_level": 2}
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
    "a device without trust where nobody asks for any": (
        facts(device={"state": "suspended"}), ALLOW, (),
    ),
    "a lost device": (facts(device={"state": "lost"}), REVOKE, ("device_lost",)),
    "a revoked device": (facts(device={"state": "revoked"}), REVOKE, ("device_revoked",)),
    "a retired device": (facts(device={"state": "retired"}), ALLOW, ()),
    "a device of an unknown state": (
        facts(device={"state": "borrowed"}), DENY, ("policy_undefined",),
    ),
    "an application that wants more trust": (
        facts(device={"tier": 1}, resource={"required_tier": 2}), DENY,
        ("device_trusted_too_little",),
    ),
    "an application that has its trust": (
        facts(device={"tier": 2}, resource={"required_tier": 2}), ALLOW, (),
    ),
    "a role that wants more trust": (
        facts(device={"tier": 1}, role_tiers={"db-admin": 2}), RESTRICT, ("roles_withheld",),
    ),
    "a role that has its trust": (
        facts(device={"tier": 2}, role_tiers={"db-admin": 2}), ALLOW, (),
    ),
    "a scope that wants more trust": (
        facts(resource={"scope_tiers": {"db.write": 1}}), RESTRICT, ("scopes_withheld",),
    ),
    "a step-up before a restriction": (
        facts(session={"level": 1}, role_level=2, role_tiers={"db-admin": 2}), STEP_UP,
        ("role_requires_stronger_authentication", "roles_withheld"),
    ),
    "a locked user": (facts(locks=("user",)), REVOKE, ("user_locked",)),
    "a locked session": (facts(locks=("session",)), REVOKE, ("session_locked",)),
    "a locked device": (facts(locks=("device",)), REVOKE, ("device_locked",)),
    "a locked credential": (facts(locks=("credential",)), REVOKE, ("credential_locked",)),
    "a locked application": (facts(locks=("client",)), DENY, ("client_locked",)),
    "a locked address": (facts(locks=("address",)), DENY, ("address_locked",)),
    "two locks": (facts(locks=("address", "user")), REVOKE, ("address_locked", "user_locked")),
    "a lock on what nobody knows": (facts(locks=("planet",)), DENY, ("planet_locked",)),
    "a medium risk": (facts(risk={"level": 2, "provable_level": 3}), ALLOW, ()),
    "a high risk": (
        facts(risk=HIGH, session={"level": 3}), STEP_UP, ("sign_in_at_risk",),
    ),
    "a high risk, answered": (
        facts(risk=HIGH | {"is_answered": True}, session={"level": 3}), ALLOW, (),
    ),
    "a high risk, answered by a code of somebody with a passkey": (
        facts(risk=HIGH | {"is_answered": True}), STEP_UP, ("sign_in_at_risk",),
    ),
    "a high risk, answered by a code of somebody without a passkey": (
        facts(risk={"level": 3, "provable_level": 2, "is_answered": True}), ALLOW, (),
    ),
    "a high risk, and a password alone": (
        facts(risk={"level": 3, "provable_level": 1, "is_answered": True}, session={"level": 1}),
        DENY, ("sign_in_at_risk",),
    ),
    "a high risk that nobody can answer": (
        facts(risk={"level": 3}), DENY, ("sign_in_at_risk",),
    ),
    "an account at high risk": (facts(risk=ACCOUNT), STEP_UP, ("account_at_risk",)),
    "an account at high risk, answered": (
        facts(risk=ACCOUNT | {"is_user_answered": True}), ALLOW, (),
    ),
    "an account at high risk, answered before it was": (
        facts(risk=ACCOUNT | {"is_answered": True}), STEP_UP, ("account_at_risk",),
    ),
    "a key shown lately": (
        facts(session={"binding": "dbsc", "proof_age": 900, "authentication_age": 9000},
              trigger=Trigger.REQUEST),
        ALLOW, (),
    ),
    "a key not shown lately": (
        facts(session={"binding": "dbsc", "proof_age": 901, "authentication_age": 9000},
              trigger=Trigger.REQUEST),
        STEP_UP, ("binding_proof_too_old",),
    ),
    "a key never shown": (
        facts(session={"binding": "webcrypto", "proof_age": -1, "authentication_age": 9000},
              trigger=Trigger.AUTHORIZE),
        STEP_UP, ("binding_proof_too_old",),
    ),
    "a key not shown lately, and nobody at the browser": (
        facts(session={"binding": "dbsc", "proof_age": 9000, "authentication_age": 9000}),
        ALLOW, (),
    ),
    "a key not shown lately, but its owner": (
        facts(session={"binding": "dbsc", "proof_age": 901, "authentication_age": 900},
              trigger=Trigger.REQUEST),
        ALLOW, (),
    ),
    "unbound where sessions must be bound": (
        facts(binding_is_required=True, session={"age": 121}), DENY, ("session_unbound",),
    ),
    "unbound so far": (facts(binding_is_required=True, session={"age": 120}), ALLOW, ()),
    "bound where sessions must be bound": (
        facts(binding_is_required=True,
              session={"age": 999, "binding": "webcrypto", "proof_age": 1}),
        ALLOW, (),
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
    assert decision.is_allowed is (outcome in {ALLOW, RESTRICT})
    assert decision.revision == engine.revision()


@pytest.mark.parametrize("trigger", list(Trigger))
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row[1] is REVOKE])
def test_what_ends_a_session_ends_it_at_every_use(trigger, name):
    assert engine.decide(ROWS[name][0]._replace(trigger=trigger)).outcome is REVOKE


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


def test_a_risk_is_answered_by_a_passkey_from_whoever_has_one():
    decision = engine.decide(facts(risk={"level": 3, "provable_level": 4}))

    assert (decision.required_level, decision.max_age) == (Level.PHR, 0)


def test_what_is_withheld_is_named():
    decision = engine.decide(
        facts(
            device={"tier": 1},
            role_tiers={"db-admin": 2, "reader": 1},
            resource={"scope_tiers": {"db.write": 4, "db.read": 1}},
        )
    )

    assert decision.withheld_roles == {"db-admin"}
    assert decision.withheld_scopes == {"db.write"}
    assert decision.scope_of("openid db.read db.write") == "openid db.read"


def test_who_has_no_device_has_no_trust():
    assert DeviceFacts() == DeviceFacts(is_enrolled=False, state="", tier=0, posture_age=-1)
    assert RiskFacts().level == 0


def test_no_max_age_is_none():
    assert engine.decide(GOOD).max_age is None
    assert ResourceFacts().max_age == -1


def test_each_decision_has_a_name_of_its_own():
    assert engine.decide(GOOD).decision_id != engine.decide(GOOD).decision_id
