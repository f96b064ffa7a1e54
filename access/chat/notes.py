"""What rooms are to be told, written down with what happened.

Whatever becomes of the message, what happened has happened: nothing here waits for anybody. A room
that is far behind is told no more until it has caught up, so that it cannot fill the table.
"""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Count, Q

from access.alerts import Alert, Kind, alerts_of
from access.chat.models import TEST, ChatDelivery, ChatWebhook, Happening
from access.models import AccessReview, EventKind, Grant
from audit.recorder import ref
from core import background

MAX_WAITING = 500
MAX_ALERTS_TOLD = 10
TASK = "access.tasks.tell_rooms"
OF_KINDS: Mapping[str, Happening] = {
    EventKind.REQUESTED: Happening.REQUESTED,
    EventKind.APPROVED: Happening.APPROVED,
    EventKind.DENIED: Happening.DENIED,
    EventKind.ACTIVATED: Happening.ACTIVATED,
    EventKind.PUBLISHED: Happening.ACTIVATED,
    EventKind.SUSPENDED: Happening.TAKEN_AWAY,
    EventKind.REVOKED: Happening.TAKEN_AWAY,
}
OF_AN_EMERGENCY: Mapping[str, Happening] = {
    EventKind.ACTIVATED: Happening.BREAK_GLASS,
    EventKind.SUSPENDED: Happening.TAKEN_AWAY,
    EventKind.REVOKED: Happening.TAKEN_AWAY,
}

log = structlog.get_logger(__name__)


def of_grant(
    grant: Grant, kind: EventKind, *, actor: str, facts: Mapping[str, Any], now: datetime
) -> None:
    """A line of a timeline. actor: a typed reference, "" for time or rule."""
    happening = (OF_AN_EMERGENCY if grant.is_break_glass else OF_KINDS).get(kind)
    if happening is None:
        return
    told = {name: facts[name] for name in ("reason", "cause", "ends_at") if facts.get(name)}
    _write(
        _wanting(grant.organisation_id, happening),
        happening,
        now=now,
        grant=grant,
        about={"kind": EventKind(kind).value, "actor": actor, **told},
    )


def of_review(review: AccessReview, *, now: datetime) -> None:
    happening = Happening.REVIEW_DUE
    _write(_wanting(review.organisation_id, happening), happening, now=now, review=review)


def of_test(webhook: ChatWebhook, *, now: datetime) -> None:
    _write([webhook], TEST, now=now)


def of_alerts(*, now: datetime) -> int:
    """Tell each room of the alerts that are new to it, in one message; returns how many rooms.

    One that has passed is forgotten: should it come again, it is told again.
    """
    wanting = ChatWebhook.unscoped.filter(happenings__contains=[Happening.ALERT.value])
    told = 0
    for organisation_id in sorted(set(wanting.values_list("organisation_id", flat=True))):
        found = alerts_of(organisation_id=organisation_id, now=now)
        digests = {_digest(each): each for each in found}
        with transaction.atomic():
            rooms = wanting.filter(organisation_id=organisation_id).order_by("pk")
            for room in rooms.select_for_update(skip_locked=True):
                told += _tell_of_alerts(room, digests, now)
    return told


def _tell_of_alerts(room: ChatWebhook, digests: Mapping[str, Alert], now: datetime) -> bool:
    new = [alert for digest, alert in digests.items() if digest not in room.told]
    if set(room.told) != set(digests):
        room.told = sorted(digests)
        room.save(update_fields=["told"])
    if not new:
        return False
    about = {
        "count": len(new),
        "alerts": [
            {"kind": each.kind.value, "user": str(each.user.pk), "what": each.what}
            | ({"resources": each.resources} if each.resources else {})
            for each in new[:MAX_ALERTS_TOLD]
        ],
    }
    _write([room], Happening.ALERT, now=now, about=about)
    return True


def _wanting(organisation_id: Any, happening: Happening) -> list[ChatWebhook]:
    return list(
        ChatWebhook.objects.within_id(organisation_id)
        .filter(happenings__contains=[happening.value])
        .annotate(waiting=Count("deliveries", Q(deliveries__next_attempt_at__isnull=False)))
        .defer("told")
        .order_by("pk")
    )


def _write(
    rooms: list[ChatWebhook],
    happening: str,
    *,
    now: datetime,
    grant: Grant | None = None,
    review: AccessReview | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    rows = []
    for room in rooms:
        if getattr(room, "waiting", 0) >= MAX_WAITING:
            log.warning("a chat room is too far behind to be told", webhook=ref(room))
            continue
        rows.append(
            ChatDelivery(
                organisation_id=room.organisation_id, webhook=room, happening=happening,
                grant=grant, review=review, about=dict(about or {}), created_at=now,
                next_attempt_at=now,
            )
        )  # fmt: skip
    if not rows:
        return
    ChatDelivery.unscoped.bulk_create(rows)
    transaction.on_commit(lambda: background.hurry(TASK))


def _digest(alert: Alert) -> str:
    """What makes it another one. How often is counted back from now, so that since says nothing."""
    since = "" if alert.kind is Kind.OFTEN or alert.since is None else alert.since.isoformat()
    parts = "\n".join((alert.kind.value, str(alert.user.pk), alert.what, since))
    return sha256(parts.encode()).hexdigest()[:16]
