"""Connecting another product, and writing down what it calls our devices."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import IntegrityError, transaction

from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from core.ids import digest, new_token
from devices import flows
from devices.connectors import identifiers
from devices.connectors.findings import REPORTABLE
from devices.connectors.identifiers import Identifier, Kind
from devices.connectors.models import Authentication, Connector, ConnectorKind, DeviceIdentifier
from devices.models import IN_USE, CheckResult, Device

MAX_NAME_LENGTH = 100
MAX_CHECKS = 200
MAX_CHECK_NAME_LENGTH = 255
MAX_AUDIENCE_LENGTH = 128
MEANS: Mapping[str, tuple[str, ...]] = {
    ConnectorKind.FLEET: (Authentication.SECRET, Authentication.SIGNATURE),
    ConnectorKind.CLOUDFLARE: (Authentication.ACCESS_TOKEN, Authentication.SECRET),
    ConnectorKind.MDM: (Authentication.NONE,),
}
_AUDIENCE = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Made:
    """A connector, and its secret, which is known now and never again. None: it has none."""

    connector: Connector
    secret: str | None


@transaction.atomic
def create(
    *,
    organisation_id: UUID,
    kind: str,
    name: str,
    authentication: str,
    actor: Any,
    now: datetime,
    checks: Mapping[str, str] | None = None,
    access_issuer: str = "",
    access_audience: str = "",
) -> Made:
    """Connect another product; refuses invalid_request, and conflict for a name that is taken."""
    connector = check(
        kind=kind,
        name=name,
        authentication=authentication,
        checks=checks or {},
        access_issuer=access_issuer,
        access_audience=access_audience,
    )
    connector.organisation_id, connector.created_at = organisation_id, now
    secret = _give_secret(connector)
    try:
        with transaction.atomic():
            connector.save(force_insert=True)
    except IntegrityError as error:
        raise Refusal.conflict("A connector of this name is there already.") from error
    _record(Event.CONNECTOR_CREATED, connector, actor=actor, now=now, means=authentication)
    return Made(connector, secret)


def check(
    *,
    kind: str,
    name: str,
    authentication: str,
    checks: Mapping[str, str],
    access_issuer: str = "",
    access_audience: str = "",
) -> Connector:
    """A connector as it would be, without secret; refuses invalid_request for what does not fit."""
    if authentication not in MEANS.get(kind, ()):
        raise Refusal.invalid_request("This kind of connector does not prove itself that way.")
    is_by_token = authentication == Authentication.ACCESS_TOKEN
    return Connector(
        kind=kind,
        name=_plain(name),
        authentication=authentication,
        checks=_checks(checks),
        access_issuer=_issuer(access_issuer) if is_by_token else "",
        access_audience=_audience(access_audience) if is_by_token else "",
    )


@transaction.atomic
def map_checks(
    *, connector: Connector, checks: Mapping[str, str], actor: Any, now: datetime
) -> Connector:
    """Say which policy or query stands for which check; refuses invalid_request, conflict."""
    locked = _lock(connector)
    locked.checks = _checks(checks)
    locked.save(update_fields=["checks"])
    _record(Event.CONNECTOR_UPDATED, locked, actor=actor, now=now, checks=locked.checks)
    return locked


@transaction.atomic
def rotate_secret(*, connector: Connector, actor: Any, now: datetime) -> Made:
    """A new secret; the old one stops working at once. Refuses conflict if there is none."""
    locked = _lock(connector)
    secret = _give_secret(locked)
    if secret is None:
        raise Refusal.conflict("This connector has no secret.")
    locked.save(update_fields=["secret_digest", "secret_sealed"])
    _record(Event.CONNECTOR_SECRET_ROTATED, locked, actor=actor, now=now)
    return Made(locked, secret)


@transaction.atomic
def switch_off(*, connector: Connector, actor: Any, now: datetime) -> Connector:
    """Listen to it no more, and forget what it has said; refuses conflict if it is off already."""
    locked = _lock(connector)
    locked.disabled_at = now
    locked.save(update_fields=["disabled_at"])
    _record(
        Event.CONNECTOR_SWITCHED_OFF, locked, actor=actor, now=now, devices=_forget(locked, now)
    )
    return locked


@transaction.atomic
def forget(*, connector: Connector, actor: Any, now: datetime) -> int:
    """Drop all that it has said, and go on listening; answers of how many devices."""
    locked = _lock(connector)
    devices = _forget(locked, now)
    _record(Event.CONNECTOR_FORGOTTEN, locked, actor=actor, now=now, devices=devices)
    return devices


@transaction.atomic
def identify(
    *, device: Device, kind: Kind, value: str, actor: Any, now: datetime
) -> DeviceIdentifier:
    """Write down what a device is called elsewhere, or confirm what it says itself.

    Refuses invalid_request for what names no device, and conflict when another device that is in
    use is called so. From one that is out of use the name moves over.
    """
    read = identifiers.read(kind, value)
    if read is None:
        raise Refusal.invalid_request(f"This is no {kind} of a device.")
    rows = DeviceIdentifier.objects.within_id(device.organisation_id)
    alike = rows.select_for_update().filter(kind=read.kind, value=read.value)
    held = alike.filter(confirmed_at__isnull=False).first()
    if held is not None and held.device_id == device.pk:
        return held
    if held is not None:
        if Device.objects.within_id(device.organisation_id).get(pk=held.device_id).is_in_use():
            raise Refusal.conflict("Another device is called so.")
        held.delete()
    try:
        with transaction.atomic():
            made, _ = rows.update_or_create(
                organisation_id=device.organisation_id,
                device=device,
                kind=read.kind,
                value=read.value,
                defaults={"confirmed_at": now},
                create_defaults={"added_at": now, "confirmed_at": now},
            )
    except IntegrityError as error:  # another administrator was faster
        raise Refusal.conflict("Another device is called so.") from error
    _record_name(Event.DEVICE_IDENTIFIED, made, actor=actor, now=now)
    return made


@transaction.atomic
def unidentify(*, identifier: DeviceIdentifier, actor: Any, now: datetime) -> None:
    """Take a name away. What was said under it stays, and grows old."""
    _record_name(Event.DEVICE_IDENTIFIER_REMOVED, identifier, actor=actor, now=now)
    identifier.delete()


def devices_called(organisation_id: UUID, names: set[Identifier]) -> dict[Identifier, Device]:
    """The devices in use that are called so elsewhere."""
    found: dict[Identifier, Device] = {}
    for kind in Kind:
        values = {name.value for name in names if name.kind is kind}
        rows = DeviceIdentifier.objects.within_id(organisation_id).filter(
            kind=kind,
            value__in=values,
            confirmed_at__isnull=False,
            device__state__in=IN_USE,
        )
        for row in rows.select_related("device"):
            found[Identifier(kind, row.value)] = row.device
    return found


def _forget(connector: Connector, now: datetime) -> int:
    results = CheckResult.objects.within_id(connector.organisation_id)
    said = results.filter(source=connector.source).values("device")
    devices = Device.objects.within_id(connector.organisation_id).filter(pk__in=said)
    told = list(devices.order_by("pk"))
    for device in told:
        flows.forget_source(device=device, source=connector.source, now=now)
    return len(told)


def _lock(connector: Connector) -> Connector:
    """Refuses conflict once it is switched off."""
    rows = Connector.objects.within_id(connector.organisation_id).select_for_update()
    locked: Connector = rows.get(pk=connector.pk)
    if not locked.is_live:
        raise Refusal.conflict("This connector is switched off.")
    return locked


def _give_secret(connector: Connector) -> str | None:
    if connector.authentication == Authentication.SECRET:
        secret = new_token()
        connector.secret_digest = digest(secret)
        return secret
    if connector.authentication == Authentication.SIGNATURE:
        secret = new_token()
        connector.secret_sealed = secret.encode()
        return secret
    return None


def _plain(name: str) -> str:
    words = " ".join(name.split())
    if not words or len(words) > MAX_NAME_LENGTH or not words.isprintable():
        raise Refusal.invalid_request(f"A name has 1 to {MAX_NAME_LENGTH} printable characters.")
    return words


def _checks(checks: Mapping[str, str]) -> dict[str, str]:
    if len(checks) > MAX_CHECKS:
        raise Refusal.invalid_request(f"At most {MAX_CHECKS} policies and queries can be mapped.")
    for name, check_id in checks.items():
        if not 0 < len(name) <= MAX_CHECK_NAME_LENGTH or check_id not in REPORTABLE:
            raise Refusal.invalid_request(f"{name[:100]}: {check_id[:48]} is no check.")
    return dict(checks)


def _issuer(text: str) -> str:
    parts = urlsplit(text.strip().rstrip("/"))
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.fragment:
        raise Refusal.invalid_request(
            "The team's address is like https://acme.cloudflareaccess.com."
        )
    return f"https://{parts.netloc.lower()}"


def _audience(text: str) -> str:
    tag = text.strip()
    if len(tag) > MAX_AUDIENCE_LENGTH or not _AUDIENCE.fullmatch(tag):
        raise Refusal.invalid_request("The audience tag is letters and digits.")
    return tag


def _record(event: Event, connector: Connector, *, actor: Any, now: datetime, **facts: Any) -> None:
    record(
        event,
        organisation_id=connector.organisation_id,
        actor=actor,
        subject=connector,
        now=now,
        name=connector.name,
        kind=connector.kind,
        **facts,
    )


def _record_name(event: Event, identifier: DeviceIdentifier, *, actor: Any, now: datetime) -> None:
    record(
        event,
        organisation_id=identifier.organisation_id,
        actor=actor,
        subject=identifier.device,
        device_id=identifier.device_id,
        now=now,
        kind=identifier.kind,
        value=identifier.value,
    )
