"""Who has what, and had it then: a page at a time, of one and the same instant."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from access.holdings import Holding, Key, Then, holdings_after
from console.api.door import Administration, Administrator
from console.api.paging import Place
from console.api.shapes import Instant, NamedResource
from idp.clients.holdings import WorkloadHolding, WorkloadKey, workload_holdings_after

router = Router(auth=Administrator())


class Held(Schema):
    """group, grant: by which, none where it is held by name.

    workload: the client_id of an application that holds it; then there is no user, and no email.
    resources: for which alone it counts, as it stood then; none for all that the role reaches.
    is_suspended: it counted for nothing just then.
    """

    user: UUID | None
    email: str
    workload: str | None
    role: UUID
    role_name: str
    group: str | None
    grant: UUID | None
    resources: list[NamedResource] | None
    is_suspended: bool
    starts_at: datetime | None
    ends_at: datetime | None


class Holdings(Schema):
    """at: the instant of all pages. Applications come after people."""

    at: datetime
    items: list[Held]
    next: str | None


class When(Place):
    at: Instant | None = None


@router.get("", response=Holdings)
def list_holdings(request: Administration, when: Query[When]) -> dict[str, Any]:
    """Who holds which role, now or at any instant before.

    Every page is of the instant of the first, whatever ends in between.
    """
    caller = request.auth
    listing = caller.listing("holdings", when, at=when.at)
    after = listing.after()
    at, place = (min(when.at or caller.now, caller.now), Key()) if after is None else _read(after)
    items, further = _page(Then(caller.organisation.pk, at), place, when.limit)
    cursor = None if further is None else listing.cursor(_write(at, further))
    return {"at": at, "items": items, "next": cursor}


def _page(
    then: Then, place: Key | WorkloadKey, limit: int
) -> tuple[list[dict[str, Any]], Key | WorkloadKey | None]:
    """What follows, and where it goes on."""
    items: list[dict[str, Any]] = []
    if isinstance(place, Key):
        people = holdings_after(then, after=place, most=limit + 1)
        items = [_held(each) for each in people[:limit]]
        if len(people) > limit:
            return items, people[limit - 1].key
        place = WorkloadKey()
    left = limit - len(items)
    workloads = workload_holdings_after(then, after=place, most=left + 1)
    items += [_of_workload(each) for each in workloads[:left]]
    if len(workloads) > left:
        return items, workloads[left - 1].key if left else place
    return items, None


def _write(at: datetime, place: Key | WorkloadKey) -> str:
    whose = "people" if isinstance(place, Key) else "workloads"
    return json.dumps([at.isoformat(), whose, *map(str, place)])


def _read(after: str) -> tuple[datetime, Key | WorkloadKey]:
    """What `_write` wrote: nobody else could sign it."""
    at, whose, holder, role, way = json.loads(after)
    if whose == "people":
        return datetime.fromisoformat(at), Key(UUID(holder), UUID(role), way)
    return datetime.fromisoformat(at), WorkloadKey(UUID(holder), UUID(role), UUID(way))


def _held(holding: Holding) -> dict[str, Any]:
    return {
        "user": holding.user.pk,
        "email": holding.user.email,
        "workload": None,
        "role": holding.role.pk,
        "role_name": holding.role.name,
        "group": holding.group,
        "grant": holding.grant_id,
        "resources": holding.resources,
        "is_suspended": holding.is_suspended,
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
        "is_suspended": holding.is_suspended,
        "starts_at": holding.starts_at,
        "ends_at": holding.ends_at,
    }
