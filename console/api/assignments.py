"""Who holds which role, by standing or by a grant."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status

from accounts import flows
from accounts.models import (
    Role,
    RoleAssignment,
    User,
)
from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Instant, NamedResource, Sent, Whose

router = Router(auth=Administrator())


class Assignment(Schema):
    """grant: which one gives it, none for a standing one.

    resources: for which alone it counts, none for all that it reaches.
    """

    id: UUID
    organisation: Whose
    user: UUID
    email: str
    role: UUID
    role_name: str
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    grant: UUID | None
    resources: list[NamedResource] | None


class Assignments(Schema):
    items: list[Assignment]
    next: str | None


class OfWhom(Place):
    user: UUID | None = None
    role: UUID | None = None


class NewAssignment(Sent):
    user: UUID
    role: UUID
    starts_at: Instant | None = None
    ends_at: Instant | None = None


@router.get("", response=Assignments)
def list_assignments(request: Administration, narrowed: Query[OfWhom]) -> dict[str, Any]:
    """Who holds, or held, which role by name; groups stand for themselves."""
    caller = request.auth
    rows = within(RoleAssignment, caller).select_related("user", "role")
    if narrowed.user is not None:
        rows = rows.filter(user_id=narrowed.user)
    if narrowed.role is not None:
        rows = rows.filter(role_id=narrowed.role)
    filters = {"user": narrowed.user, "role": narrowed.role}
    listing = caller.listing("assignments", narrowed, **filters)
    return listing.page(rows, _show_assignment)


@router.post("", response={201: Assignment})
def assign_role(request: Administration, wish: NewAssignment) -> Status[Any]:
    """Give somebody a standing role, from `starts_at` (now) until `ends_at` (open)."""
    caller = request.auth
    made = flows.assign_role(
        user=one(User, caller, wish.user),
        role=one(Role, caller, wish.role),
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, _show_assignment(made))


@router.delete("/{uuid:assignment_id}", response=Did)
def end_assignment(request: Administration, assignment_id: UUID) -> dict[str, Any]:
    """Take a standing role back now. What a grant gives ends with the grant."""
    caller = request.auth
    did = flows.end_role_assignment(
        assignment=one(RoleAssignment, caller, assignment_id, "user", "role"),
        now=caller.now,
        actor=caller.user,
    )
    return {"did": did}


def _show_assignment(row: RoleAssignment) -> dict[str, Any]:
    return {
        "id": row.pk,
        "organisation": row.organisation,
        "user": row.user_id,
        "email": row.user.email,
        "role": row.role_id,
        "role_name": row.role.name,
        "starts_at": row.starts_at,
        "ends_at": row.ends_at,
        "ended_at": row.ended_at,
        "grant": row.grant_id,
        "resources": row.resources,
    }
