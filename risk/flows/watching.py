"""What is done after signing in, against what is usual in the organisation."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.events import Event
from audit.models import AuditEvent
from risk.evidence import Evidence, Grammar, grammar, unusual_actions
from risk.flows.accounts import raise_user_risk
from risk.levels import RiskLevel
from risk.models import SignIn
from risk.score import calibration

LEARNT_FROM = timedelta(days=14)
LEARNT_EVENTS = 20_000
WATCHED = timedelta(minutes=30)
ACTIONS = 12
# Written about a sign-in by the product itself, at each alike.
OWN = (Event.SESSION_STARTED, Event.LOGIN_ASSESSED)


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
    rows = (
        AuditEvent.objects.filter(
            organisation_id=organisation_id,
            actor__startswith="accounts.User:",
            at__gt=now - LEARNT_FROM,
            at__lte=now - WATCHED,
        )
        .order_by("-at", "-id")
        .values_list("actor", "event", "at")[:LEARNT_EVENTS]
    )
    return grammar(_sequences(reversed(list(rows))))


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


def _sequences(rows: Iterable[tuple[str, str, datetime]]) -> Iterable[Sequence[str]]:
    """Each sign-in with what its user did next, from all events in the order of time."""
    running: dict[str, tuple[datetime, list[str]]] = {}
    for actor, event, at in rows:
        if event == Event.SESSION_STARTED:
            if actor in running:
                yield running[actor][1]
            running[actor] = (at, [event])
        elif actor in running and event not in OWN:
            began, actions = running[actor]
            if at - began <= WATCHED and len(actions) <= ACTIONS:
                actions.append(event)
    yield from (actions for _, actions in running.values())
