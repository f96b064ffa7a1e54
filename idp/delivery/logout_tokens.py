"""Telling clients that a session has ended (OpenID Connect Back-Channel Logout 1.0).

`note_ended` makes one `LogoutDelivery` for each client that a session had signed in to and that
wants to know, in the transaction that ends the session (`idp/receivers.py`): whatever dies
afterwards, and however long no worker comes, it is told. Each round of beat looks over the last
hour, too: a family that was founded while the session ended is seen by nobody before. Nobody who
signs out waits.

At least once: a worker that dies after the POST repeats it, with another `jti`; a client that has
ended the session already finds nothing left to do.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Exists, OuterRef

from audit.events import Event
from audit.recorder import record
from core import outbound, outbox
from core.outbox import Attempt, NotAcceptedError
from idp.models import LogoutDelivery, RefreshFamily
from idp.registration.metadata import ClientMetadata
from idp.tokens import claims, mint
from idp.tokens.subject import subject_of

FOUND_WITHIN = timedelta(hours=1)
KEPT_FOR = timedelta(days=7)
FORM = "application/x-www-form-urlencoded"
REFUSED = 400  # Back-Channel Logout 1.0 §2.8: the client will not accept this token, ever


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


def deliver_next(*, now: datetime, without: Collection[UUID] = ()) -> Attempt | None:
    """Try the next delivery that is due, as the outbox does it; None when there is none."""
    return outbox.try_next(LogoutDelivery, send=_send, abandon=_abandon, now=now, without=without)


def purge(*, now: datetime) -> int:
    """Delete what was settled long ago; what still waits is told first, however old."""
    settled = LogoutDelivery.unscoped.filter(next_attempt_at=None, created_at__lt=now - KEPT_FOR)
    deleted, _ = settled.delete()
    return deleted


def _send(row: LogoutDelivery, now: datetime) -> None:
    """POST a logout token (§2.5); raises unless the client accepts it."""
    client = row.client
    uri = ClientMetadata.from_json(client.metadata).backchannel_logout_uri
    if not uri or not client.is_active:
        raise NotAcceptedError("the client no longer wants to know", is_final=True)
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
        limit_bytes=outbox.ANSWER_LIMIT_BYTES,
        timeout=outbox.TIMEOUT_SECONDS,
    )
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - a class of status
        raise NotAcceptedError(f"answered {answer.status}", is_final=answer.status == REFUSED)


def _abandon(row: LogoutDelivery, now: datetime) -> None:
    record(
        Event.LOGOUT_ABANDONED,
        organisation_id=row.organisation_id,
        subject=row.client,
        session_id=row.session_id,
        now=now,
        client_id=row.client.client_id,
        attempts=row.attempts,
        reason=row.last_error,
    )
