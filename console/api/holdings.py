"""Who has what, and had it then."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from access.reading import Holding, who_has_what
from console.api.door import Administration, Administrator
from console.api.shapes import Instant, NamedResource
from idp.clients.holdings import WorkloadHolding, workloads_have_what

router = Router(auth=Administrator())


MOST = 5000


class Held(Schema):
    """group, grant: by which, none where it is held by name.

    workload: the client_id of an application that holds it; then there is no user, and no email.
    resources: for which alone it counts, as it stood then; none for all that the role reaches.
    """

    user: UUID | None
    email: str
    workload: str | None
    role: UUID
    role_name: str
    group: str | None
    grant: UUID | None
    resources: list[NamedResource] | None
    starts_at: datetime | None
    ends_at: datetime | None


class Holdings(Schema):
    """total: of all; the first ones by person and role are listed, applications after people."""

    at: datetime
    items: list[Held]
    total: int


class When(Schema):
    at: Instant | None = None


@router.get("", response=Holdings)
def list_holdings(request: Administration, when: Query[When]) -> dict[str, Any]:
    """Who holds which role, now or at any instant before."""
    caller = request.auth
    at = min(when.at or caller.now, caller.now)
    held = [
        *map(_held, who_has_what(organisation_id=caller.organisation.pk, at=at)),
        *map(_of_workload, workloads_have_what(organisation_id=caller.organisation.pk, at=at)),
    ]
    return {"at": at, "items": held[:MOST], "total": len(held)}


def _held(holding: Holding) -> dict[str, Any]:
    return {
        "user": holding.user.pk,
        "email": holding.user.email,
        "workload": None,
        "role": holding.role.pk,
        "role_name": holding.role.name,
        "group": None if holding.group is None else holding.group.name,
        "grant": holding.grant_id,
        "resources": holding.resources,
        "starts_at": holding.starts_at,
        "ends_at": holding.ends_at,
    }


def _of_workload(holding: WorkloadHolding) -> dict[str, Any]:
    return {
        "user": None,
        "email": "",
        "workload": holding.client_id,
        "role": holding.role.pk,
        "role_name": holding.role.name,
        "group": None,
        "grant": holding.grant_id,
        "resources": None,
        "starts_at": holding.starts_at,
        "ends_at": holding.ends_at,
    }
