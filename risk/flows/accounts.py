"""The account as a whole: what raises its risk, and what ends that."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import record
from risk import evidence
from risk.levels import RiskLevel
from risk.models import UserRisk
from risk.signals import user_risk_changed

LASTS = {RiskLevel.MEDIUM: timedelta(days=1), RiskLevel.HIGH: timedelta(days=7)}
# What audit writes of one's own account, as steps of a takeover.
CHANGES = {
    Event.EMAIL_CHANGED: "email",
    Event.PASSWORD_CHANGED: "password",
    Event.FACTOR_REMOVED: "factor",
}
STEPS_OF = {2: RiskLevel.MEDIUM, 3: RiskLevel.HIGH}


@transaction.atomic
def raise_user_risk(
    *,
    user_id: UUID,
    organisation_id: UUID,
    level: RiskLevel,
    reason: str,
    now: datetime,
    actor: str | None = None,
) -> UserRisk:
    """Mark the account, at least at this level and for as long as that lasts.

    A level that still holds is never lowered, and its reasons stay beside the new one.
    """
    ends_at = now + LASTS[level]
    risk, is_new = UserRisk.objects.within_id(organisation_id).select_for_update().get_or_create(
        user_id=user_id,
        defaults={
            "organisation_id": organisation_id, "level": level, "reasons": [reason],
            "raised_at": now, "ends_at": ends_at,
        },
    )  # fmt: skip
    previous = RiskLevel.NONE
    if not is_new:
        if risk.ends_at > now:
            previous = RiskLevel(risk.level)
        held = risk.reasons if previous else []
        risk.reasons = [reason, *(each for each in held if each != reason)]
        risk.level = max(level, previous)
        risk.ends_at = max(ends_at, risk.ends_at)
        risk.raised_at = now
        risk.save()
    record(
        Event.USER_RISK_RAISED,
        organisation_id=organisation_id,
        actor=actor,
        subject=f"accounts.User:{user_id}",
        now=now,
        level=RiskLevel(risk.level).label,
        previous=previous.label,
        reason=reason,
    )
    _announce(risk, previous, now)
    return risk


@transaction.atomic
def clear_user_risk(
    *,
    user_id: UUID,
    organisation_id: UUID,
    cause: str,
    actor: str,
    now: datetime,
    raised_after: datetime | None = None,
) -> bool:
    """End the mark; raised_after: only if it was made since. Returns whether there was one."""
    risk = (
        UserRisk.objects.within_id(organisation_id)
        .select_for_update()
        .filter(user_id=user_id, ends_at__gt=now)
        .first()
    )
    if risk is None or (raised_after is not None and risk.raised_at <= raised_after):
        return False
    previous = RiskLevel(risk.level)
    risk.level, risk.ends_at = RiskLevel.NONE, now
    risk.save(update_fields=["level", "ends_at"])
    record(
        Event.USER_RISK_CLEARED,
        organisation_id=organisation_id,
        actor=actor,
        subject=f"accounts.User:{user_id}",
        now=now,
        previous=previous.label,
        cause=cause,
    )
    _announce(risk, previous, now)
    return True


def watch_changes(*, event: AuditEvent) -> None:
    """Look for a takeover when somebody has changed a credential of their own.

    In the transaction of the change: from its commit on the account counts as at risk.
    """
    user_id = _user_of(event.actor)
    if user_id is None or event.organisation_id is None:
        return
    recent = AuditEvent.objects.filter(
        actor=event.actor,
        event__in=list(CHANGES),
        at__gt=event.at - evidence.TAKEOVER_WINDOW,
    )
    changes = recent.order_by("at", "id").values_list("event", "at")
    steps = evidence.takeover(_changes(changes), now=event.at)
    level = STEPS_OF.get(steps)
    if level is not None:
        raise_user_risk(
            user_id=user_id,
            organisation_id=event.organisation_id,
            level=level,
            reason="takeover",
            now=event.at,
        )


def _changes(rows: Iterable[tuple[str, datetime]]) -> list[tuple[str, datetime]]:
    return [(CHANGES[Event(name)], at) for name, at in rows]


def _user_of(reference: str) -> UUID | None:
    label, _, key = reference.partition(":")
    return UUID(key) if label == "accounts.User" else None


def _announce(risk: UserRisk, previous: RiskLevel, now: datetime) -> None:
    level = RiskLevel(risk.level)
    if level == previous:
        return
    transaction.on_commit(
        lambda: user_risk_changed.send(
            UserRisk,
            user_id=risk.user_id,
            organisation_id=risk.organisation_id,
            level=level,
            previous=previous,
            reasons=list(risk.reasons),
            now=now,
        )
    )
