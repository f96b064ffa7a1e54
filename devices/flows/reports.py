"""What is reported of devices, and what that is worth.

Signed reports come from the devices themselves (`take_report`), results of other products by
connectors (`take_results`). Either way one transaction keeps what came as it came, replaces what
this source had said before, scores the device anew and writes it down.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit.events import Event
from audit.recorder import record, ref
from core import clock
from core.errors import Refusal
from core.ids import digest, new_token
from devices import posture, score
from devices.connectors.names import suggest
from devices.flows.states import record_tier, tell_of_change
from devices.models import (
    CheckResult,
    Device,
    DeviceUser,
    KeyStorage,
    Nonce,
    PostureReport,
    RefusedReport,
    State,
)
from devices.posture import Found, PublicKey, Report
from devices.score import Evidence, Result, Score, Standing, Status

AGENT, BROWSER = "agent", "browser"
NONCE_LIFETIME = timedelta(minutes=5)
REPORTS_KEPT_FOR = timedelta(days=90)
SOON = timedelta(seconds=10)  # a second report is awaited, to confirm a rise

REFUSE = """
INSERT INTO devices_refusedreport (organisation_id, device_id, cause, day, count, last_at)
VALUES (%(organisation)s, %(device)s, %(cause)s, %(day)s, 1, %(now)s)
ON CONFLICT (device_id, cause, day) DO UPDATE
   SET count = devices_refusedreport.count + 1, last_at = EXCLUDED.last_at
RETURNING count
"""


@dataclass(frozen=True)
class Judged:
    """What a report came to. tier: granted. next_report_in: when to report again."""

    device: Device
    score: Score
    tier: int
    next_report_in: timedelta


def take_report(*, device_id: UUID, body: bytes, now: datetime) -> Judged:
    """Accept a report that a device has signed, and score the device anew.

    Refuses unknown_device (401), not_enrolled (403), and what `posture.read_report` refuses; stale
    when its nonce has run out; replayed when its nonce, jti or seq was used. A refusal leaves
    nothing but a line in audit, once a day for each cause.
    """
    device = find(device_id)
    try:
        if device.state != State.ENROLLED:
            raise _not_enrolled()
        key = PublicKey(device.public_jwk or {}, device.key_thumbprint)
        report = posture.read_report(body, device_id=device.id, key=key, now=now)
        return _take(device, report, now)
    except Refusal as refusal:
        _note(device, refusal.code, now)
        raise


@transaction.atomic
def take_results(
    *,
    device: Device,
    source: str,
    evidence: Evidence,
    found: Sequence[Found],
    raw: str,
    checks: list[dict[str, Any]],
    now: datetime,
) -> Judged:
    """Accept what another product says of a device; refuses not_enrolled.

    source: which product, like "fleet"; its results replace its earlier ones, check by check.
    raw, checks: what it sent, as evidence.
    """
    rows = Device.objects.within_id(device.organisation_id).select_for_update()
    locked = rows.filter(pk=device.pk, state=State.ENROLLED).first()
    if locked is None:
        raise _not_enrolled()
    kept = PostureReport(source=source, evidence=evidence, raw=raw, checks=checks)
    return _rescore(locked, kept, found, now=now)


@transaction.atomic
def forget_source(*, device: Device, source: str, now: datetime) -> None:
    """Drop what a product said of a device that it no longer looks after, and score anew."""
    rows = Device.objects.within_id(device.organisation_id).select_for_update()
    locked = rows.get(pk=device.pk)
    _results(locked).filter(source=source).delete()
    if locked.state == State.ENROLLED and locked.reported_at is not None:
        _grant(locked, now=now, reported_at=locked.reported_at, cause=f"{source} was forgotten")


def give_nonce(*, device_id: UUID, now: datetime) -> str:
    """A value that this device's next report has to carry; refuses unknown_device, not_enrolled."""
    device = find(device_id)
    if device.state != State.ENROLLED:
        raise _not_enrolled()
    nonce = new_token(24)
    Nonce.objects.create(
        digest=digest(nonce),
        organisation_id=device.organisation_id,
        device=device,
        expires_at=now + NONCE_LIFETIME,
    )
    return nonce


def find(device_id: UUID) -> Device:
    """A device by the id that it names; refuses unknown_device."""
    device: Device | None = Device.unscoped.filter(pk=device_id).first()
    if device is None:
        raise Refusal("unknown_device", "There is no such device.", 401)
    return device


def judge(device: Device, *, now: datetime) -> Score:
    """The score of a device as it stands at `now`, with what each check contributes."""
    return judge_all([device], now=now)[device.pk]


