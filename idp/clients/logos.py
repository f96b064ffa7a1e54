"""Clients' logos: fetched by a worker, kept here, and shown from our own origin.

A browser that loaded `logo_uri` itself would tell the application's host who looks at which of our
pages and when, and that host would choose for each of them what is seen. So we keep a copy. No
request of anybody waits for it or asks for it: whatever registers a client writes down that its
logo is wanted, and a worker asks, by `core.outbound`.

What an administrator registered is looked at again each day. A client that speaks for itself shows
what it showed when it registered: another picture needs another registration, which is written
down, so that nobody is shown one face to agree to and another one afterwards.
"""

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.db import transaction
from django.db.models import BooleanField, ExpressionWrapper, Q

from audit.events import Event
from audit.recorder import record
from core import background, outbound
from core.errors import Refusal
from core.limits import spend
from core.outbound import OutboundBusy, OutboundError
from core.outbox import Attempt
from idp.clients import pictures
from idp.clients.pictures import NotAPictureError, Picture
from idp.limits import CLIENT_LOGO_HOSTS
from idp.models import Client, ClientLogo
from idp.registration.metadata import ClientMetadata

if TYPE_CHECKING:
    from django.db.models import QuerySet

OK = 200
RETRY_AFTER, REFRESH_AFTER = timedelta(minutes=10), timedelta(days=1)
MAX_ATTEMPTS = 5  # over three days
BUSY_PAUSE = timedelta(minutes=1)
BY_ITSELF = Q(client__registration_digest__isnull=False) | Q(client__document_digest__isnull=False)
NOTHING = {"content": None, "media_type": "", "digest": None, "fetched_at": None}


def follow(client: Client, *, now: datetime) -> None:
    """Have a worker ask for what the client registers now; what came from elsewhere is forgotten.

    For use inside the transaction that changes the client. However often an address changes, no
    client is asked about sooner than ten minutes after the last time.
    """
    uri = ClientMetadata.from_json(client.metadata).logo_uri
    rows = ClientLogo.objects.within_id(client.organisation_id).filter(client=client)
    known = rows.defer("content").select_for_update().first()
    if uri == (known.uri if known else ""):
        return
    due = None
    if uri:
        asked_at = known.asked_at if known else None
        due = max(now, asked_at + RETRY_AFTER) if asked_at else now
    if known is None:
        ClientLogo.objects.create(
            client=client, organisation_id=client.organisation_id, uri=uri, next_attempt_at=due
        )
    else:
        rows.update(**NOTHING, uri=uri, attempts=0, next_attempt_at=due, last_error="")
    if due == now:
        transaction.on_commit(lambda: background.hurry("idp.tasks.fetch_client_logos"))


def fetch_next(*, now: datetime) -> Attempt | None:
    """Ask for the next logo that is due; None when there is none."""
    row = _claim(now)
    if row is None:
        return None
    try:
        spend(CLIENT_LOGO_HOSTS, urlsplit(row.uri).hostname or "", now=now)
        content = _ask(row.uri)
        _take(row, content, pictures.recognise(content), now)
    except (OutboundBusy, Refusal):  # nothing was learnt
        _rows(row).update(attempts=row.attempts - 1, next_attempt_at=now + BUSY_PAUSE)
    except (OutboundError, NotAPictureError) as error:
        _note_failure(row, str(error))
    else:
        return Attempt(row.client_id, accepted=True)
    return Attempt(row.client_id, accepted=False)


def find(digest: bytes) -> ClientLogo:
    """The picture of this name, with its bytes; refuses NOT_FOUND."""
    row = ClientLogo.unscoped.defer(None).filter(digest=digest).first()
    if row is None:
        raise Refusal.not_found("There is no such picture.")
    return row


def _ask(uri: str) -> bytes:
    response = outbound.fetch(
        uri, accept=", ".join(pictures.MEDIA_TYPES), limit_bytes=pictures.MAX_BYTES
    )
    if response.status != OK:
        raise OutboundError(f"the answer has status {response.status}")
    return response.body


@transaction.atomic
def _claim(now: datetime) -> ClientLogo | None:
    """Claimed by moving its next attempt, which is later than any try lasts.

    Clients that registered themselves come last: they cannot hold up anybody else's.
    """
    row = (
        ClientLogo.unscoped.filter(
            next_attempt_at__lte=now, client__is_active=True, organisation__is_active=True
        )
        .annotate(is_by_itself=ExpressionWrapper(BY_ITSELF, BooleanField()))
        .select_related("client")
        .order_by("is_by_itself", "attempts", "next_attempt_at")
        .select_for_update(skip_locked=True, of=("self",))
        .first()
    )
    if row is None:
        return None
    row.attempts += 1
    row.asked_at = now
    pause = RETRY_AFTER * int(6 ** min(row.attempts - 1, 3))
    row.next_attempt_at = now + min(pause, REFRESH_AFTER)
    row.save(update_fields=["attempts", "asked_at", "next_attempt_at"])
    return row


@transaction.atomic
def _take(row: ClientLogo, content: bytes, picture: Picture, now: datetime) -> None:
    """Keep what came, unless the client has registered another address meanwhile."""
    digest = hashlib.sha256(row.client_id.bytes + content).digest()
    seen = {
        "attempts": 0,
        "fetched_at": now,
        "next_attempt_at": None if row.client.is_by_itself else now + REFRESH_AFTER,
        "last_error": "",
    }
    if _rows(row).filter(digest=digest).update(**seen):
        return
    kept = {"content": content, "digest": digest, "media_type": picture.media_type}
    if not _rows(row).update(**seen, **kept):
        return
    record(
        Event.CLIENT_LOGO_CHANGED,
        organisation_id=row.organisation_id,
        subject=row.client,
        now=now,
        client_id=row.client.client_id,
        uri=row.uri,
        media_type=picture.media_type,
        digest=digest.hex(),
        before=bytes(row.digest).hex() if row.digest else None,
    )


def _note_failure(row: ClientLogo, why: str) -> None:
    """What was there before stays; where there was nothing, nobody is asked for ever."""
    changed: dict[str, object] = {"last_error": why[:200]}
    if row.digest is None and row.attempts >= MAX_ATTEMPTS:
        changed["next_attempt_at"] = None
    _rows(row).update(**changed)


def _rows(row: ClientLogo) -> "QuerySet[ClientLogo]":
    """This row, as long as it is about the address that was asked."""
    return ClientLogo.unscoped.filter(pk=row.pk, uri=row.uri)
