"""Sending what rooms are to be told, by a worker; the rest is `core.outbox`.

A room gets so many messages a minute, the others wait; what has waited for a day is news no more.
No address is followed elsewhere, and nothing that a room answers is kept.
"""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from access.chat import formats
from access.chat.messages import message_of
from access.chat.models import ChatDelivery, ChatWebhook
from audit.events import Event
from audit.recorder import record
from core import outbound, outbox, webhooks
from core.outbound import RedirectedError
from core.outbox import Attempt, NotAcceptedError
from protection.keyring import KeyUnavailable

IN_A_MINUTE = 20  # Slack takes one a second, Teams four, each with a little more at once
MINUTE = timedelta(minutes=1)
NEWS_FOR = timedelta(days=1)
KEPT_FOR = timedelta(days=7)
LONGEST_PAUSE = timedelta(minutes=10)
JSON = "application/json"
TOO_MANY = 429
PASSING = frozenset({408, 425, TOO_MANY})


def deliver_next(*, now: datetime, without: Collection[UUID] = ()) -> Attempt | None:
    """Try the next message that is due, as the outbox does it; None when there is none."""
    left_alone = {*without, *_full(now)}
    return outbox.try_next(ChatDelivery, send=_send, abandon=_abandon, now=now, without=left_alone)


@transaction.atomic
def give_up_old(*, now: datetime) -> int:
    """Settle what has waited for too long, one event for each room; returns how many messages."""
    old = ChatDelivery.unscoped.filter(
        next_attempt_at__isnull=False, created_at__lte=now - NEWS_FOR
    )
    locked = list(old.select_related("webhook").select_for_update(skip_locked=True, of=("self",)))
    rooms: dict[UUID, list[ChatDelivery]] = {}
    for row in locked:
        rooms.setdefault(row.webhook_id, []).append(row)
    for rows in rooms.values():
        ChatDelivery.unscoped.filter(pk__in=[row.pk for row in rows]).update(
            next_attempt_at=None, last_error="it waited for too long"
        )
        rows[0].last_error = "it waited for too long"
        _abandon(rows[0], now, messages=len(rows))
    return len(locked)


def purge(*, now: datetime) -> int:
    deleted, _ = ChatDelivery.unscoped.filter(created_at__lt=now - KEPT_FOR).delete()
    return deleted


def _full(now: datetime) -> list[UUID]:
    """Rooms that have had enough for this minute."""
    lately = ChatDelivery.unscoped.filter(delivered_at__gt=now - MINUTE).order_by()
    told = lately.values("webhook_id").annotate(times=Count("pk"))
    return list(told.filter(times__gte=IN_A_MINUTE).values_list("webhook_id", flat=True))


def _send(row: ChatDelivery, now: datetime) -> None:
    """POST the message; raises unless the room takes it."""
    room = row.webhook
    try:
        url, key = bytes(room.url).decode(), room.key
        body = formats.body_of(message_of(row), room.format)
    except KeyUnavailable as error:
        raise NotAcceptedError("the key of its address is away", is_final=False) from error
    headers = {} if key is None else webhooks.signed(bytes(key), str(row.pk), body, now=now)
    try:
        answer = outbound.post(
            url,
            body=body,
            content_type=JSON,
            headers=headers,
            limit_bytes=outbox.ANSWER_LIMIT_BYTES,
            timeout=outbox.TIMEOUT_SECONDS,
        )
    except RedirectedError as error:
        raise NotAcceptedError("it answers from elsewhere", is_final=True) from error
    status = answer.status
    if not 200 <= status < 300:  # noqa: PLR2004 - a class of status
        is_final = status < 500 and status not in PASSING  # noqa: PLR2004
        raise NotAcceptedError(
            f"answered {status}", is_final=is_final, pause=_pause(answer.headers.get("retry-after"))
        )


def _pause(asked: str | None) -> timedelta:
    """How long the room wants to be left alone (RFC 9110 §10.2.3, in seconds), within reason."""
    if asked is None or not (asked.isascii() and asked.isdigit() and len(asked) < 7):  # noqa: PLR2004
        return timedelta(0)
    return min(timedelta(seconds=int(asked)), LONGEST_PAUSE)


def _abandon(row: ChatDelivery, now: datetime, *, messages: int = 1) -> None:
    record(
        Event.CHAT_ABANDONED,
        organisation_id=row.organisation_id,
        subject=row.webhook,
        now=now,
        name=row.webhook.name,
        host=row.webhook.host,
        happening=row.happening,
        messages=messages,
        attempts=row.attempts,
        reason=row.last_error,
    )


def latest(rooms: Iterable[ChatWebhook]) -> dict[UUID, ChatDelivery]:
    """By room, what was tried last, for whoever looks whether it works."""
    rows = ChatDelivery.unscoped.filter(webhook__in=list(rooms), attempts__gt=0)
    found = rows.order_by("webhook_id", "-created_at", "-pk").distinct("webhook_id")
    return {row.webhook_id: row for row in found}
