"""What is done after signing in, against what is usual in the organisation."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.events import Event
from audit.models import AuditEvent
from risk.evidence import Evidence, Grammar, grammar, unusual_actions
from risk.flows.accounts import raise_user_risk
from risk.levels import RiskLevel
from risk.models import SignIn
from risk.score import calibration

LEARNT_FROM = timedelta(days=14)
LEARNT_SIGN_INS = 2_000
WATCHED = timedelta(minutes=30)
ACTIONS = 12
# Written about a sign-in by the product itself, at each alike.
OWN = (Event.SESSION_STARTED, Event.LOGIN_ASSESSED)
# The latest sign-ins of an organisation by an index of their own, and what followed each by that of
# its actor: no more rows than these are read, however much else is written.
FOLLOWED = """
SELECT ARRAY(SELECT e.event FROM audit_auditevent e
              WHERE e.actor = s.actor AND e.at >= s.at AND e.at <= s.at + %(watched)s
                AND e.event <> ALL(%(own)s)
              ORDER BY e.at, e.id LIMIT %(actions)s)
  FROM (SELECT actor, at FROM audit_auditevent
         WHERE organisation_id = %(organisation)s AND event = %(started)s
           AND at > %(since)s AND at <= %(until)s
         ORDER BY at DESC LIMIT %(sign_ins)s) s
"""


def watch_actions(*, now: datetime) -> int:
    """Judge what followed the sign-ins of the last half hour; returns how many stood out.

    What stands out adds to the sign-in's own sum, and raises the account to where that leads.
    """
    recent = SignIn.unscoped.filter(at__gt=now - WATCHED, at__lte=now)
    by_organisation: dict[UUID, list[SignIn]] = {}
    for sign_in in recent.iterator():
        by_organisation.setdefault(sign_in.organisation_id, []).append(sign_in)
    return sum(
        _watch(sign_ins, learn_usual(organisation_id, now=now), now=now)
        for organisation_id, sign_ins in by_organisation.items()
    )


def learn_usual(organisation_id: UUID, *, now: datetime) -> Grammar:
    """What people of an organisation did after signing in, before the watched half hour."""
    params: dict[str, Any] = {
        "organisation": organisation_id,
        "since": now - LEARNT_FROM,
        "until": now - WATCHED,
        "watched": WATCHED,
        "own": [event.value for event in OWN],
        "started": Event.SESSION_STARTED.value,
        "actions": ACTIONS,
        "sign_ins": LEARNT_SIGN_INS,
    }
    with connection.cursor() as cursor:
        cursor.execute(FOLLOWED, params)
        return grammar([Event.SESSION_STARTED.value, *events] for (events,) in cursor)


def actions_after(sign_in: SignIn) -> list[str]:
    """Names of what its user did within half an hour, first things first."""
    rows = (
        AuditEvent.objects.filter(
            actor=f"accounts.User:{sign_in.user_id}",
            at__gte=sign_in.at,
            at__lte=sign_in.at + WATCHED,
        )
        .exclude(event__in=OWN)
        .order_by("at", "id")
        .values_list("event", flat=True)
    )
    return [Event.SESSION_STARTED.value, *rows[:ACTIONS]]


def _watch(sign_ins: Iterable[SignIn], usual: Grammar, *, now: datetime) -> int:
    found = 0
    for sign_in in sign_ins:
        odd = unusual_actions(usual, actions_after(sign_in))
        if odd is not None:
            found += _raise(sign_in, odd, now)
    return found


@transaction.atomic
def _raise(sign_in: SignIn, odd: Evidence, now: datetime) -> bool:
    """Note what stood out, once; whether this call did it. Two workers may see the same."""
    rows = SignIn.objects.within_id(sign_in.organisation_id).select_for_update()
    locked = rows.filter(pk=sign_in.pk).first()
    if locked is None or any(code == odd.code for code, _ in locked.reasons):
        return False
    log_odds = locked.log_odds + odd.weight
    level = max(RiskLevel.MEDIUM, calibration().level(log_odds))
    locked.reasons = [[odd.code, odd.weight], *locked.reasons]
    locked.save(update_fields=["reasons"])
    raise_user_risk(
        user_id=locked.user_id,
        organisation_id=locked.organisation_id,
        level=level,
        reason=odd.code,
        now=now,
    )
    return True
