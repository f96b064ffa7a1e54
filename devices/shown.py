"""How a device looks to people: its tier in plain words, why, and what mends it. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from devices import flows, remedies
from devices.models import Device, State
from devices.score import (
    CAPS,
    EVIDENCE_FACTORS,
    REPORT_EXPIRATION,
    REPORT_INTERVAL,
    Cap,
    Evidence,
    Line,
    Score,
    Status,
    tier_at,
)

TIERS = (
    ("Not trusted", "bad"),
    ("Hardly trusted", "bad"),
    ("Partly trusted", "warn"),
    ("Trusted", "good"),
    ("Fully trusted", "good"),
)
EVIDENCE = {
    Evidence.ATTESTATION: "attested by hardware",
    Evidence.SERVER: "said by another product of your organisation",
    Evidence.DEVICE_KEY: "reported by the machine",
    Evidence.BROWSER_KEY: "reported by the browser",
    Evidence.CLAIM: "claimed by the browser",
}
CAP_WORDS = {
    Cap.SHUT: "It is not in use, so nothing counts.",
    Cap.ROOTED: "The system is rooted or jailbroken: not more than 10.",
    Cap.REPORT_EXPIRED: "Nothing was reported for 24 hours: not more than 20.",
    Cap.UNKNOWN_OWNER: "It belongs to nobody: not more than 30.",
    Cap.NO_DEVICE_KEY: "It has no key of its own: not more than 40.",
}


@dataclass(frozen=True)
class ShownLine:
    """word, tone: what came of the check. points, most: whole numbers, of 100."""

    check_id: str
    title: str
    word: str
    tone: str
    points: int
    most: int
    evidence: str
    observed_at: datetime | None
    remedy: str


@dataclass(frozen=True)
class ShownDevice:
    """lines: what lacks the most first. is_rising: one more report confirms a higher tier."""

    device: Device
    state: str
    score: int
    tier: int
    word: str
    tone: str
    lines: list[ShownLine]
    caps: list[str]
    is_rising: bool
    is_late: bool

    @property
    def worst(self) -> list[ShownLine]:
        return [line for line in self.lines if line.tone != "good"][:3]


def show(device: Device, *, now: datetime) -> ShownDevice:
    judged, tier = flows.judge(device, now=now), device.tier_at(now)
    lines = [_line(line, device) for line in sorted(judged.lines, key=lambda one: -one.lost)]
    word, tone = TIERS[tier]
    is_enrolled = device.state == State.ENROLLED
    reported_at = device.reported_at
    return ShownDevice(
        device=device,
        state=State(device.state).label,
        score=judged.value,
        tier=tier,
        word=word if is_enrolled else State(device.state).label.capitalize(),
        tone=tone if is_enrolled else "",
        lines=lines,
        caps=[CAP_WORDS[cap] for cap in judged.caps] if is_enrolled else [],
        is_rising=is_enrolled and tier_at(device.reported_tier_ends_at, now) > tier,
        is_late=is_enrolled and reported_at is not None and now - reported_at > 4 * REPORT_INTERVAL,
    )


def explain(device: Device, *, now: datetime) -> dict[str, Any]:
    """All that the score is made of, as JSON."""
    judged: Score = flows.judge(device, now=now)
    return {
        "version": judged.version,
        "formula": "min(caps, round(100 * sum(w*r*e*f) / sum(applicable w)))",
        "as_of": now.isoformat(),
        "state": device.state,
        "score": judged.value,
        "tier": device.tier_at(now),
        "tier_once_confirmed": judged.tier,
        "tier_ends_at": [at.isoformat() for at in device.tier_ends_at],
        "reported_at": device.reported_at and device.reported_at.isoformat(),
        "report_expires_at": device.reported_at
        and (device.reported_at + REPORT_EXPIRATION).isoformat(),
        "caps": [{"id": cap.value, "at_most": CAPS[cap]} for cap in judged.caps],
        "checks": [_explained(line, device) for line in judged.lines],
    }


def _explained(line: Line, device: Device) -> dict[str, Any]:
    words = remedies.remedy(line.check_id, device.platform) if line.rating < 1 else ""
    factor = EVIDENCE_FACTORS[line.evidence] if line.evidence else 0
    return {
        "id": line.check_id,
        "status": line.status.value,
        "weight": line.weight,
        "result": round(float(line.rating), 4),
        "evidence": line.evidence.value if line.evidence else None,
        "evidence_factor": float(factor),
        "freshness": round(float(line.freshness), 4),
        "points": round(float(line.points), 4),
        "lost": round(float(line.lost), 4),
        "value": line.value,
        "observed_at": line.observed_at and line.observed_at.isoformat(),
        "remedy": words or None,
    }


def _line(line: Line, device: Device) -> ShownLine:
    word, tone = _word(line)
    return ShownLine(
        check_id=line.check_id,
        title=remedies.TITLES[line.check_id],
        word=word,
        tone=tone,
        points=round(line.points),
        most=round(line.points + line.lost),
        evidence=EVIDENCE[line.evidence] if line.evidence else "",
        observed_at=line.observed_at,
        remedy=remedies.remedy(line.check_id, device.platform) if line.rating < 1 else "",
    )


def _word(line: Line) -> tuple[str, str]:
    if line.status is Status.MISSING:
        return "Not reported", "warn"
    if line.status is Status.FAIL or line.rating == 0:
        return "Not passed", "bad"
    if line.freshness < 1:
        return "Passed, but not lately", "warn"
    return ("Passed", "good") if line.rating == 1 else ("Partly passed", "warn")
