"""Is the ticket good? By its form, and by whoever keeps tickets, where an entitlement names them.

They are asked by POST of a JSON object, signed as `core.webhooks` has it, and answer 200 with
`{"valid": true}`. Whatever else is heard, or nothing, is a no.
"""

import json
from datetime import datetime

import structlog

from access.models import Entitlement, Workload
from accounts.models import User
from core import outbound, webhooks
from core.ids import new_id
from policy import bodies
from policy.access import Ticket

TIMEOUT_SECONDS = 3.0
LIMIT_BYTES = 4096
OK = 200
log = structlog.get_logger(__name__)


def check_ticket(
    *,
    entitlement: Entitlement,
    requester: User,
    ticket: str,
    now: datetime,
    workload: Workload | None = None,
) -> Ticket:
    """What is known of the ticket. May wait for another server: never inside a transaction."""
    looks = look_at(entitlement, ticket)
    if looks is Ticket.GOOD and entitlement.ticket_webhook:
        return _ask(entitlement, requester, workload, ticket, now)
    return looks


def secret_to_tell(before: Entitlement | None, after: Entitlement) -> str | None:
    """What questions about tickets are signed with, where it was made just now.

    before: as it stood until then, None for a new one. It is told to whoever made it, and never
    again.
    """
    had = before is not None and bool(before.ticket_webhook)
    if had or not after.ticket_webhook or after.ticket_secret is None:
        return None
    return webhooks.written(bytes(after.ticket_secret))


def look_at(entitlement: Entitlement, ticket: str) -> Ticket:
    """What its form tells, with nobody asked."""
    if not entitlement.ticket_pattern and not entitlement.ticket_webhook:
        return Ticket.NONE
    if not ticket:
        return Ticket.MISSING
    if entitlement.ticket_pattern and not bodies.matches(entitlement.ticket_pattern, ticket):
        return Ticket.MALFORMED
    return Ticket.GOOD


def _ask(
    entitlement: Entitlement,
    requester: User,
    workload: Workload | None,
    ticket: str,
    now: datetime,
) -> Ticket:
    asked = {
        "type": "access.ticket.check",
        "ticket": ticket,
        "entitlement": entitlement.name,
        "requester": {"id": str(requester.pk), "email": requester.email},
    }
    if workload is not None:
        asked["workload"] = workload.name
    body = json.dumps(asked).encode()
    secret = bytes(entitlement.ticket_secret or b"")
    try:
        response = outbound.post(
            entitlement.ticket_webhook,
            body=body,
            content_type="application/json",
            headers=webhooks.signed(secret, str(new_id()), body, now=now),
            limit_bytes=LIMIT_BYTES,
            timeout=TIMEOUT_SECONDS,
        )
        answer = json.loads(response.body) if response.status == OK else None
    except (outbound.OutboundError, ValueError) as error:
        log.warning("a ticket could not be checked", error=str(error), entitlement=entitlement.name)
        return Ticket.UNAVAILABLE
    if not isinstance(answer, dict) or type(answer.get("valid")) is not bool:
        return Ticket.UNAVAILABLE
    return Ticket.GOOD if answer["valid"] is True else Ticket.UNKNOWN
