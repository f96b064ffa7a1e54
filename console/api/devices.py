"""Devices of the organisation, and what becomes of them."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.own_devices import ScoreExplained
from console.api.paging import Place
from console.api.shapes import Reason, Whose
from console.tiers import counts_by_day, in_tier
from devices import flows, shown
from devices.models import Device, PostureReport, State
from devices.score import TOP_TIER

router = Router(auth=Administrator())


class DeviceTold(Schema):
    """tier: as of now, 0 to 4. people: addresses of those who use it."""

    id: UUID
    organisation: Whose
    name: str
    platform: str
    state: str
    state_reason: str
    tier: int
    score: int | None
    people: list[str]
    key_thumbprint: str
    reported_at: datetime | None


class Devices(Schema):
    items: list[DeviceTold]
    next: str | None


class ReportTold(Schema):
    """source: who said it. checks: what it found. tier: what it was worth, as it was granted."""

    id: UUID
    source: str
    evidence: str
    received_at: datetime
    issued_at: datetime | None
    score: int
    tier: int
    checks: Any


class Reports(Schema):
    items: list[ReportTold]
    next: str | None


class TiersOfDay(Schema):
    """counts: devices of tier 0 to 4."""

    day: date
    counts: list[int]


class TiersByDay(Schema):
    """The last thirty days of which counts were kept, and today as of now."""

    items: list[TiersOfDay]


class WhichDevices(Place):
    """tier: as of now, of enrolled ones."""

    state: State | None = None
    tier: Annotated[int, Field(ge=0, le=TOP_TIER)] | None = None


@router.get("", response=Devices)
def list_devices(request: Administration, narrowed: Query[WhichDevices]) -> dict[str, Any]:
    """Every device of the organisation; `state`, `tier`."""
    caller = request.auth
    rows = within(Device, caller).prefetch_related("users__user")
    if narrowed.state is not None:
        rows = rows.filter(state=narrowed.state)
    if narrowed.tier is not None:
        rows = in_tier(rows, narrowed.tier, caller.now)
    filters = narrowed.dict(exclude={"limit", "cursor"})
    listing = caller.listing("devices", narrowed, **filters)
    return listing.page(rows, lambda device: _show_device(device, caller.now))


@router.get("/tiers", response=TiersByDay)
def count_tiers(request: Administration) -> dict[str, Any]:
    """How many devices were in which tier, day by day."""
    caller = request.auth
    whose = None if caller.is_about_all else caller.organisation.pk
    counted = counts_by_day(whose, now=caller.now)
    return {"items": [{"day": day, "counts": counts} for day, counts in sorted(counted.items())]}


@router.get("/{uuid:device_id}", response=DeviceTold)
def read_device(request: Administration, device_id: UUID) -> dict[str, Any]:
    """One device."""
    return _show_device(one(Device, request.auth, device_id), request.auth.now)


@router.get("/{uuid:device_id}/score", response=ScoreExplained)
def explain_device_score(request: Administration, device_id: UUID) -> dict[str, Any]:
    """Why the device is trusted as far as it is."""
    return shown.explain(one(Device, request.auth, device_id), now=request.auth.now)


@router.get("/{uuid:device_id}/reports", response=Reports)
def list_device_reports(
    request: Administration, device_id: UUID, place: Query[Place]
) -> dict[str, Any]:
    """What was reported of it, as long as that is kept."""
    caller = request.auth
    device = one(Device, caller, device_id)
    rows = within(PostureReport, caller).filter(device=device)
    filters = {"device": device_id}
    return caller.listing("reports", place, **filters).page(rows, _report)


@router.post("/{uuid:device_id}/approve", response=DeviceTold)
def approve_device(request: Administration, device_id: UUID) -> dict[str, Any]:
    """Let a device in that waits for an administrator."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.approve(device=device, actor=caller.user, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/suspend", response=DeviceTold)
def suspend_device(request: Administration, device_id: UUID, said: Reason) -> dict[str, Any]:
    """Trust a device no more until it is resumed; its people see the reason."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.suspend(device=device, actor=caller.user, reason=said.reason, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/resume", response=DeviceTold)
def resume_device(request: Administration, device_id: UUID) -> dict[str, Any]:
    """Let a suspended device earn trust again."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.resume(device=device, actor=caller.user, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/revoke", response=DeviceTold)
def revoke_device(request: Administration, device_id: UUID, said: Reason) -> dict[str, Any]:
    """Put a device out of use for good. It needs a reason."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.revoke(device=device, actor=caller.user, reason=said.reason, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/retire", response=DeviceTold)
def retire_device(request: Administration, device_id: UUID) -> dict[str, Any]:
    """Note that a device is no longer used."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.retire(device=device, actor=caller.user, now=caller.now)
    return read_device(request, device_id)


def _report(report: PostureReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in ReportTold.model_fields}


def _show_device(device: Device, now: datetime) -> dict[str, Any]:
    return {
        "id": device.pk,
        "organisation": device.organisation,
        "name": device.name,
        "platform": device.platform,
        "state": device.state,
        "state_reason": device.state_reason,
        "tier": device.tier_at(now) if device.state == State.ENROLLED else 0,
        "score": device.score,
        "people": sorted(each.user.email for each in device.users.all()),
        "key_thumbprint": device.key_thumbprint,
        "reported_at": device.reported_at,
    }
