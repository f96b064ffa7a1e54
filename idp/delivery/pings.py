"""Telling clients that a person has answered them: ping (CIBA Core 1.0 §10.2).

The row is written with the request and waits; the answer releases it, in its own transaction. The
client then fetches its tokens, or the refusal, from the token endpoint: nothing but the auth_req_id
is sent. Both secrets are sealed, and gone once the client has been told or was given up.
"""

import json
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from audit.events import Event
from audit.recorder import record
from core import outbound, outbox
from core.outbound import RedirectedError
from core.outbox import Attempt, NotAcceptedError
from idp.models import BackchannelAuthentication, PingDelivery
from idp.registration.metadata import ClientMetadata


def prepare(
    asked: BackchannelAuthentication, *, token: str, auth_req_id: str, now: datetime
) -> None:
    """Keep what the client is to be told, until somebody answers."""
    PingDelivery.objects.create(
        organisation_id=asked.organisation_id,
        client_id=asked.client_id,
        request=asked,
        token=token.encode(),
        auth_req_id=auth_req_id.encode(),
        created_at=now,
    )


def release(asked: BackchannelAuthentication, *, now: datetime) -> bool:
    """Have the client told, if it wants to be."""
    rows = PingDelivery.objects.within_id(asked.organisation_id).filter(
        request=asked, delivered_at=None
    )
    return bool(rows.update(next_attempt_at=now))


def deliver_next(*, now: datetime, without: Collection[UUID] = ()) -> Attempt | None:
    """Try the next delivery that is due, as the outbox does it; None when there is none."""
    return outbox.try_next(PingDelivery, send=_send, abandon=_abandon, now=now, without=without)


def _send(row: PingDelivery, now: datetime) -> None:
    """POST the auth_req_id; raises unless the client takes it. Whatever it says is not read.

    It may be down for a while, but what it refuses it refuses for good.
    """
    client = row.client
    uri = ClientMetadata.from_json(client.metadata).backchannel_client_notification_endpoint
    if not uri or not client.is_active:
        raise NotAcceptedError("the client no longer wants to know", is_final=True)
    if row.request.expires_at <= now:
        raise NotAcceptedError("the request has run out", is_final=True)
    try:
        answer = outbound.post(
            uri,
            body=json.dumps({"auth_req_id": row.auth_req_id.decode()}).encode(),
            content_type="application/json",
            headers={"Authorization": f"Bearer {row.token.decode()}"},
            limit_bytes=outbox.ANSWER_LIMIT_BYTES,
            timeout=outbox.TIMEOUT_SECONDS,
        )
    except RedirectedError as error:
        raise NotAcceptedError(str(error), is_final=True) from error
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - a class of status
        raise NotAcceptedError(f"answered {answer.status}", is_final=answer.status < 500)  # noqa: PLR2004


def _abandon(row: PingDelivery, now: datetime) -> None:
    record(
        Event.PING_ABANDONED,
        organisation_id=row.organisation_id,
        subject=row.client,
        now=now,
        client_id=row.client.client_id,
        attempts=row.attempts,
        reason=row.last_error,
    )
