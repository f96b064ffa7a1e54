"""One's own devices: how far each is trusted, why, and what becomes of it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from pydantic import Field

from console.api.door import Account, Caller, Request
from console.api.paging import Listing, Place
from console.api.shapes import Sent
from core.errors import Refusal
from devices import flows, shown
from devices.models import Device, State

if TYPE_CHECKING:
    from django.db.models import QuerySet

router = Router(auth=Account())

FRESH = timedelta(minutes=10)  # as on the pages


class OwnDevice(Schema):
    """tier: as of now, 0 to 4. others: addresses of whoever uses it besides."""

    id: UUID
    name: str
    platform: str
    state: str
    state_reason: str
    tier: int
    score: int | None
    others: list[str]
    reported_at: datetime | None


class OwnDevices(Schema):
    items: list[OwnDevice]
    next: str | None


class ScoreExplained(Schema):
    """All that a score is made of: its caps, and each check with its weight and what it lost."""

    version: int | str
    formula: str
    as_of: str
    state: str
    score: int | None
    tier: int
    tier_once_confirmed: int
    tier_ends_at: list[str]
    reported_at: str | None
    report_expires_at: str | None
    caps: list[dict[str, Any]]
    checks: list[dict[str, Any]]


class NewName(Sent):
    name: Annotated[str, Field(min_length=1, max_length=100)]


@router.get("", response=OwnDevices)
def list_own_devices(request: Request, place: Query[Place]) -> dict[str, Any]:
    """Every device that the caller uses, or has used."""
    caller = request.auth
    listing = Listing("own devices", caller.user.pk, place, caller.now, {})
    return listing.page(_mine(caller), lambda device: _show(device, caller))


@router.get("/{uuid:device_id}/score", response=ScoreExplained)
def explain_own_score(request: Request, device_id: UUID) -> dict[str, Any]:
    """Why the device is trusted as far as it is."""
    return shown.explain(_own(request.auth, device_id), now=request.auth.now)


@router.post("/{uuid:device_id}/rename", response=OwnDevice)
def rename_own_device(request: Request, device_id: UUID, wish: NewName) -> dict[str, Any]:
    """Call it something else."""
    caller = request.auth
    device = _own(caller, device_id)
    flows.rename(
        device=device,
        name=wish.name,
        actor=caller.user,
        session_id=caller.session_id,
        now=caller.now,
    )
    return _show(_own(caller, device_id), caller)


@router.post("/{uuid:device_id}/lost", response=OwnDevice)
def report_own_device_lost(request: Request, device_id: UUID) -> dict[str, Any]:
    """Note that it is no longer in one's hands: it is trusted no more."""
    caller = request.auth
    device = _own(caller, device_id)
    caller.demand_recent(FRESH)
    flows.report_lost(
        device=device, actor=caller.user, session_id=caller.session_id, now=caller.now
    )
    return _show(_own(caller, device_id), caller)


@router.post("/{uuid:device_id}/retire", response=OwnDevice)
def retire_own_device(request: Request, device_id: UUID) -> dict[str, Any]:
    """Use it no more: it is retired, unless others use it."""
    caller = request.auth
    device = _own(caller, device_id)
    caller.demand_recent(FRESH)
    told = _show(device, caller)
    session_id, now = caller.session_id, caller.now
    if flows.leave(device=device, user=caller.user, session_id=session_id, now=now):
        return told
    flows.retire(device=device, actor=caller.user, session_id=session_id, now=now)
    return _show(_own(caller, device_id), caller)


def _mine(caller: Caller) -> "QuerySet[Device]":
    rows: QuerySet[Device] = Device.objects.within_id(caller.user.organisation_id).filter(
        users__user=caller.user
    )
    return rows.prefetch_related("users__user")


def _own(caller: Caller, device_id: UUID) -> Device:
    """One of the caller's; anybody else's does not exist."""
    device = _mine(caller).filter(pk=device_id).first()
    if device is None:
        raise Refusal.not_found()
    return device


def _show(device: Device, caller: Caller) -> dict[str, Any]:
    return {
        "id": device.pk,
        "name": device.name,
        "platform": device.platform,
        "state": device.state,
        "state_reason": device.state_reason,
        "tier": device.tier_at(caller.now) if device.state == State.ENROLLED else 0,
        "score": device.score,
        "others": sorted(
            each.user.email for each in device.users.all() if each.user_id != caller.user.pk
        ),
        "reported_at": device.reported_at,
    }