def judge_all(devices: Sequence[Device], *, now: datetime) -> dict[UUID, Score]:
    """The scores of many devices of one organisation, by their ids, in two queries."""
    if not devices:
        return {}
    organisation_id = devices[0].organisation_id
    results: defaultdict[UUID, list[Result]] = defaultdict(list)
    for row in CheckResult.objects.within_id(organisation_id).filter(device__in=devices):
        results[row.device_id].append(row.as_result())
    rows = DeviceUser.objects.within_id(organisation_id).filter(device__in=devices)
    owned = set(rows.values_list("device_id", flat=True))
    return {
        device.pk: score.judge(
            results[device.pk],
            _standing(device, reported_at=device.reported_at, has_owner=device.pk in owned),
            now=now,
        )
        for device in devices
    }


def standing_of(device: Device, *, reported_at: datetime | None) -> Standing:
    owners = DeviceUser.objects.within_id(device.organisation_id).filter(device=device)
    return _standing(device, reported_at=reported_at, has_owner=owners.exists())


def _standing(device: Device, *, reported_at: datetime | None, has_owner: bool) -> Standing:
    return Standing(
        platform=device.platform,
        reported_at=reported_at,
        is_shut=device.state != State.ENROLLED,
        has_owner=has_owner,
        has_key=bool(device.key_thumbprint),
    )


def note_faded(*, now: datetime) -> int:
    """Write down which devices have dropped a tier because nothing was reported of them.

    The tier itself ended on its second; this is for those who want to be told.
    """
    faded = 0
    for tier in range(1, score.TOP_TIER + 1):
        rows = Device.unscoped.filter(
            state=State.ENROLLED, known_tier=tier, **{f"tier_ends_at__{tier - 1}__lte": now}
        )
        for pk in list(rows.values_list("pk", flat=True)[:1000]):
            faded += _note_faded(pk, now)
    return faded


def purge_reports(*, now: datetime) -> int:
    """Delete nonces that have run out, and reports of three months ago."""
    nonces, _ = Nonce.unscoped.filter(expires_at__lt=now - NONCE_LIFETIME).delete()
    reports, _ = PostureReport.unscoped.filter(received_at__lt=now - REPORTS_KEPT_FOR).delete()
    day = (now - REPORTS_KEPT_FOR).date()
    refused, _ = RefusedReport.unscoped.filter(day__lt=day).delete()
    return nonces + reports + refused


@transaction.atomic
def _take(device: Device, report: Report, now: datetime) -> Judged:
    """Claim seq and nonce, and keep the report. The first statement locks the device's row."""
    _claim_seq(device, report)
    _claim_nonce(device, report, now)
    device.refresh_from_db()
    if device.reports.filter(jti=report.jti).exists():
        raise Refusal("replayed", "This jti has been used.")
    is_browser = device.key_storage == KeyStorage.BROWSER
    kept = PostureReport(
        source=BROWSER if is_browser else AGENT,
        evidence=Evidence.BROWSER_KEY if is_browser else Evidence.DEVICE_KEY,
        jti=report.jti,
        seq=report.seq,
        issued_at=report.issued_at,
        raw=report.raw,
        checks=report.checks,
    )
    suggest(device, report.hardware, now=now)
    return _rescore(device, kept, [_corrected(found, device) for found in report.found], now=now)


def _claim_seq(device: Device, report: Report) -> None:
    """Reports count in the order in which they were signed, and by the key of now."""
    claimed = Device.unscoped.filter(
        pk=device.pk,
        state=State.ENROLLED,
        key_thumbprint=device.key_thumbprint,
        report_seq__lt=report.seq,
    ).update(report_seq=report.seq, os_name=report.os_name, os_version=report.os_version)
    if not claimed:
        raise _not_claimed(device)


def _claim_nonce(device: Device, report: Report, now: datetime) -> None:
    nonces = Nonce.objects.within_id(device.organisation_id)
    mine = nonces.filter(digest=digest(report.nonce), device=device)
    if not mine.filter(used_at=None, expires_at__gt=clock.sql_now()).update(used_at=now):
        if mine.filter(used_at__isnull=False).exists():
            raise Refusal("replayed", "This nonce has been used.")
        raise Refusal("stale", "This nonce has run out, or was never given to this device.")


def _corrected(found: Found, device: Device) -> Found:
    """A key that was enrolled as a file or a browser's is in no hardware, whatever is said now."""
    in_hardware = device.key_storage in {KeyStorage.TPM, KeyStorage.SECURE_ENCLAVE}
    if found.check_id == score.HARDWARE_KEY and not in_hardware:
        return Found(found.check_id, Status.FAIL, found.observed_at)
    return found


