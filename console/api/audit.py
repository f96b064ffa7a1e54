"""What happened, as audit keeps it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from audit.models import AuditEvent
from console.api.door import Administrator, Request
from console.api.paging import Listing, Place

router = Router(auth=Administrator())
Short = Annotated[str, Field(max_length=100)]


class Event(Schema):
    """actor, subject: typed references. transaction: ties together what one cause produced."""

    id: UUID
    at: datetime
    event: str
    actor: str
    subject: str
    session: UUID | None
    device: UUID | None
    address: str | None
    transaction: UUID
    facts: dict[str, Any]


class Events(Schema):
    items: list[Event]
    next: str | None


class WhichEvents(Place):
    event: Short = ""
    actor: Short = ""
    subject: Short = ""


@router.get("", response=Events)
def list_events(request: Request, narrowed: Query[WhichEvents]) -> dict[str, Any]:
    """Audit events of the organisation, by `event`, `actor` and `subject` where they are given."""
    caller = request.auth
    given = {"event": narrowed.event, "actor": narrowed.actor, "subject": narrowed.subject}
    filters = {name: value for name, value in given.items() if value}
    rows = AuditEvent.objects.filter(organisation_id=caller.organisation_id, **filters)
    listing = Listing("audit", caller.user.pk, narrowed, caller.now, filters)
    return listing.page(rows, _show)


def _show(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at,
        "event": event.event,
        "actor": event.actor,
        "subject": event.subject,
        "session": event.session_id,
        "device": event.device_id,
        "address": event.address,
        "transaction": event.transaction_id,
        "facts": event.facts,
    }
