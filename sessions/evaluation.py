"""The one gate: whether a session is still good, and good enough for what is asked.

`evaluate` collects facts by one statement, asks policy, applies the decision and writes it down.
Machine endpoints collect the same facts inside their own statement: they take `FACT_COLUMNS`,
`session` and `fact_params` from here, and hand the row to `judge`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit.events import Event
from audit.recorder import record, request_address
from core import clock, prepared
from core.assurance import Level
from core.clock import SQL_NOW as NOW
from core.prepared import Row
from devices.models import State
from mfa.flows import strongest_level
from policy import engine
from policy.decision import Decision, Outcome
from policy.facts import (
    NOTHING,
    DeviceFacts,
    Facts,
    NetworkFacts,
    ResourceFacts,
    RiskFacts,
    SessionFacts,
    Trigger,
    UserFacts,
)
from policy.journal import About
from policy.versions import ACTIVE_REVISION
from risk.levels import RiskLevel
from sessions import flows
from sessions.conditions import device_tier
from sessions.models import EndReason, LoginSession
from sessions.rights import HELD, has_dated, rights_of

# Aliases: s = login session (`session`); c = the client that asks: its `client_id`. What gives a
# column or two is looked up beside the joins: each join is made ready for all columns that pass
# through it, which costs more than the look. What most sessions have nothing of stands in functions
# of the database, which are made ready where they are called: they see what the statement sees.
# user_is: active; of the session's stamp; of a proven address; of an active organisation.
_FROM_ADDRESS = "CAST(%(from_address)s AS inet)"
FACT_COLUMNS = f"""
  {ACTIVE_REVISION} AS policy_revision,
  (SELECT ARRAY[u.is_active, u.security_stamp = s.security_stamp, EXISTS (
            SELECT 1 FROM account_emailaddress e
             WHERE e.user_id = u.id AND e.verified AND lower(e.email) = u.email), (
            SELECT o.is_active FROM accounts_organisation o WHERE o.id = s.organisation_id)]
     FROM accounts_user u WHERE u.id = s.user_id) AS user_is,
  (s.ended_at IS NOT NULL) AS session_is_ended,
  s.user_id, s.id AS session_id, s.started_at AS session_started_at,
  s.last_used_at, s.expires_at AS session_expires_at, s.acr, s.amr, s.auth_time,
  s.binding, s.proven_at, s.risk_level,
  (SELECT jsonb_build_array(k.level, s.auth_time > k.raised_at)
     FROM risk_userrisk k WHERE k.user_id = s.user_id AND k.ends_at > {NOW}) AS user_risk,
  (SELECT jsonb_build_array(d.state, d.reported_at, d.tier_ends_at)
     FROM devices_browser b CROSS JOIN LATERAL (
            SELECT d.state, d.reported_at, d.tier_ends_at FROM devices_device d
             WHERE d.id = b.device_id OFFSET 0) d
    WHERE b.id = s.browser_id) AS device,
  (s.address <> {_FROM_ADDRESS}) IS TRUE AS address_has_changed,
  CASE WHEN s.has_locks
       THEN sessions_locks(s.id, c.client_id, {_FROM_ADDRESS}, %(clock_offset)s)
       ELSE '{{}}' END AS locks,
  {HELD} AS held_roles,
  {NOW} AS now
"""


def session(condition: str) -> str:
    """The FROM item `s` of a statement with FACT_COLUMNS, LATERAL where others stand before it.

    condition: SQL over `s`, a constant of ours. has_locks: whether its organisation has any. OFFSET
    keeps it one look by the condition: joined, it is read whole where there are few sessions.
    """
    return f"""(
  SELECT s.id, s.user_id, s.organisation_id, s.browser_id, s.security_stamp, s.started_at,
         s.last_used_at, s.expires_at, s.ended_at, s.acr, s.amr, s.auth_time, s.binding,
         s.proven_at, s.risk_level, s.address, EXISTS (
           SELECT 1 FROM accounts_lock l
            WHERE l.organisation_id = s.organisation_id AND l.lifted_at IS NULL) AS has_locks
    FROM idp_sessions_loginsession s WHERE {condition} OFFSET 0) s"""


COLLECT = f"""
SELECT {FACT_COLUMNS} FROM {session("s.id = %(id)s")}
 CROSS JOIN (SELECT CAST(%(client_name)s AS text) AS client_id) c
