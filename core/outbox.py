"""Telling others something by a worker, at least once: what every kind of delivery shares.

A delivery is a row, written in the transaction of what is to be told. It is claimed by moving its
next attempt. First tries go before repetitions, so that a receiver that is down delays nobody
else's. Whatever is told, the receiver is asked by `core.outbound`.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import structlog
from django.db import models, transaction

from core import clock
from core.ids import new_id
from core.outbound import OutboundError
from core.scope import ScopedModel

FIRST_PAUSE = timedelta(seconds=15)
MAX_ATTEMPTS = 8  # over half an hour
TIMEOUT_SECONDS = 5.0
ANSWER_LIMIT_BYTES = 4096
ROUND_SECONDS = 15.0

log = structlog.get_logger(__name__)


class Delivery(ScopedModel):
    """That one receiver is to be told something.

    attempts: tries so far. next_attempt_at: when to try next; None once it is settled.
    delivered_at: when the receiver accepted it; a settled row without was given up, see last_error.
    RECEIVER: the column that names whom. SECRETS: columns that are emptied when it is settled.
    """

    RECEIVER: ClassVar[str]
    SECRETS: ClassVar[tuple[str, ...]] = ()

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    organisation = models.ForeignKey("accounts.Organisation", models.PROTECT, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True)

    class Meta(ScopedModel.Meta):
        abstract = True

    @property
    def receiver_id(self) -> UUID:
        named: UUID = getattr(self, f"{self.RECEIVER}_id")
        return named


D = TypeVar("D", bound=Delivery)


@dataclass(frozen=True)
class Attempt:
    """One try. receiver_id: the id of its row; accepted: whether it took it."""

    receiver_id: UUID
    accepted: bool


class NotAcceptedError(Exception):
    """The receiver did not take it. is_final: it never will. pause: for how long it asks."""

    def __init__(self, why: str, *, is_final: bool, pause: timedelta = timedelta(0)) -> None:
        super().__init__(why)
        self.is_final = is_final
        self.pause = pause


def try_next(
    model: type[D],
    *,
    send: Callable[[D, datetime], None],
    abandon: Callable[[D, datetime], None],
    now: datetime,
    without: Collection[UUID] = (),
) -> Attempt | None:
    """Try the next delivery that is due; None when there is none.

    send: tells the receiver, or raises OutboundError or NotAcceptedError. abandon: writes down that
    it was given up, in the same transaction. without: receivers that are left out, since they just
    failed.
    """
    row = _claim(model, now, without)
    if row is None:
        return None
    try:
        send(row, now)
    except (OutboundError, NotAcceptedError) as error:
        _note_failure(row, error, abandon, now=now)
        return Attempt(row.receiver_id, accepted=False)
    settled: dict[str, Any] = dict.fromkeys(row.SECRETS)
    model.unscoped.filter(pk=row.pk).update(
        delivered_at=now, next_attempt_at=None, last_error="", **settled
    )
    return Attempt(row.receiver_id, accepted=True)


def deliver(try_once: Callable[[datetime, Collection[UUID]], Attempt | None]) -> int:
    """One round of a worker; returns how many were accepted.

    A receiver that fails is left alone until the next round, so that it holds up nobody else's.
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
            failing.add(attempt.receiver_id)
    return delivered


@transaction.atomic
def _claim(model: type[D], now: datetime, without: Collection[UUID]) -> D | None:
    """Claimed by moving its next attempt, which is later than any try lasts."""
    row: D | None = (
        model.unscoped.filter(next_attempt_at__lte=now)
        .exclude(**{f"{model.RECEIVER}_id__in": without})
        .select_related(model.RECEIVER)
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
    row: D, error: Exception, abandon: Callable[[D, datetime], None], *, now: datetime
) -> None:
    """Nothing, if another worker has tried since: this one was cut off for so long that it did."""
    refused = error if isinstance(error, NotAcceptedError) else None
    is_over = row.attempts >= MAX_ATTEMPTS or (refused is not None and refused.is_final)
    changed: dict[str, Any] = {"last_error": str(error)[:200]}
    if is_over:
        changed |= {"next_attempt_at": None, **dict.fromkeys(row.SECRETS)}
    elif refused is not None and row.next_attempt_at is not None:
        changed["next_attempt_at"] = max(row.next_attempt_at, now + refused.pause)
    mine = type(row).unscoped.filter(pk=row.pk, attempts=row.attempts, delivered_at=None)
    if not mine.update(**changed):
        return
    for name, value in changed.items():
        setattr(row, name, value)
    log.warning(
        "a receiver was not told", what=row._meta.model_name, receiver=str(row.receiver_id),  # noqa: SLF001 - Django's documented model API
        why=row.last_error, attempts=row.attempts, is_over=is_over,
    )  # fmt: skip
    if is_over:
        abandon(row, now)
