"""What happened, as audit keeps it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from accounts.models import Organisation
from audit.models import AuditEvent
from console.api.door import Administration, Administrator
from console.api.paging import Place

router = Router(auth=Administrator())
Short = Annotated[str, Field(max_length=100)]


class Event(Schema):
    """organisation: by its slug, none for what belongs to the installation.

    actor, subject: typed references. transaction: ties together what one cause produced.
    """

    id: UUID
    organisation: str | None
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
def list_events(request: Administration, narrowed: Query[WhichEvents]) -> dict[str, Any]:
    """Audit events of the organisation, by `event`, `actor` and `subject` where they are given."""
    caller = request.auth
    given = {"event": narrowed.event, "actor": narrowed.actor, "subject": narrowed.subject}
    filters = {name: value for name, value in given.items() if value}
    rows = AuditEvent.objects.filter(**filters)
    if not caller.is_about_all:
        rows = rows.filter(organisation_id=caller.organisation.pk)
    listing = caller.listing("audit", narrowed, **filters)
    return listing.page_of_all(rows, _show_all)


def _show_all(events: list[AuditEvent]) -> list[dict[str, Any]]:
    ids = {event.organisation_id for event in events if event.organisation_id}
    slugs = dict(Organisation.objects.filter(pk__in=ids).values_list("pk", "slug"))
    return [_show(event, slugs) for event in events]


def _show(event: AuditEvent, slugs: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "id": event.pk,
        "organisation": slugs.get(event.organisation_id) if event.organisation_id else None,
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