"""


class Resource(NamedTuple):
    """What is asked for at this use. max_age: since authentication.

    client_name: the `client_id` of who asks, where a statement does not know it anyway.
    required_tier, scope_tiers: of the device, for the client and for single scopes of it.
    """

    client_is_active: bool = True
    required_level: Level = Level.NONE
    max_age: timedelta | None = None
    client_name: str | None = None
    required_tier: int = 0
    scope_tiers: Mapping[str, int] = NOTHING


ANYTHING = Resource()

_END_REASONS = {
    "session_ended": EndReason.REVOKED,
    "session_idle": EndReason.IDLE,
    "session_expired": EndReason.EXPIRED,
    "credentials_changed": EndReason.CREDENTIALS_CHANGED,
    "user_locked": EndReason.LOCKED,
    "session_locked": EndReason.LOCKED,
    "device_locked": EndReason.LOCKED,
    "credential_locked": EndReason.LOCKED,
    "device_lost": EndReason.DEVICE_GONE,
    "device_revoked": EndReason.DEVICE_GONE,
}


def fact_params() -> dict[str, Any]:
    """What a statement with FACT_COLUMNS binds for them."""
    return {"clock_offset": clock.offset(), "from_address": request_address.get()}


def evaluate(
    *,
    session_id: UUID,
    trigger: Trigger,
    now: datetime,
    resource: Resource = ANYTHING,
) -> Decision:
    """Judge a session, apply the decision, and return it.

    A session that does not exist is denied. On revoke the session is ended in the transaction of
    the caller. A revoke or a denial is written to audit; what an "allow" leads to writes itself.
    """
    with transaction.atomic():
        row = _collect(session_id, resource)
        if row is None:
            return Decision.denied("session_unknown", engine.revision())
        facts = facts_of(row, trigger, resource)
        about = About(row["user_id"], session_id, resource.client_name or "")
        decision = engine.decide(facts, active=row["policy_revision"], about=about)
        _apply(session_id, facts, decision, now)
        return decision


def look(*, session_id: UUID, trigger: Trigger, resource: Resource = ANYTHING) -> Decision:
    """Judge a session and change nothing, by one statement."""
    row = _collect(session_id, resource)
    if row is None:
        return Decision.denied("session_unknown", engine.revision())
    return judge(row, trigger=trigger, resource=resource)


def judge(row: Row, *, trigger: Trigger, resource: Resource = ANYTHING) -> Decision:
    """Ask policy about facts that a statement with FACT_COLUMNS collected."""
    client = row.get("client_name") or resource.client_name or ""
    return engine.decide(
        facts_of(row, trigger, resource),
        active=row["policy_revision"],
        about=About(row["user_id"], row.get("session_id"), client),
    )


def is_whole(row: Row) -> bool:
    """Whether `judge` looks at this row alone: of some sessions it asks for more."""
    return not has_dated(row) and max(row["risk_level"], user_risk(row)[0]) < RiskLevel.HIGH


def facts_of(row: Row, trigger: Trigger, resource: Resource) -> Facts:
    now: datetime = row["now"]
    idle: timedelta = settings.SESSION_IDLE_LIFETIME
    rights = rights_of(row)
    is_active, stamp_matches, email_verified, organisation_is_active = row["user_is"]
    return Facts(
        trigger=trigger,
        organisation_is_active=organisation_is_active,
        user=UserFacts(
            is_active=is_active,
            email_verified=email_verified,
            stamp_matches=stamp_matches,
        ),
        session=SessionFacts(
            is_ended=row["session_is_ended"],
            idle_remaining=_remaining(row["last_used_at"] + idle - now),
            absolute_remaining=_remaining(row["session_expires_at"] - now),
            level=Level.from_acr(row["acr"]),
            authentication_age=_seconds(now - row["auth_time"]),
            methods=tuple(row["amr"]),
            binding=row["binding"],
            proof_age=-1 if row["proven_at"] is None else _seconds(now - row["proven_at"]),
            age=_seconds(now - row["session_started_at"]),
        ),
        device=_device_of(row, now),
        risk=_risk_of(row),
        network=NetworkFacts(has_changed=row["address_has_changed"]),
        locks=tuple(row["locks"]),
        role_level=rights.level,
        role_tiers=rights.tiers,
        binding_is_required=settings.SESSION_BINDING == "required",
        resource=ResourceFacts(
            client_is_active=resource.client_is_active,
            required_level=resource.required_level,
            max_age=-1 if resource.max_age is None else _seconds(resource.max_age),
            required_tier=resource.required_tier,
            scope_tiers=resource.scope_tiers,
        ),
    )


def _risk_of(row: Mapping[str, Any]) -> RiskFacts:
    """What the person could prove is another statement, and asked only where it is needed."""
    level = row["risk_level"]
    user_level, is_user_answered = user_risk(row)
    is_high = max(level, user_level) >= RiskLevel.HIGH
    return RiskFacts(
        level=level,
        is_answered=row["auth_time"] > row["session_started_at"],
        user_level=user_level,
        is_user_answered=is_user_answered,
        provable_level=strongest_level(User(pk=row["user_id"])) if is_high else 0,
    )


def is_email_verified(row: Mapping[str, Any]) -> bool:
    """Whether the user of the session proved the address of the account."""
    _, _, is_verified, _ = row["user_is"]
    return bool(is_verified)


def user_risk(row: Mapping[str, Any]) -> tuple[int, bool]:
    """What is known against the account, 0 to 3, and whether its user was proven since."""
    level, is_answered = row["user_risk"] or (0, False)
    return level, is_answered


_NO_DEVICE = DeviceFacts()


def _device_of(row: Mapping[str, Any], now: datetime) -> DeviceFacts:
    if row["device"] is None:
        return _NO_DEVICE
    state, reported_at, _ = row["device"]
    return DeviceFacts(
        is_enrolled=state == State.ENROLLED,
        state=state,
        tier=device_tier(row),
        posture_age=_seconds(now - datetime.fromisoformat(reported_at)) if reported_at else -1,
    )


def _seconds(duration: timedelta) -> int:
    return int(duration.total_seconds())


def end_reason(reasons: Sequence[str]) -> EndReason:
    """Why a session that policy revoked ended, for people."""
    return next((_END_REASONS[r] for r in reasons if r in _END_REASONS), EndReason.REVOKED)


def _remaining(left: timedelta) -> int:
    """Whole seconds left, rounded up while there is any: the end is exact."""
    return -int(-left.total_seconds() // 1)


def _collect(session_id: UUID, resource: Resource) -> Row | None:
    params = {"id": session_id, "client_name": resource.client_name, **fact_params()}
    return prepared.one(COLLECT, params)


def _apply(session_id: UUID, facts: Facts, decision: Decision, now: datetime) -> None:
    LoginSession.unscoped.filter(id=session_id).update(
        outcome=decision.outcome.value, evaluated_at=now, verdict=_verdict(facts, decision)
    )
    if decision.outcome is Outcome.REVOKE:
        session = LoginSession.unscoped.select_for_update().get(id=session_id)
        if session.ended_at is None:
            flows.end_session(
                session=session,
                reason=end_reason(decision.reasons),
                now=now,
                because=_because(facts, decision),
            )
    elif decision.outcome is Outcome.DENY:
        session = LoginSession.unscoped.get(id=session_id)
        record(
            Event.SESSION_DENIED,
            organisation_id=session.organisation_id,
            actor=f"accounts.User:{session.user_id}",
            subject=session,
            session_id=session.id,
            now=now,
            **_because(facts, decision),
        )


def _because(facts: Facts, decision: Decision) -> dict[str, Any]:
    """What audit keeps of a decision."""
    return {
        "trigger": facts.trigger.value,
        "reasons": decision.reasons,
        "decision_id": decision.decision_id,
        "policy_revision": decision.revision,
    }


def _verdict(facts: Facts, decision: Decision) -> dict[str, Any]:
    """Why it was decided so, for people: what policy saw, and what it answered."""
    verdict = {
        "facts": facts.document(),
        "reasons": decision.reasons,
        "decision_id": decision.decision_id,
        "policy_revision": decision.revision,
        "withheld_scopes": sorted(decision.withheld_scopes),
        "withheld_roles": sorted(decision.withheld_roles),
    }
    told: dict[str, Any] = json.loads(json.dumps(verdict, default=str))
    return told
