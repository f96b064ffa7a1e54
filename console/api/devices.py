"""Devices of the organisation, and what becomes of them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from console.api.door import Administrator, Request
from console.api.lookup import one
from console.api.paging import Listing, Place
from console.api.shapes import Reason
from devices import flows
from devices.models import Device, State

router = Router(auth=Administrator())


class DeviceTold(Schema):
    """tier: as of now, 0 to 4. people: addresses of those who use it."""

    id: UUID
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


@router.get("", response=Devices)
def list_devices(request: Request, place: Query[Place]) -> dict[str, Any]:
    """Every device of the organisation."""
    caller = request.auth
    listing = Listing("devices", caller.user.pk, place, caller.now, {})
    rows = Device.objects.within_id(caller.organisation_id).prefetch_related("users__user")
    return listing.page(rows, lambda device: _show_device(device, caller.now))


@router.get("/{uuid:device_id}", response=DeviceTold)
def read_device(request: Request, device_id: UUID) -> dict[str, Any]:
    """One device."""
    return _show_device(one(Device, request.auth, device_id), request.auth.now)


@router.post("/{uuid:device_id}/approve", response=DeviceTold)
def approve_device(request: Request, device_id: UUID) -> dict[str, Any]:
    """Let a device in that waits for an administrator."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.approve(device=device, actor=caller.user, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/suspend", response=DeviceTold)
def suspend_device(request: Request, device_id: UUID, said: Reason) -> dict[str, Any]:
    """Trust a device no more until it is resumed; its people see the reason."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.suspend(device=device, actor=caller.user, reason=said.reason, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/resume", response=DeviceTold)
def resume_device(request: Request, device_id: UUID) -> dict[str, Any]:
    """Let a suspended device earn trust again."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.resume(device=device, actor=caller.user, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/revoke", response=DeviceTold)
def revoke_device(request: Request, device_id: UUID, said: Reason) -> dict[str, Any]:
    """Put a device out of use for good. It needs a reason."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.revoke(device=device, actor=caller.user, reason=said.reason, now=caller.now)
    return read_device(request, device_id)


@router.post("/{uuid:device_id}/retire", response=DeviceTold)
def retire_device(request: Request, device_id: UUID) -> dict[str, Any]:
    """Note that a device is no longer used."""
    caller = request.auth
    device = one(Device, caller, device_id)
    flows.retire(device=device, actor=caller.user, now=caller.now)
    return read_device(request, device_id)


def _show_device(device: Device, now: datetime) -> dict[str, Any]:
    return {
        "id": device.pk,
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
