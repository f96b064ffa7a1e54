"""Being a custom posture provider: a gateway names devices, we answer with their scores.

The call is Cloudflare's (developers.cloudflare.com/cloudflare-one/integrations/service-providers/
custom): `{"devices": [{device_id, email, serial_number, mac_address, virtual_ipv4, hostname}]}`, at
most 1,000 of them, answered by `{"result": {device_id: {s2s_id, score}}}`.

Devices are found by serial number, as Cloudflare says itself. A device that is unknown, or not
enrolled, has the score 0 and no id of ours.
"""

from dataclasses import dataclass
from typing import Any

from core.errors import Refusal
from devices.connectors import identifiers
from devices.connectors.identifiers import Identifier, Kind

MAX_DEVICES = 1000
MAX_ID_LENGTH = 128
MAX_EMAIL_LENGTH = 254


@dataclass(frozen=True)
class Asked:
    """A device that somebody asks about. email: of who uses it there, lower case, or empty."""

    device_id: str
    serial: Identifier | None
    email: str


def read(payload: Any) -> list[Asked]:
    """Refuses invalid_request for what Cloudflare does not send."""
    devices = payload.get("devices") if isinstance(payload, dict) else None
    if not isinstance(devices, list) or len(devices) > MAX_DEVICES:
        raise Refusal.invalid_request(f"devices is a list of at most {MAX_DEVICES}.")
    return [_asked(device) for device in devices]


def _asked(device: Any) -> Asked:
    name = device.get("device_id") if isinstance(device, dict) else None
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_LENGTH or not name.isprintable():
        raise Refusal.invalid_request("Every device has a device_id.")
    email = device.get("email")
    known = isinstance(email, str) and len(email) <= MAX_EMAIL_LENGTH
    return Asked(
        name,
        identifiers.read(Kind.SERIAL, device.get("serial_number")),
        email.strip().lower() if known else "",
    )
