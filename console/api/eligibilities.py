"""Who may ask for what, from when until when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status

from access import flows
from access.models import Eligibility, Entitlement
from accounts.models import Group, User
from console.api.door import Administrator, Request
from console.api.lookup import maybe, one
from console.api.paging import Listing, Place
from console.api.shapes import Did, Instant, Sent

router = Router(auth=Administrator())


class Eligible(Schema):
    id: UUID
    entitlement: UUID
    user: UUID | None
    group: UUID | None
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None


class Eligibles(Schema):
    items: list[Eligible]
    next: str | None


class ForWhich(Place):
    entitlement: UUID | None = None


class NewEligible(Sent):
    """A user or a group, from `starts_at` (now) until `ends_at` (open)."""

    entitlement: UUID
    user: UUID | None = None
    group: UUID | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


@router.get("", response=Eligibles)
def list_eligibilities(request: Request, narrowed: Query[ForWhich]) -> dict[str, Any]:
    """Who may, or might, ask for what."""
    caller = request.auth
    rows = Eligibility.objects.within_id(caller.organisation_id)
    if narrowed.entitlement is not None:
        rows = rows.filter(entitlement_id=narrowed.entitlement)
    filters = {"entitlement": narrowed.entitlement}
    listing = Listing("eligibilities", caller.user.pk, narrowed, caller.now, filters)
    return listing.page(rows, _show_eligible)


@router.post("", response={201: Eligible})
def add_eligibility(request: Request, wish: NewEligible) -> Status[Any]:
    """Let a user, or everybody in a group, ask for it."""
    caller = request.auth
    made = flows.add_eligibility(
        entitlement=one(Entitlement, caller, wish.entitlement),
        user=maybe(User, caller, wish.user),
        group=maybe(Group, caller, wish.group),
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, _show_eligible(made))


@router.delete("/{uuid:eligibility_id}", response=Did)
def end_eligibility(request: Request, eligibility_id: UUID) -> dict[str, Any]:
    """Let them ask no more, and take away what they have by it."""
    caller = request.auth
    did = flows.end_eligibility(
        eligibility=one(Eligibility, caller, eligibility_id, "entitlement", "user", "group"),
        now=caller.now,
        actor=caller.user,
    )
    return {"did": did}


def _show_eligible(line: Eligibility) -> dict[str, Any]:
    return {
        "id": line.pk,
        "entitlement": line.entitlement_id,
        "user": line.user_id,
        "group": line.group_id,
        "starts_at": line.starts_at,
        "ends_at": line.ends_at,
        "ended_at": line.ended_at,
    }
