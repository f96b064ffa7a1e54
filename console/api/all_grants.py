"""Requests and grants of everybody."""

from typing import Any, Literal
from uuid import UUID

from ninja import Query, Router

from access import flows
from access.models import Grant
from console.api.door import Administrator, Request
from console.api.grants import (
    GrantDid,
    GrantInFull,
    GrantPage,
    narrow,
    tell,
    tell_all,
    tell_in_full,
)
from console.api.lookup import one
from console.api.paging import Listing, Place
from console.api.shapes import Name, Reason

router = Router(auth=Administrator())


class WhichOfAll(Place):
    which: Literal["all", "open", "past"] = "all"
    requester: UUID | None = None
    entitlement: UUID | None = None
    workload: Name | None = None


@router.get("", response=GrantPage)
def list_all_grants(request: Request, narrowed: Query[WhichOfAll]) -> dict[str, Any]:
    """Everybody's requests and grants, the latest first."""
    caller = request.auth
    rows = Grant.objects.within_id(caller.organisation_id)
    if narrowed.requester is not None:
        rows = rows.filter(requester_id=narrowed.requester)
    if narrowed.entitlement is not None:
        rows = rows.filter(entitlement_id=narrowed.entitlement)
    if narrowed.workload is not None:
        rows = rows.filter(workload__name=narrowed.workload)
    filters = narrowed.dict(exclude={"limit", "cursor"})
    listing = Listing("all grants", caller.user.pk, narrowed, caller.now, filters)
    return listing.page_of_all(
        narrow(rows, narrowed.which, caller.now), lambda found: tell_all(found, caller)
    )


@router.get("/{uuid:grant_id}", response=GrantInFull)
def read_any_grant(request: Request, grant_id: UUID) -> dict[str, Any]:
    """One in full, with its terms, answers and timeline."""
    return tell_in_full(one(Grant, request.auth, grant_id), request.auth)


@router.post("/{uuid:grant_id}/suspend", response=GrantDid)
def suspend_grant(request: Request, grant_id: UUID) -> dict[str, Any]:
    """Let active access count no more until it is resumed; its end does not move."""
    caller = request.auth
    grant = one(Grant, caller, grant_id)
    did = flows.suspend_grant(grant=grant, actor=caller.user, now=caller.now)
    return {"did": did, "grant": tell(one(Grant, caller, grant_id), caller)}


@router.post("/{uuid:grant_id}/resume", response=GrantDid)
def resume_grant(request: Request, grant_id: UUID) -> dict[str, Any]:
    """Let suspended access count again, unless something else speaks against it."""
    caller = request.auth
    grant = one(Grant, caller, grant_id)
    did = flows.resume_grant(grant=grant, actor=caller.user, now=caller.now)
    return {"did": did, "grant": tell(one(Grant, caller, grant_id), caller)}


@router.post("/{uuid:grant_id}/revoke", response=GrantDid)
def revoke_grant(request: Request, grant_id: UUID, said: Reason) -> dict[str, Any]:
    """Take away what was approved, for good."""
    caller = request.auth
    did = flows.revoke_grant(
        grant=one(Grant, caller, grant_id, "entitlement", "requester"),
        actor=caller.user,
        reason=said.reason,
        session_id=caller.session_id,
        now=caller.now,
    )
    return {"did": did, "grant": tell(one(Grant, caller, grant_id), caller)}
