"""Telling clients that a session has ended (OpenID Connect Back-Channel Logout 1.0).

The ended session and the refresh families that it led to are the outbox: whatever ends a session
writes `ended_at`, in its own transaction, and everything else follows from that row. `note_ended`
makes one `LogoutDelivery` for each client that such a session had signed in to and that wants to
know. It runs for one session when `session_ended` arrives, which is for speed only, and over the
last hour in each round of beat, which finds what nobody announced. Nobody who signs out waits.

At least once: a worker that dies after the POST repeats it, with another `jti`; a client that has
ended the session already finds nothing left to do.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef

from audit.events import Event
from audit.recorder import record
from core import outbound
from core.outbound import OutboundError
from idp.metadata import ClientMetadata
from idp.models import LogoutDelivery, RefreshFamily
from idp.tokens import claims, mint
from idp.tokens.subject import subject_of

FIRST_PAUSE = timedelta(seconds=15)
MAX_ATTEMPTS = 8  # over half an hour
FOUND_WITHIN = timedelta(hours=1)
KEPT_FOR = timedelta(days=7)
TIMEOUT_SECONDS = 5.0
ANSWER_LIMIT_BYTES = 4096
FORM = "application/x-www-form-urlencoded"
REFUSED = 400  # Back-Channel Logout 1.0 §2.8: the client will not accept this token, ever

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Delivery:
    """One try. client_id: the row's id of the client; accepted: whether it took the token."""

    client_id: UUID
    accepted: bool


class _NotAcceptedError(Exception):
    def __init__(self, why: str, *, is_final: bool) -> None:
        super().__init__(why)
        self.is_final = is_final


def note_ended(*, now: datetime, session_id: UUID | None = None) -> int:
    """Write down whom to tell of ended sessions, of this one or of all lately; returns how many."""
    told = LogoutDelivery.unscoped.filter(
        session_id=OuterRef("session_id"), client_id=OuterRef("client_id")
    )
    untold = RefreshFamily.unscoped.filter(
        ~Exists(told),
        session__ended_at__gt=now - FOUND_WITHIN,
        client__is_active=True,
        client__metadata__has_key="backchannel_logout_uri",
    )
    if session_id is not None:
        untold = untold.filter(session_id=session_id)
    names = ("organisation_id", "client_id", "session_id", "user_id")
    found = [
        LogoutDelivery(**row, created_at=now, next_attempt_at=now)
        for row in untold.values(*names).distinct()
    ]
    LogoutDelivery.unscoped.bulk_create(found, ignore_conflicts=True)
    return len(found)


def deliver_next(*, now: datetime, without: Collection[UUID] = ()) -> Delivery | None:
    """Try the next delivery that is due; None when there is none.

    without: clients that are left out, since they just failed. First tries go before repetitions,
    so that a client that is down delays nobody else's.
    """
    row = _claim(now, without)
    if row is None:
        return None
    try:
        _send(row, now)
    except (OutboundError, _NotAcceptedError) as error:
        is_final = isinstance(error, _NotAcceptedError) and error.is_final
        _note_failure(row, str(error)[:200], is_final=is_final, now=now)
        return Delivery(row.client_id, accepted=False)
    LogoutDelivery.unscoped.filter(pk=row.pk).update(
        delivered_at=now, next_attempt_at=None, last_error=""
    )
    return Delivery(row.client_id, accepted=True)


def purge(*, now: datetime) -> int:
    deleted, _ = LogoutDelivery.unscoped.filter(created_at__lt=now - KEPT_FOR).delete()
    return deleted


@transaction.atomic
def _claim(now: datetime, without: Collection[UUID]) -> LogoutDelivery | None:
    """Claimed by moving its next attempt, which is later than any try lasts."""
    row = (
        LogoutDelivery.unscoped.filter(next_attempt_at__lte=now)
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


def _send(row: LogoutDelivery, now: datetime) -> None:
    """POST a logout token (§2.5); raises unless the client accepts it."""
    client = row.client
    uri = ClientMetadata.from_json(client.metadata).backchannel_logout_uri
    if not uri or not client.is_active:
        raise _NotAcceptedError("the client no longer wants to know", is_final=True)
    said = claims.logout_token(
        client_id=client.client_id,
        subject=subject_of(client, row.user_id),
        session_id=row.session_id,
        now=now,
    )
    token = mint.sign(said, typ=mint.LOGOUT_TOKEN_TYPE, alg=client.signing_alg)
    answer = outbound.post(
        uri,
        body=urlencode({"logout_token": token}).encode(),
        content_type=FORM,
        limit_bytes=ANSWER_LIMIT_BYTES,
        timeout=TIMEOUT_SECONDS,
    )
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - a class of status
        raise _NotAcceptedError(f"answered {answer.status}", is_final=answer.status == REFUSED)


@transaction.atomic
def _note_failure(row: LogoutDelivery, why: str, *, is_final: bool, now: datetime) -> None:
    is_over = is_final or row.attempts >= MAX_ATTEMPTS
    row.last_error = why
    row.next_attempt_at = None if is_over else row.next_attempt_at
    row.save(update_fields=["last_error", "next_attempt_at"])
    log.warning(
        "a client was not told of a logout", client_id=row.client.client_id, why=why,
        attempts=row.attempts, is_over=is_over,
    )  # fmt: skip
    if is_over:
        record(
            Event.LOGOUT_ABANDONED,
            organisation_id=row.organisation_id,
            subject=row.client,
            session_id=row.session_id,
            now=now,
            client_id=row.client.client_id,
            attempts=row.attempts,
            reason=why,
        )
