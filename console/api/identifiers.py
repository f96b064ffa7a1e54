"""What other products call our devices."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Sent, Whose
from devices.connectors import administration
from devices.connectors.identifiers import Kind
from devices.models import Device, DeviceIdentifier

router = Router(auth=Administrator())


class IdentifierTold(Schema):
    """confirmed_at: none where only the device says so; nobody finds it by that name then."""

    id: int
    organisation: Whose
    device: UUID
    kind: str
    value: str
    added_at: datetime
    confirmed_at: datetime | None


class Identifiers(Schema):
    items: list[IdentifierTold]
    next: str | None


class OfDevice(Place):
    device: UUID | None = None


class NewIdentifier(Sent):
    device: UUID
    kind: Kind
    value: Annotated[str, Field(min_length=1, max_length=128)]


@router.get("", response=Identifiers)
def list_identifiers(request: Administration, narrowed: Query[OfDevice]) -> dict[str, Any]:
    """Every name that a device goes by elsewhere; `device`: of one."""
    caller = request.auth
    rows = within(DeviceIdentifier, caller)
    if narrowed.device is not None:
        rows = rows.filter(device_id=narrowed.device)
    filters = {"device": narrowed.device}
    return caller.listing("identifiers", narrowed, **filters).page(rows, _show)


@router.post("", response={201: IdentifierTold})
def identify_device(request: Administration, wish: NewIdentifier) -> Status[Any]:
    """Write down what a device is called elsewhere, or confirm what it says itself."""
    caller = request.auth
    made = administration.identify(
        device=one(Device, caller, wish.device),
        kind=wish.kind,
        value=wish.value,
        actor=caller.user,
        now=caller.now,
    )
    return Status(201, _show(made))


@router.delete("/{int:identifier_id}", response=Did)
def unidentify_device(request: Administration, identifier_id: int) -> dict[str, Any]:
    """Take a name away. What was said under it stays, and grows old."""
    caller = request.auth
    identifier = one(DeviceIdentifier, caller, identifier_id, "device")
    administration.unidentify(identifier=identifier, actor=caller.user, now=caller.now)
    return {"did": True}


def _show(identifier: DeviceIdentifier) -> dict[str, Any]:
    told = {name: getattr(identifier, name, None) for name in IdentifierTold.model_fields}
    return told | {"id": identifier.pk, "device": identifier.device_id}
