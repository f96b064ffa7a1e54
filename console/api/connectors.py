"""Connectors of other products, and what those call our devices."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Flag, Name, Sent, Whose
from console.connecting import check_size, path_of
from core.errors import Refusal
from devices.connectors import administration, delivery
from devices.connectors.models import Authentication, ConnectorKind
from devices.models import Connector

router = Router(auth=Administrator())

Mapped = Annotated[
    dict[Annotated[str, Field(max_length=255)], Name], Field(max_length=administration.MAX_CHECKS)
]
Short = Annotated[str, Field(max_length=255)]


class ConnectorTold(Schema):
    """path: where the other product calls, "" where nobody calls. checks: its names → ours."""

    id: UUID
    organisation: Whose
    kind: str
    name: str
    authentication: str
    checks: dict[str, str]
    access_issuer: str
    access_audience: str
    path: str
    created_at: datetime
    used_at: datetime | None
    disabled_at: datetime | None


class Connectors(Schema):
    items: list[ConnectorTold]
    next: str | None


class ConnectorMade(Schema):
    """secret: told here and never again; none where it has none."""

    connector: ConnectorTold
    secret: str | None


class NewConnector(Sent):
    kind: ConnectorKind
    name: Name
    authentication: Authentication
    checks: Mapped = {}
    access_issuer: Short = ""
    access_audience: Short = ""


class ConnectorChecks(Sent):
    checks: Mapped


class Table(Sent):
    """table: JSON or CSV, as a text. is_dry: only say what it would come to."""

    table: str
    is_dry: Flag = True


class TableTaken(Schema):
    """devices, checks: how many are updated, or would be. unknown: names of no device.

    faults: by lines; with any of them nothing is written.
    """

    devices: int
    checks: int
    unknown: list[str]
    faults: list[str]


class DevicesForgotten(Schema):
    devices: int


@router.get("", response=Connectors)
def list_connectors(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every connector, those that are switched off too."""
    caller = request.auth
    listing = caller.listing("connectors", place)
    return listing.page(within(Connector, caller), _show)


@router.post("", response={201: ConnectorMade})
def create_connector(request: Administration, wish: NewConnector) -> Status[Any]:
    """Connect another product. Its secret, if it has one, is in this answer alone."""
    caller = request.auth
    made = administration.create(
        organisation_id=caller.organisation.pk, actor=caller.user, now=caller.now, **wish.dict()
    )
    return Status(201, _made(made))


@router.get("/{uuid:connector_id}", response=ConnectorTold)
def read_connector(request: Administration, connector_id: UUID) -> dict[str, Any]:
    """One connector."""
    return _show(one(Connector, request.auth, connector_id))


@router.put("/{uuid:connector_id}/checks", response=ConnectorTold)
def map_connector_checks(
    request: Administration, connector_id: UUID, wish: ConnectorChecks
) -> dict[str, Any]:
    """Say anew which of its policies and queries stand for which of our checks."""
    caller = request.auth
    connector = one(Connector, caller, connector_id)
    if connector.kind != ConnectorKind.FLEET:
        raise Refusal.invalid_request("This connector's checks are not mapped.")
    return _show(
        administration.map_checks(
            connector=connector, checks=wish.checks, actor=caller.user, now=caller.now
        )
    )


@router.post("/{uuid:connector_id}/rotate-secret", response={201: ConnectorMade})
def rotate_connector_secret(request: Administration, connector_id: UUID) -> Status[Any]:
    """Give it a new secret, which is in this answer alone; the old one stops working at once."""
    caller = request.auth
    made = administration.rotate_secret(
        connector=one(Connector, caller, connector_id), actor=caller.user, now=caller.now
    )
    return Status(201, _made(made))


@router.post("/{uuid:connector_id}/forget", response=DevicesForgotten)
def forget_connector(request: Administration, connector_id: UUID) -> dict[str, Any]:
    """Forget what it has said, and go on listening; `devices`: of how many."""
    caller = request.auth
    connector = one(Connector, caller, connector_id)
    count = administration.forget(connector=connector, actor=caller.user, now=caller.now)
    return {"devices": count}


@router.post("/{uuid:connector_id}/switch-off", response=ConnectorTold)
def switch_connector_off(request: Administration, connector_id: UUID) -> dict[str, Any]:
    """Listen to it no more, and forget what it has said."""
    caller = request.auth
    connector = one(Connector, caller, connector_id)
    return _show(administration.switch_off(connector=connector, actor=caller.user, now=caller.now))


@router.post("/{uuid:connector_id}/table", response=TableTaken)
def bring_table(request: Administration, connector_id: UUID, wish: Table) -> dict[str, Any]:
    """Take in a table of devices: the whole of it, or nothing."""
    caller = request.auth
    connector = one(Connector, caller, connector_id)
    content = wish.table.encode()
    check_size(content)
    outcome = delivery.take_table(
        connector, content, actor=caller.user, is_dry=wish.is_dry, now=caller.now
    )
    if outcome.faults and not wish.is_dry:
        raise Refusal.invalid_request(f"Nothing was taken in. {outcome.faults[0]}"[:500])
    return {
        "devices": outcome.devices,
        "checks": outcome.checks,
        "unknown": list(outcome.unknown),
        "faults": list(outcome.faults),
    }


def _made(made: administration.Made) -> dict[str, Any]:
    return {"connector": _show(made.connector), "secret": made.secret}


def _show(connector: Connector) -> dict[str, Any]:
    told = {name: getattr(connector, name, None) for name in ConnectorTold.model_fields}
    return told | {"path": path_of(connector)}
