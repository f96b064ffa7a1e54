"""What connectors bring: who calls, what it says, of which devices.

A delivery is taken whole or not at all, in one transaction. Of every check the latest observation
counts, so a call that comes twice or late changes nothing; none lies in the future.
"""

import hmac
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from core.ids import equal
from core.limits import spend
from devices import flows
from devices.connectors import access_token, cloudflare, fleet, mdm
from devices.connectors.administration import devices_called
from devices.connectors.findings import MAX_CLOCK_LEAD, Delivery, Finding
from devices.connectors.identifiers import Identifier
from devices.connectors.limits import DELIVERIES, FAILED_CALLS
from devices.connectors.models import Authentication, Connector, ConnectorKind
from devices.models import CheckResult, Device, DeviceUser, State
from devices.posture import Found
from devices.score import CAPS, Cap, Evidence

SIGNATURE_LIFETIME = timedelta(minutes=5)
MAX_CREDENTIAL_LENGTH = 4096


@dataclass(frozen=True)
class Shown:
    """What a caller shows of itself; each empty if it shows none.

    signature: `t=<seconds since 1970>,v1=<hex>`, the HMAC-SHA256 of `<t>.<body>`.
    """

    secret: str = ""
    signature: str = ""
    client_id: str = ""
    assertion: str = ""


@dataclass(frozen=True)
class Outcome:
    """What a delivery came to. devices, checks: that were updated. unknown: names of no device."""

    devices: int = 0
    checks: int = 0
    unknown: tuple[str, ...] = ()
    ignored: dict[str, int] = field(default_factory=dict)
    faults: tuple[str, ...] = ()


def authenticate(
    connector_id: UUID, *, shown: Shown, body: bytes, address: str, now: datetime
) -> Connector:
    """The connector that calls; refuses invalid_client, too_many_attempts.

    Who guesses learns nothing of which connectors there are.
    """
    connector = Connector.unscoped.filter(pk=connector_id, disabled_at=None).first()
    if connector is None or not _is_proven(connector, shown, body, now):
        spend(FAILED_CALLS, f"address:{address}", now=now)
        raise Refusal("invalid_client", "This connector is not known, or is not you.", 401)
    spend(DELIVERIES, str(connector.pk), now=now)
    return connector


def take_call(connector: Connector, payload: Any, *, body: bytes, now: datetime) -> Outcome:
    """Take in what Fleet or osquery tell; refuses invalid_request, conflict."""
    if connector.kind != ConnectorKind.FLEET:
        raise Refusal.invalid_request("This connector takes no calls.")
    said = fleet.read(payload, checks=connector.checks)
    return _take(connector, said, actor=connector, sha256_of=body, now=now)


def take_table(
    connector: Connector, content: bytes, *, actor: Any, is_dry: bool, now: datetime
) -> Outcome:
    """Take in a table of devices. With a fault in any line nothing is written, and they are told.

    is_dry: say what it would come to, and write nothing.
    """
    if connector.kind != ConnectorKind.MDM:
        raise Refusal.invalid_request("This connector takes no tables.")
    rows, faults = mdm.read(content, now=now)
    if faults:
        return Outcome(faults=tuple(map(str, faults)))
    said = Delivery([finding for row in rows for finding in row.findings])
    if is_dry:
        by_device, unknown = _sort(connector, said.findings, now)
        checks = sum(map(len, by_device.values()))
        return Outcome(len(by_device), checks, unknown)
    return _take(connector, said, actor=actor, sha256_of=content, now=now)


def answer(connector: Connector, payload: Any, *, now: datetime) -> dict[str, Any]:
    """The scores that a gateway asks for, as of now; refuses invalid_request.

    A device is worth no more than one of an unknown owner to people who are not among its users.
    """
    if connector.kind != ConnectorKind.CLOUDFLARE:
        raise Refusal.invalid_request("This connector asks for no scores.")
    asked = cloudflare.read(payload)
    serials = {one.serial for one in asked if one.serial}
    known = devices_called(connector.organisation_id, serials)
    enrolled = {device.pk: device for device in known.values() if device.state == State.ENROLLED}
    scores = flows.judge_all(list(enrolled.values()), now=now)
    users = _users_of(connector, enrolled)
    result = {}
    for one in asked:
        device = known.get(one.serial) if one.serial else None
        if device is None or device.pk not in scores:
            result[one.device_id] = {"s2s_id": "", "score": 0}
            continue
        score = scores[device.pk].value
        if one.email and one.email not in users[device.pk]:
            score = min(score, CAPS[Cap.UNKNOWN_OWNER])
        result[one.device_id] = {"s2s_id": str(device.pk), "score": score}
    _note_use(connector, now)
    return {"result": result}


def _is_proven(connector: Connector, shown: Shown, body: bytes, now: datetime) -> bool:
    match connector.authentication:
        case Authentication.SECRET:
            if connector.kind == ConnectorKind.CLOUDFLARE and shown.client_id != str(connector.pk):
                return False
            return len(shown.secret) <= MAX_CREDENTIAL_LENGTH and connector.has_secret(shown.secret)
        case Authentication.SIGNATURE:
            return _is_signed(connector, shown.signature, body, now)
        case Authentication.ACCESS_TOKEN:
            return len(shown.assertion) <= MAX_CREDENTIAL_LENGTH and access_token.is_good(
                shown.assertion,
                issuer=connector.access_issuer,
                audience=connector.access_audience,
                now=now,
            )
    return False


