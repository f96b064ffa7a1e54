"""What machines say that they are called, kept until an administrator confirms it.

A machine can say what it likes: under another's serial number it would gather what a management
product says of that one. So its word is a hint, which spares people typing; no connector uses it.
"""

from collections.abc import Mapping
from datetime import datetime

from devices.connectors import identifiers
from devices.connectors.identifiers import Kind
from devices.connectors.models import DeviceIdentifier
from devices.models import Device

MAX_NAMES = 8  # of one device; a machine that keeps changing its mind is not listened to


def suggest(device: Device, hardware: Mapping[str, str], *, now: datetime) -> None:
    """Keep what is new of these names, by kind, in the transaction of the report."""
    said = {identifiers.read(Kind(kind), value) for kind, value in hardware.items()}
    rows = DeviceIdentifier.objects.within_id(device.organisation_id).filter(device=device)
    known = set(rows.values_list("kind", "value")) if said - {None} else set()
    for name in said:
        if name is None or (name.kind, name.value) in known or len(known) >= MAX_NAMES:
            continue
        known.add((name.kind, name.value))
        DeviceIdentifier.objects.create(
            organisation_id=device.organisation_id,
            device=device,
            kind=name.kind,
            value=name.value,
            added_at=now,
        )
