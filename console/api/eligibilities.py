"""Who may ask for what, from when until when."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from ninja import Query, Router, Schema
from ninja.responses import Status

from access import flows
from access.models import Eligibility, Entitlement, Workload
from accounts.models import Group, User
from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.lookup import maybe, one, within
from console.api.paging import Place
from console.api.shapes import Did, Instant, Name, Sent, Whose
from core.errors import Refusal
from idp.clients.workloads import make_workload
from idp.models import Client

router = Router(auth=Administrator())


class Eligible(Schema):
    """workload: the client_id of an application that acts for itself."""

    id: UUID
    organisation: Whose
    entitlement: UUID
    user: UUID | None
    group: UUID | None
    workload: str | None
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None


class Eligibles(Schema):
    items: list[Eligible]
    next: str | None


class ForWhich(Place):
    entitlement: UUID | None = None


class NewEligible(Sent):
    """A user, a group or a workload, from `starts_at` (now) until `ends_at` (open).

    workload: the client_id of an application that acts for itself. responsible: who answers for it,
    needed the first time; another than before takes it over, and what it has ends.
    """

    entitlement: UUID
    user: UUID | None = None
    group: UUID | None = None
    workload: Name | None = None
    responsible: UUID | None = None
    starts_at: Instant | None = None
    ends_at: Instant | None = None


@router.get("", response=Eligibles)
def list_eligibilities(request: Administration, narrowed: Query[ForWhich]) -> dict[str, Any]:
    """Who may, or might, ask for what."""
    caller = request.auth
    rows = within(Eligibility, caller).select_related("workload")
    if narrowed.entitlement is not None:
        rows = rows.filter(entitlement_id=narrowed.entitlement)
    filters = {"entitlement": narrowed.entitlement}
    listing = caller.listing("eligibilities", narrowed, **filters)
    return listing.page(rows, _show_eligible)


@router.post("", response={201: Eligible})
def add_eligibility(request: Administration, wish: NewEligible) -> Status[Any]:
    """Let a user, everybody in a group, or an application ask for it."""
    caller = request.auth
    made = _make(caller, wish)
    return Status(201, _show_eligible(made))


@transaction.atomic
def _make(caller: AdministratorCaller, wish: NewEligible) -> Eligibility:
    """All of it or nothing: who answers for an application is set with its first line."""
    return flows.add_eligibility(
        entitlement=one(Entitlement, caller, wish.entitlement),
        user=maybe(User, caller, wish.user),
        group=maybe(Group, caller, wish.group),
        workload=_workload(caller, wish),
        starts_at=wish.starts_at,
        ends_at=wish.ends_at,
        now=caller.now,
        actor=caller.user,
    )


def _workload(caller: AdministratorCaller, wish: NewEligible) -> Workload | None:
    if wish.workload is None:
        if wish.responsible is not None:
            raise Refusal.invalid_request("Only of an application somebody is responsible.")
        return None
    client = within(Client, caller).filter(client_id=wish.workload)
    found = client.first()
    if found is None:
        raise Refusal.not_found()
    return make_workload(
        client=found,
        responsible=maybe(User, caller, wish.responsible),
        now=caller.now,
        actor=caller.user,
    )


@router.delete("/{uuid:eligibility_id}", response=Did)
def end_eligibility(request: Administration, eligibility_id: UUID) -> dict[str, Any]:
    """Let them ask no more, and take away what they have by it."""
    caller = request.auth
    did = flows.end_eligibility(
        eligibility=one(
            Eligibility, caller, eligibility_id, "entitlement", "user", "group", "workload"
        ),
        now=caller.now,
        actor=caller.user,
    )
    return {"did": did}


def _show_eligible(line: Eligibility) -> dict[str, Any]:
    return {
        "id": line.pk,
        "organisation": line.organisation,
        "entitlement": line.entitlement_id,
        "user": line.user_id,
        "group": line.group_id,
        "workload": None if line.workload is None else line.workload.name,
        "starts_at": line.starts_at,
        "ends_at": line.ends_at,
        "ended_at": line.ended_at,
    }