def _is_signed(connector: Connector, signature: str, body: bytes, now: datetime) -> bool:
    at, _, given = signature[:MAX_CREDENTIAL_LENGTH].removeprefix("t=").partition(",v1=")
    if not (at.isascii() and at.isdigit() and len(at) <= 12):  # noqa: PLR2004 - seconds since 1970
        return False
    if abs(now.timestamp() - int(at)) > SIGNATURE_LIFETIME.total_seconds():
        return False
    expected = hmac.new(bytes(connector.secret_sealed), f"{at}.".encode() + body, sha256)
    return equal(expected.hexdigest(), given)


@transaction.atomic
def _take(
    connector: Connector, said: Delivery, *, actor: Any, sha256_of: bytes, now: datetime
) -> Outcome:
    """`connector` is locked against being switched off meanwhile; devices in the order of ids."""
    live = Connector.objects.within_id(connector.organisation_id).select_for_update(no_key=True)
    locked = live.filter(pk=connector.pk, disabled_at=None).first()
    if locked is None:
        raise Refusal.conflict("This connector is switched off.")
    by_device, unknown = _sort(connector, said.findings, now)
    checks = 0
    for device, found in sorted(by_device.items(), key=lambda pair: pair[0].pk):
        checks += _tell(connector, device, found, now=now)
    locked.used_at = now
    locked.save(update_fields=["used_at"])
    outcome = Outcome(len(by_device), checks, unknown, said.ignored)
    record(
        Event.CONNECTOR_DELIVERED,
        organisation_id=connector.organisation_id,
        actor=actor,
        subject=connector,
        now=now,
        devices=outcome.devices,
        checks=outcome.checks,
        unknown=len(outcome.unknown),
        ignored=sum(outcome.ignored.values()),
        sha256=sha256(sha256_of).hexdigest(),
    )
    return outcome


def _sort(
    connector: Connector, findings: Sequence[Finding], now: datetime
) -> tuple[dict[Device, list[Found]], tuple[str, ...]]:
    """The findings by enrolled device, the latest of each check; and names that fit none.

    Names that lead to two devices lead to none.
    """
    names = {name for finding in findings for name in finding.identifiers}
    known = devices_called(connector.organisation_id, names)
    latest: defaultdict[Device, dict[str, Found]] = defaultdict(dict)
    unknown: dict[str, None] = {}
    for finding in findings:
        device = _only(finding.identifiers, known)
        if device is None or device.state != State.ENROLLED:
            unknown[str(finding.identifiers[0])] = None
            continue
        found = _found(finding, now)
        if found is None:
            continue
        before = latest[device].get(found.check_id)
        # Of two at one moment the worse one: a failure is not undone by what was seen with it.
        if before is None or (found.observed_at, found.status == "fail") > (
            before.observed_at,
            before.status == "fail",
        ):
            latest[device][found.check_id] = found
    return {device: list(found.values()) for device, found in latest.items()}, tuple(unknown)


def _only(names: Iterable[Identifier], known: dict[Identifier, Device]) -> Device | None:
    devices = {known[name] for name in names if name in known}
    return devices.pop() if len(devices) == 1 else None


def _found(finding: Finding, now: datetime) -> Found | None:
    """What lies ahead by no more than clocks differ is of now; what lies further says nothing."""
    if finding.observed_at > now + MAX_CLOCK_LEAD:
        return None
    return Found(
        finding.check_id, finding.status, min(finding.observed_at, now), value=finding.value
    )


def _tell(connector: Connector, device: Device, found: list[Found], *, now: datetime) -> int:
    """Hand over what is newer than what is kept; answers how many checks that are."""
    rows = Device.objects.within_id(connector.organisation_id).select_for_update()
    if not rows.filter(pk=device.pk, state=State.ENROLLED).exists():
        return 0
    kept = dict(
        CheckResult.objects.within_id(connector.organisation_id)
        .filter(device=device, source=connector.source)
        .values_list("check_id", "observed_at")
    )
    news = [one for one in found if _is_news(one, kept.get(one.check_id))]
    if not news:
        return 0
    checks = [
        {
            "id": one.check_id,
            "status": one.status.value,
            "observed_at": one.observed_at.isoformat(),
            **({"value": one.value} if one.value is not None else {}),
        }
        for one in news
    ]
    flows.take_results(
        device=device,
        source=connector.source,
        evidence=Evidence.SERVER,
        found=news,
        raw=json.dumps(checks, separators=(",", ":")),
        checks=checks,
        now=now,
    )
    return len(news)


def _is_news(found: Found, kept: datetime | None) -> bool:
    return kept is None or found.observed_at > kept


def _users_of(connector: Connector, devices: Iterable[UUID]) -> dict[UUID, set[str]]:
    users: defaultdict[UUID, set[str]] = defaultdict(set)
    rows = DeviceUser.objects.within_id(connector.organisation_id).filter(device__in=devices)
    for device_id, email in rows.values_list("device_id", "user__email"):
        users[device_id].add(email.lower())
    return users


def _note_use(connector: Connector, now: datetime) -> None:
    Connector.objects.within_id(connector.organisation_id).filter(pk=connector.pk).update(
        used_at=now
    )
