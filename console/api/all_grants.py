"""Requests and grants of everybody."""

from typing import Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema

from access import flows
from access.models import Grant
from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.grants import (
    GrantInFull,
    GrantTold,
    narrow,
    tell_all,
    tell_in_full,
)
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Name, Reason, Whose

router = Router(auth=Administrator())


class WhichOfAll(Place):
    which: Literal["all", "open", "past"] = "all"
    requester: UUID | None = None
    entitlement: UUID | None = None
    workload: Name | None = None


class AnyGrant(GrantTold):
    """Somebody's."""

    organisation: Whose


class AnyGrantInFull(GrantInFull, AnyGrant):
    """The same with its terms, answers and timeline."""


class AnyGrants(Schema):
    items: list[AnyGrant]
    next: str | None


class AnyGrantDid(Schema):
    """did: whether this call did it; it was so already otherwise."""

    did: bool
    grant: AnyGrant


@router.get("", response=AnyGrants)
def list_all_grants(request: Administration, narrowed: Query[WhichOfAll]) -> dict[str, Any]:
    """Everybody's requests and grants, the latest first."""
    caller = request.auth
    rows = within(Grant, caller)
    if narrowed.requester is not None:
        rows = rows.filter(requester_id=narrowed.requester)
    if narrowed.entitlement is not None:
        rows = rows.filter(entitlement_id=narrowed.entitlement)
    if narrowed.workload is not None:
        rows = rows.filter(workload__name=narrowed.workload)
    filters = narrowed.dict(exclude={"limit", "cursor"})
    listing = caller.listing("all grants", narrowed, **filters)
    return listing.page_of_all(
        narrow(rows, narrowed.which, caller.now), lambda found: _show(found, caller)
    )


@router.get("/{uuid:grant_id}", response=AnyGrantInFull)
def read_any_grant(request: Administration, grant_id: UUID) -> dict[str, Any]:
    """One in full, with its terms, answers and timeline."""
    grant = one(Grant, request.auth, grant_id)
    return tell_in_full(grant, request.auth) | {"organisation": grant.organisation}


@router.post("/{uuid:grant_id}/suspend", response=AnyGrantDid)
def suspend_grant(request: Administration, grant_id: UUID) -> dict[str, Any]:
    """Let active access count no more until it is resumed; its end does not move."""
    caller = request.auth
    grant = one(Grant, caller, grant_id)
    did = flows.suspend_grant(grant=grant, actor=caller.user, now=caller.now)
    return _did(caller, grant_id, did=did)


@router.post("/{uuid:grant_id}/resume", response=AnyGrantDid)
def resume_grant(request: Administration, grant_id: UUID) -> dict[str, Any]:
    """Let suspended access count again, unless something else speaks against it."""
    caller = request.auth
    grant = one(Grant, caller, grant_id)
    did = flows.resume_grant(grant=grant, actor=caller.user, now=caller.now)
    return _did(caller, grant_id, did=did)


@router.post("/{uuid:grant_id}/revoke", response=AnyGrantDid)
def revoke_grant(request: Administration, grant_id: UUID, said: Reason) -> dict[str, Any]:
    """Take away what was approved, for good."""
    caller = request.auth
    did = flows.revoke_grant(
        grant=one(Grant, caller, grant_id, "entitlement", "requester"),
        actor=caller.user,
        reason=said.reason,
        session_id=caller.session_id,
        now=caller.now,
    )
    return _did(caller, grant_id, did=did)


def _show(found: list[Grant], caller: AdministratorCaller) -> list[dict[str, Any]]:
    told = tell_all(found, caller)
    return [
        shown | {"organisation": grant.organisation}
        for grant, shown in zip(found, told, strict=True)
    ]


def _did(caller: AdministratorCaller, grant_id: UUID, *, did: bool) -> dict[str, Any]:
    (told,) = _show([one(Grant, caller, grant_id)], caller)
    return {"did": did, "grant": told}
