"""What an application may ask for by itself, with a token of its own.

It does here what people do for themselves, but for answering, which is theirs alone. What it asks
for stands under the name of who is responsible for it.
"""

from typing import Any
from uuid import UUID

from ninja import Query, Router
from ninja.responses import Status

from access import flows
from access.asking import find_entitlement
from access.explaining import explain
from access.limits import REQUESTS
from access.models import Eligibility, Entitlement, Grant
from console.api.door import ByItself, Machine, MachineRequest
from console.api.grants import (
    GrantDid,
    GrantInFull,
    GrantPage,
    GrantTold,
    Longer,
    WhichGrants,
    narrow,
    tell,
    tell_all,
    tell_did,
    tell_in_full,
)
from console.api.offers import Explained, Offers, offers_of
from console.api.offers import tell as tell_explained
from console.api.paging import Listing, Place
from console.api.shapes import Flag, Instant, Line, Name, Seconds, Sent, duration
from core.errors import Refusal
from core.limits import spend

router = Router(auth=ByItself())


class WorkloadWish(Sent):
    """duration: whole seconds from the activation on, the longest if left out. starts_at: now."""

    entitlement: Name
    duration: Seconds | None = None
    reason: Line = ""
    ticket: Line = ""
    starts_at: Instant | None = None
    dry_run: Flag = False


@router.get("/entitlements", response=Offers)
def list_workload_offers(request: MachineRequest, place: Query[Place]) -> dict[str, Any]:
    """What the application may ask for."""
    caller = request.auth
    workload = caller.workload
    listing = Listing("workload offers", workload.pk, place, caller.now, {})
    lines = Eligibility.unscoped.live(caller.now).filter(workload=workload)
    offered = Entitlement.objects.within_id(workload.organisation_id).filter(
        is_active=True, pk__in=lines.values("entitlement_id")
    )
    return listing.page_of_all(offered, lambda found: offers_of(found, workload, caller.now))


@router.get("/entitlements/{slug:name}", response=Explained)
def explain_workload_offer(request: MachineRequest, name: str) -> dict[str, Any]:
    """Every rule with what it asks and whether it passes, and who could approve."""
    caller = request.auth
    told = explain(
        entitlement=_offer(caller, name),
        user=caller.workload.responsible,
        session_id=None,
        behalf=caller.behalf,
        now=caller.now,
    )
    return tell_explained(told)


@router.post("/grants", response={200: GrantTold, 201: GrantTold})
def request_workload_access(request: MachineRequest, wish: WorkloadWish) -> Status[Any]:
    """Ask for access. With `dry_run` nothing is asked: the answer says what would become of it."""
    caller = request.auth
    entitlement = _offer(caller, wish.entitlement)
    spend(REQUESTS, str(caller.workload.pk), now=caller.now)
    grant = flows.request_grant(
        entitlement=entitlement,
        requester=caller.workload.responsible,
        session_id=None,
        behalf=caller.behalf,
        duration=duration(wish.duration),
        reason=wish.reason,
        ticket=wish.ticket,
        starts_at=wish.starts_at,
        dry_run=wish.dry_run,
        now=caller.now,
    )
    if wish.dry_run:
        return Status(200, tell(grant, caller) | {"id": None})
    return Status(201, tell(grant, caller))


@router.get("/grants", response=GrantPage)
def list_workload_grants(request: MachineRequest, narrowed: Query[WhichGrants]) -> dict[str, Any]:
    """What the application has asked for, or had asked for it, the latest first."""
    caller = request.auth
    rows = _own_grants(caller)
    filters = {"which": narrowed.which}
    listing = Listing("workload grants", caller.workload.pk, narrowed, caller.now, filters)
    return listing.page_of_all(
        narrow(rows, narrowed.which, caller.now), lambda found: tell_all(found, caller)
    )


@router.get("/grants/{uuid:grant_id}", response=GrantInFull)
def read_workload_grant(request: MachineRequest, grant_id: UUID) -> dict[str, Any]:
    """A request in full, with what happened to it."""
    return tell_in_full(_own(request.auth, grant_id), request.auth)


@router.post("/grants/{uuid:grant_id}/activate", response=GrantTold)
def activate_workload_grant(request: MachineRequest, grant_id: UUID) -> dict[str, Any]:
    """Begin. Tokens that are asked for from now on carry the roles, until it is over."""
    caller = request.auth
    active = flows.activate_grant(
        grant=_own(caller, grant_id),
        requester=caller.workload.responsible,
        session_id=None,
        behalf=caller.behalf,
        now=caller.now,
    )
    return tell(active, caller)


@router.post("/grants/{uuid:grant_id}/extend", response={201: GrantTold})
def extend_workload_grant(request: MachineRequest, grant_id: UUID, wish: Longer) -> Status[Any]:
    """Ask to have it for longer: another request, which is approved as the first one was."""
    caller = request.auth
    extended = _own(caller, grant_id)
    spend(REQUESTS, str(caller.workload.pk), now=caller.now)
    grant = flows.extend_grant(
        grant=extended,
        requester=caller.workload.responsible,
        session_id=None,
        behalf=caller.behalf,
        duration=duration(wish.duration),
        reason=wish.reason,
        ticket=wish.ticket,
        now=caller.now,
    )
    return Status(201, tell(grant, caller))


@router.post("/grants/{uuid:grant_id}/cancel", response=GrantDid)
def cancel_workload_grant(request: MachineRequest, grant_id: UUID) -> dict[str, Any]:
    """Withdraw a request that has not begun."""
    return _give_up(request.auth, grant_id, flows.cancel_grant)


@router.post("/grants/{uuid:grant_id}/drop", response=GrantDid)
def drop_workload_grant(request: MachineRequest, grant_id: UUID) -> dict[str, Any]:
    """Give active access back early."""
    return _give_up(request.auth, grant_id, flows.drop_grant)


def _give_up(caller: Machine, grant_id: UUID, flow: Any) -> dict[str, Any]:
    grant = _own(caller, grant_id)
    did = flow(
        grant=grant,
        requester=caller.workload.responsible,
        behalf=caller.behalf,
        now=caller.now,
    )
    return tell_did(caller, grant, did=did)


def _offer(caller: Machine, name: str) -> Entitlement:
    """One that the application may ask for. Any other does not exist for it."""
    workload = caller.workload
    found = find_entitlement(workload.responsible, name, caller.now, workload)
    if found is None:
        raise Refusal.not_found()
    return found


def _own_grants(caller: Machine) -> Any:
    rows = Grant.objects.within_id(caller.workload.organisation_id)
    return rows.filter(workload=caller.workload).select_related(
        "entitlement", "requester", "workload"
    )


def _own(caller: Machine, grant_id: UUID) -> Grant:
    found: Grant | None = _own_grants(caller).filter(pk=grant_id).first()
    if found is None:
        raise Refusal.not_found()
    return found
