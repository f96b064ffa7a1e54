"""Who has what, and had it then."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from access.reading import Holding, who_has_what
from console.api.door import Administrator, Request
from console.api.shapes import Instant

router = Router(auth=Administrator())


MOST = 5000


class Held(Schema):
    """group, grant: by which, none where it is held by name."""

    user: UUID
    email: str
    role: UUID
    role_name: str
    group: str | None
    grant: UUID | None
    starts_at: datetime | None
    ends_at: datetime | None


class Holdings(Schema):
    """total: of all; the first ones by person and role are listed."""

    at: datetime
    items: list[Held]
    total: int


class When(Schema):
    at: Instant | None = None


@router.get("", response=Holdings)
def list_holdings(request: Request, when: Query[When]) -> dict[str, Any]:
    """Who holds which role, now or at any instant before."""
    caller = request.auth
    at = min(when.at or caller.now, caller.now)
    held = who_has_what(organisation_id=caller.organisation_id, at=at)
    return {"at": at, "items": [_held(each) for each in held[:MOST]], "total": len(held)}


def _held(holding: Holding) -> dict[str, Any]:
    return {
        "user": holding.user.pk,
        "email": holding.user.email,
        "role": holding.role.pk,
        "role_name": holding.role.name,
        "group": None if holding.group is None else holding.group.name,
        "grant": holding.grant_id,
        "starts_at": holding.starts_at,
        "ends_at": holding.ends_at,
    }