def _rescore(
    device: Device, kept: PostureReport, found: Sequence[Found], *, now: datetime
) -> Judged:
    """Replace what this source had said, and grant what the whole is worth. `device` is locked."""
    _results(device).bulk_create(
        [
            CheckResult(
                organisation_id=device.organisation_id,
                device=device,
                check_id=one.check_id,
                source=kept.source,
                evidence=kept.evidence,
                status=one.status,
                value=one.value,
                observed_at=one.observed_at,
            )
            for one in found
        ],
        update_conflicts=True,
        unique_fields=["device", "check_id", "source"],
        update_fields=["evidence", "status", "value", "observed_at"],
    )
    reported_at = now if kept.jti else _last_sign(device, found, now)
    judged = _grant(device, now=now, reported_at=reported_at, cause=f"report of {kept.source}")
    kept.organisation_id, kept.device, kept.received_at = device.organisation_id, device, now
    kept.score, kept.reported_tier, kept.tier = judged.score.value, judged.score.tier, judged.tier
    kept.save(force_insert=True)
    record(
        Event.POSTURE_REPORTED,
        organisation_id=device.organisation_id,
        actor=ref(device) if kept.jti else kept.source,
        subject=device,
        device_id=device.id,
        now=now,
        report=kept.pk,
        source=kept.source,
        score=kept.score,
        tier=kept.tier,
        sha256=digest(kept.raw).hex(),
    )
    return judged


def _last_sign(device: Device, found: Sequence[Found], now: datetime) -> datetime:
    """What another product saw some time ago is a sign of life of then, not of now."""
    seen = [one.observed_at for one in found]
    return max([*seen, *filter(None, [device.reported_at])], default=now)


def _grant(device: Device, *, now: datetime, reported_at: datetime, cause: str) -> Judged:
    """Score the locked device, and grant a tier: at once if lower, confirmed if higher.

    The tier is the lower of what this report says and what the one before it still says now.
    """
    results = [row.as_result() for row in _results(device)]
    standing = standing_of(device, reported_at=reported_at)
    judged = score.judge(results, standing, now=now)
    reported = score.tier_ends(results, standing, now=now)
    before = score.tier_at(device.reported_tier_ends_at, now)
    previous = device.known_tier
    device.score, device.scored_at, device.reported_at = judged.value, reported_at, reported_at
    device.reported_tier_ends_at, device.tier_ends_at = reported, reported[:before]
    device.known_tier = device.tier_at(now)
    device.save(
        update_fields=[
            "score", "scored_at", "reported_at", "reported_tier_ends_at", "tier_ends_at",
            "known_tier",
        ]
    )  # fmt: skip
    if device.known_tier != previous:
        record_tier(device, previous, now=now, cause=cause)
        tell_of_change(device, previous_state=device.state, previous_tier=previous, now=now)
    is_rising = judged.tier > device.known_tier
    return Judged(device, judged, device.known_tier, SOON if is_rising else score.REPORT_INTERVAL)


@transaction.atomic
def _note_faded(pk: UUID, now: datetime) -> int:
    device = Device.unscoped.select_for_update().get(pk=pk)
    previous, tier = device.known_tier, device.tier_at(now)
    if tier >= previous:
        return 0
    device.known_tier = tier
    device.save(update_fields=["known_tier"])
    record_tier(device, previous, now=now, cause="nothing was reported")
    tell_of_change(device, previous_state=device.state, previous_tier=previous, now=now)
    return 1


@transaction.atomic
def _note(device: Device, cause: str, now: datetime) -> None:
    """Write a refusal down: the first of its cause on a day to audit, the others are counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            REFUSE,
            {
                "organisation": device.organisation_id,
                "device": device.pk,
                "cause": cause,
                "day": now.date(),
                "now": now,
            },
        )
        (count,) = cursor.fetchone() or (0,)
    if count == 1:
        record(
            Event.POSTURE_REFUSED,
            organisation_id=device.organisation_id,
            subject=device,
            device_id=device.id,
            now=now,
            cause=cause,
        )


def _results(device: Device) -> Any:
    return CheckResult.objects.within_id(device.organisation_id).filter(device=device)


def _not_claimed(device: Device) -> Refusal:
    device.refresh_from_db()
    if device.state != State.ENROLLED:
        return _not_enrolled()
    return Refusal("replayed", f"seq must be above {device.report_seq}.")


def _not_enrolled() -> Refusal:
    return Refusal("not_enrolled", "This device is not enrolled, or no longer.", 403)
