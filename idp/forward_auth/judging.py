"""The verdict about one request to an application, by one statement and the one policy.

Nothing is kept from one request to the next: what was revoked, ended or locked is refused by the
next request after the commit.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from core.assurance import Level
from core.ids import digest
from core.prepared import Row
from idp.forward_auth import rules
from idp.forward_auth.asked import Asked
from idp.forward_auth.rules import Demands
from idp.storage import database
from idp.storage.forward_auth import FIND_PROXIED
from policy import engine
from policy.decision import Decision, Outcome
from policy.evaluator import PolicyUnavailable
from policy.facts import Trigger
from policy.journal import About
from sessions import evaluation
from sessions.conditions import device_tier
from sessions.evaluation import Resource
from sessions.rights import Rights, merged, rights_of

ANSWER = "sallyport/forward_auth/answer"


class Verdict(StrEnum):
    """UNKNOWN: no application of ours is there. SIGN_IN: nobody that we know here, or no longer."""

    ALLOW = "allow"
    SIGN_IN = "sign_in"
    STEP_UP = "step_up"
    DENY = "deny"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Judged:
    """row: what the verdict stands on, None for UNKNOWN. rights: what the application hears of.

    decision: policy's about the session, where there was one. reasons: why not.
    """

    verdict: Verdict
    row: Row | None = None
    decision: Decision | None = None
    rights: Rights = field(default_factory=Rights)
    reasons: tuple[str, ...] = ()


def judge(asked: Asked) -> Judged:
    """Whether the request may pass. Refuses `ambiguous_path`."""
    row = database.one(
        FIND_PROXIED,
        {"origin": asked.origin, "digest": digest(asked.cookie), **evaluation.fact_params()},
    )
    if row is None:
        return Judged(Verdict.UNKNOWN)
    if not row["client_is_active"]:
        return Judged(Verdict.DENY, row, reasons=("client_inactive",))
    demands = rules.demands_of(row["rules"], asked.path)
    if row["forward_id"] is None or not asked.cookie:
        return Judged(Verdict.SIGN_IN, row, reasons=("not_signed_in",))
    if row["binding"] and bytes(row["seen_from"]) != asked.whence():
        # The browser holds a key, which it cannot show here: at our own host it can.
        return Judged(Verdict.SIGN_IN, row, reasons=("elsewhere",))
    row["rights"] = merged(row, row)
    decision = evaluation.judge(
        row, trigger=Trigger.FORWARD_AUTH, resource=resource_of(row, demands)
    )
    verdict = verdict_of(decision)
    if verdict is not Verdict.ALLOW:
        return Judged(verdict, row, decision, reasons=decision.reasons)
    held = rights_of(row).without(decision.withheld_roles)
    reasons = against(asked, row, demands, held)
    verdict = Verdict.DENY if reasons else Verdict.ALLOW
    return Judged(verdict, row, decision, held, reasons)


def verdict_of(decision: Decision) -> Verdict:
    """What policy's word about the session means here."""
    if decision.is_allowed:
        return Verdict.ALLOW
    if decision.outcome is Outcome.REVOKE:
        return Verdict.SIGN_IN
    return Verdict.STEP_UP if decision.outcome is Outcome.STEP_UP else Verdict.DENY


def resource_of(row: Row, demands: Demands) -> Resource:
    """What the application, and the rules of the path, ask of the session."""
    return Resource(
        client_is_active=row["client_is_active"],
        required_level=max(Level.from_acr(row["required_acr"]), demands.level),
        max_age=demands.max_age,
        client_name=row["client_name"],
        required_tier=max(row["required_tier"], demands.tier),
    )


def against(asked: Asked, row: Row, demands: Demands, held: Rights) -> tuple[str, ...]:
    """What speaks against a request of a session that is good; nothing may."""
    document = {
        "client": row["client_name"],
        # Without the query: what stands there may be secret, and answers of policy are kept.
        "request": {
            "method": asked.method,
            "origin": asked.origin,
            "path": asked.path.partition("?")[0],
        },
        "rules": demands.rules,
        "roles": held.roles,
        "limited": limited_to(held),
        "permissions": row["permissions"] or {},
        "session": {
            "level": Level.from_acr(row["acr"]),
            "tier": device_tier(row),
            "network_has_changed": row["address_has_changed"],
        },
    }
    about = About(row["user_id"], row["session_id"], row["client_name"])
    try:
        answer = engine.evaluate(ANSWER, document, active=row["policy_revision"], about=about)
    except PolicyUnavailable:
        return ("policy_unavailable",)
    return _read(answer)


def limited_to(held: Rights) -> list[dict[str, Any]]:
    """Roles that count for one resource alone, each with it; policy is told where that matters."""
    return [
        {"role": one.role, "level": one.level, "tier": one.tier, **resource}
        for one in held.limited
        for resource in one.resources
    ]


def _read(answer: Any) -> tuple[str, ...]:
    """No reasons for a plain yes; any other shape is a no."""
    if answer == {"allow": True, "reasons": []}:
        return ()
    reasons = answer.get("reasons") if isinstance(answer, dict) else None
    if isinstance(reasons, list) and reasons and all(isinstance(r, str) for r in reasons):
        return tuple(sorted(reasons))
    return ("policy_undefined",)
