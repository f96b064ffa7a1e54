"""Telling clients something by a worker, at least once: what every kind of delivery shares.

A row is claimed by moving its next attempt. First tries go before repetitions, so that a client
that is down delays nobody else's. Whatever is told, the client is asked by `core.outbound`.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.db import transaction

from core import clock
from core.outbound import OutboundError
from idp.models.delivery import Delivery

D = TypeVar("D", bound=Delivery)

FIRST_PAUSE = timedelta(seconds=15)
MAX_ATTEMPTS = 8  # over half an hour
TIMEOUT_SECONDS = 5.0
ANSWER_LIMIT_BYTES = 4096
ROUND_SECONDS = 15.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One try. client_id: the row's id of the client; accepted: whether it took it."""

    client_id: UUID
    accepted: bool


class NotAcceptedError(Exception):
    """The client did not take it. is_final: it never will."""

    def __init__(self, why: str, *, is_final: bool) -> None:
        super().__init__(why)
        self.is_final = is_final


def try_next(
    model: type[D],
    *,
    send: Callable[[D, datetime], None],
    abandon: Callable[[D, datetime], None],
    now: datetime,
    without: Collection[UUID] = (),
) -> Attempt | None:
    """Try the next delivery that is due; None when there is none.

    send: tells the client, or raises OutboundError or NotAcceptedError. abandon: writes down that
    it was given up, in the same transaction. without: clients that are left out, since they just
    failed.
    """
    row = _claim(model, now, without)
    if row is None:
        return None
    try:
        send(row, now)
    except (OutboundError, NotAcceptedError) as error:
        is_final = isinstance(error, NotAcceptedError) and error.is_final
        _note_failure(row, str(error)[:200], abandon, is_final=is_final, now=now)
        return Attempt(row.client_id, accepted=False)
    settled: dict[str, Any] = dict.fromkeys(row.SECRETS)
    model.unscoped.filter(pk=row.pk).update(
        delivered_at=now, next_attempt_at=None, last_error="", **settled
    )
    return Attempt(row.client_id, accepted=True)


def deliver(try_once: Callable[[datetime, Collection[UUID]], Attempt | None]) -> int:
    """One round of a worker; returns how many were accepted.

    A client that fails is left alone until the next round, so that it holds up nobody else's.
    """
    enough = time.monotonic() + ROUND_SECONDS
    failing = set[UUID]()
    delivered = 0
    while time.monotonic() < enough:
        attempt = try_once(clock.now(), failing)
        if attempt is None:
            break
        if attempt.accepted:
            delivered += 1
        else:
            failing.add(attempt.client_id)
    return delivered


@transaction.atomic
def _claim(model: type[D], now: datetime, without: Collection[UUID]) -> D | None:
    """Claimed by moving its next attempt, which is later than any try lasts."""
    row: D | None = (
        model.unscoped.filter(next_attempt_at__lte=now)
        .exclude(client_id__in=without)
        .select_related("client")
        .order_by("attempts", "next_attempt_at")
        .select_for_update(skip_locked=True, of=("self",))
        .first()
    )
    if row is None:
        return None
    row.attempts += 1
    row.next_attempt_at = now + FIRST_PAUSE * int(2 ** (row.attempts - 1))
    row.save(update_fields=["attempts", "next_attempt_at"])
    return row


@transaction.atomic
def _note_failure(
    row: D, why: str, abandon: Callable[[D, datetime], None], *, is_final: bool, now: datetime
) -> None:
    """Nothing, if another worker has tried since: this one was cut off for so long that it did."""
    is_over = is_final or row.attempts >= MAX_ATTEMPTS
    changed: dict[str, Any] = {"last_error": why}
    if is_over:
        changed |= {"next_attempt_at": None, **dict.fromkeys(row.SECRETS)}
    mine = type(row).unscoped.filter(pk=row.pk, attempts=row.attempts, delivered_at=None)
    if not mine.update(**changed):
        return
    for name, value in changed.items():
        setattr(row, name, value)
    log.warning(
        "a client was not told", what=row._meta.model_name, client_id=row.client.client_id,  # noqa: SLF001 - Django's documented model API
        why=why, attempts=row.attempts, is_over=is_over,
    )  # fmt: skip
    if is_over:
        abandon(row, now)
