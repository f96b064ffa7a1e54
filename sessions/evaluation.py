"""The one gate: whether a session is still good, and good enough for what is asked.

`evaluate` collects facts by one statement, asks policy, applies the decision and writes it down.
Machine endpoints collect the same facts inside their own statement: they take `FACT_COLUMNS`,
`FACT_JOINS` and `FACT_PARAMS` from here, and hand the row to `judge`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from audit.events import Event
from audit.recorder import record
from core import clock
from core.assurance import ACR_VALUES, Level
from core.clock import SQL_NOW as NOW
from policy import engine
from policy.decision import Decision, Outcome
from policy.facts import Facts, ResourceFacts, SessionFacts, Trigger, UserFacts
from sessions import flows
from sessions.models import EndReason, LoginSession

# Aliases: s = login session, u = user, o = organisation. `%(now)s` stays the database's clock.
FACT_COLUMNS = f"""
  o.is_active AS organisation_is_active,
  u.is_active AS user_is_active,
  (u.security_stamp = s.security_stamp) AS stamp_matches,
  EXISTS (SELECT 1 FROM account_emailaddress e
           WHERE e.user_id = u.id AND e.verified AND lower(e.email) = u.email) AS email_verified,
  (s.ended_at IS NOT NULL) AS session_is_ended,
  s.last_used_at, s.expires_at AS session_expires_at, s.acr, s.amr, s.auth_time,
  COALESCE(live.role_level, 0) AS role_level, live.roles,
  {NOW} AS now
"""
_ACR_VALUES = f"ARRAY[{', '.join(repr(acr) for acr in ACR_VALUES)}]"
FACT_JOINS = f"""
  JOIN accounts_user u ON u.id = s.user_id
  JOIN accounts_organisation o ON o.id = s.organisation_id
  CROSS JOIN LATERAL (
    SELECT max(array_position({_ACR_VALUES}, r.required_acr) - 1) AS role_level,
           array_agg(r.name ORDER BY r.name) AS roles
      FROM accounts_role r
     WHERE r.id IN (
       SELECT ra.role_id FROM accounts_roleassignment ra
        WHERE ra.user_id = u.id AND ra.ended_at IS NULL
          AND ra.starts_at <= {NOW}
          AND (ra.ends_at IS NULL OR ra.ends_at > {NOW})
       UNION ALL
       SELECT gr.role_id FROM accounts_groupmember gm
         JOIN accounts_grouprole gr ON gr.group_id = gm.group_id
        WHERE gm.user_id = u.id)) live
"""
COLLECT = f"SELECT {FACT_COLUMNS} FROM idp_sessions_loginsession s {FACT_JOINS} WHERE s.id = %(id)s"


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for at this use. max_age: since authentication."""

    client_is_active: bool = True
    required_level: Level = Level.NONE
    max_age: timedelta | None = None


ANYTHING = Resource()

_END_REASONS = {
    "session_ended": EndReason.REVOKED,
    "session_idle": EndReason.IDLE,
    "session_expired": EndReason.EXPIRED,
    "credentials_changed": EndReason.CREDENTIALS_CHANGED,
}


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
        row = _collect(session_id)
        if row is None:
            return Decision.denied("session_unknown", engine.revision())
        decision = judge(row, trigger=trigger, resource=resource)
        _apply(session_id, trigger, decision, now)
        return decision


def judge(row: Mapping[str, Any], *, trigger: Trigger, resource: Resource = ANYTHING) -> Decision:
    """Ask policy about facts that a statement with FACT_COLUMNS collected."""
    return engine.decide(facts_of(row, trigger, resource))


def facts_of(row: Mapping[str, Any], trigger: Trigger, resource: Resource) -> Facts:
    now: datetime = row["now"]
    idle: timedelta = settings.SESSION_IDLE_LIFETIME
    return Facts(
        trigger=trigger,
        organisation_is_active=row["organisation_is_active"],
        user=UserFacts(
            is_active=row["user_is_active"],
            email_verified=row["email_verified"],
            stamp_matches=row["stamp_matches"],
        ),
        session=SessionFacts(
            is_ended=row["session_is_ended"],
            idle_remaining=_remaining(row["last_used_at"] + idle - now),
            absolute_remaining=_remaining(row["session_expires_at"] - now),
            level=Level.from_acr(row["acr"]),
            authentication_age=int((now - row["auth_time"]).total_seconds()),
            methods=tuple(row["amr"]),
        ),
        role_level=row["role_level"],
        resource=ResourceFacts(
            client_is_active=resource.client_is_active,
            required_level=resource.required_level,
            max_age=-1 if resource.max_age is None else int(resource.max_age.total_seconds()),
        ),
    )


def end_reason(reasons: Sequence[str]) -> EndReason:
    """Why a session that policy revoked ended, for people."""
    return next((_END_REASONS[r] for r in reasons if r in _END_REASONS), EndReason.REVOKED)


def _remaining(left: timedelta) -> int:
    """Whole seconds left, rounded up while there is any: the end is exact."""
    return -int(-left.total_seconds() // 1)


def _collect(session_id: UUID) -> Mapping[str, Any] | None:
    with connection.cursor() as cursor:
        params: dict[str, Any] = {"id": session_id, "clock_offset": clock.offset()}
        cursor.execute(COLLECT, params)
        values = cursor.fetchone()
        if values is None:
            return None
        return dict(zip((column.name for column in cursor.description), values, strict=True))


def _apply(session_id: UUID, trigger: Trigger, decision: Decision, now: datetime) -> None:
    LoginSession.unscoped.filter(id=session_id).update(
        outcome=decision.outcome.value, evaluated_at=now
    )
    if decision.outcome is Outcome.REVOKE:
        session = LoginSession.unscoped.select_for_update().get(id=session_id)
        if session.ended_at is None:
            flows.end_session(session=session, reason=end_reason(decision.reasons), now=now)
    elif decision.outcome is Outcome.DENY:
        session = LoginSession.unscoped.get(id=session_id)
        record(
            Event.SESSION_DENIED,
            organisation_id=session.organisation_id,
            actor=f"accounts.User:{session.user_id}",
            subject=session,
            session_id=session.id,
            now=now,
            trigger=trigger.value,
            reasons=decision.reasons,
            decision_id=decision.decision_id,
            policy_revision=decision.revision,
        )
