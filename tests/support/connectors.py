"""Connectors of the cast, devices that they know, and calls as other products send them."""

import hmac
import json
from hashlib import sha256
from typing import Any

from django.test import Client as Browser

from accounts.models import Organisation
from core import clock
from core.ids import new_token
from devices import flows
from devices.connectors import administration
from devices.connectors.administration import Made
from devices.connectors.identifiers import Kind
from devices.models import CheckResult, Connector, Device, DeviceUser, State
from devices.posture import Found
from devices.score import Evidence, Status

CHECKS = {"Disk encryption": "disk_encryption", "patches": "os_patch_age"}
UUID = "4740d59f-699e-5b29-960b-979aaf9bbeeb"
NEVER = {"screen_lock", "firewall", "endpoint_protection"}


def connector(
    of: Organisation, kind: str = "fleet", authentication: str = "secret", **how: Any
) -> Made:
    return administration.create(
        organisation_id=of.pk,
        kind=kind,
        name=how.pop("name", f"{of.slug} {kind}"),
        authentication=authentication,
        checks=how.pop("checks", CHECKS if kind == "fleet" else {}),
        actor="tests",
        now=clock.now(),
        **how,
    )


def laptop(of: Organisation, *users: Any, name: str = "laptop", **called: str) -> Device:
    """An enrolled device with a key, its users, and what it is called elsewhere."""
    device = Device.objects.create(
        organisation=of,
        name=name,
        platform="linux",
        state=State.ENROLLED,
        key_thumbprint=new_token(),
        key_storage="software",
        created_at=clock.now(),
        enrolled_at=clock.now(),
    )
    for user in users:
        DeviceUser.objects.create(organisation=of, device=device, user=user, added_at=clock.now())
    for kind, value in called.items():
        administration.identify(
            device=device, kind=Kind(kind), value=value, actor="tests", now=clock.now()
        )
    return device


def report(device: Device, **found: str | int) -> int:
    """The agent reports, with everything passed that is not named; gives the score."""
    checks = {
        "os_patch_age": 1, "disk_encryption": "pass", "screen_lock": "pass", "firewall": "pass",
        "endpoint_protection": "pass", "secure_boot": "pass",
    } | found  # fmt: skip
    at = clock.now()
    judged = flows.take_results(
        device=device,
        source="agent",
        evidence=Evidence.DEVICE_KEY,
        found=[
            Found(name, Status.PASS if isinstance(said, int) else Status(said), at,
                  said if isinstance(said, int) else None)
            for name, said in checks.items()
        ],
        raw="{}",
        checks=[],
        now=at,
    )  # fmt: skip
    return judged.score.value


def call(
    to: Connector | str, payload: Any, *, secret: str = "", query: str = "", **headers: str
) -> Any:
    """POST as another product does; `headers` by their names with _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if secret:
        sent["Authorization"] = f"Bearer {secret}"
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Browser(enforce_csrf_checks=True).post(
        f"/devices/api/connectors/{getattr(to, 'pk', to)}/{query}",
        body,
        content_type="application/json",
        headers=sent,
    )


def signed(body: bytes, secret: str, at: int | None = None) -> str:
    moment = int(clock.now().timestamp()) if at is None else at
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, sha256).hexdigest()
    return f"t={moment},v1={mac}"


def failing(policy: str = "Disk encryption", host: int = 17, at: str = "") -> dict[str, Any]:
    return {
        "timestamp": at or clock.now().isoformat(),
        "policy": {"id": 1, "name": policy},
        "hosts": [{"id": host, "hostname": "laptop", "url": "https://fleet.example/hosts/17"}],
    }


def result(
    rows: list[dict[str, str]], *, query: str = "Disk encryption", age_seconds: int = 0
) -> dict[str, Any]:
    at = int(clock.now().timestamp()) - age_seconds
    return {
        "timestamp": clock.now().isoformat(),
        "details": {
            "name": query,
            "hostIdentifier": UUID,
            "unixTime": at,
            "action": "snapshot",
            "snapshot": rows,
            "decorations": {"host_uuid": UUID},
        },
    }


def said(device: Device, source: str) -> dict[str, tuple[str, int | None]]:
    """What is kept of what a source said."""
    rows = CheckResult.objects.within_id(device.organisation_id).filter(
        device=device, source=source
    )
    return {row.check_id: (row.status, row.value) for row in rows}
