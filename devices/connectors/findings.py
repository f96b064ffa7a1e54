"""What a connector found of devices, in our words, before anybody knows which devices they are."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from devices.connectors.identifiers import Identifier
from devices.score import CHECK_IDS, HARDWARE_KEY, Status

MAX_CLOCK_LEAD = timedelta(minutes=5)
MAX_PATCH_DAYS = 36_500
REPORTABLE = CHECK_IDS - {HARDWARE_KEY}  # of our own key nobody else knows


@dataclass(frozen=True)
class Finding:
    """One check of one device. identifiers: what the device is called there, best first."""

    identifiers: tuple[Identifier, ...]
    check_id: str
    status: Status
    observed_at: datetime
    value: int | None = None


@dataclass
class Delivery:
    """What one call or file holds. ignored: parts that say nothing of posture, by reason."""

    findings: list[Finding] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)

    def ignore(self, reason: str, count: int = 1) -> None:
        self.ignored[reason] = self.ignored.get(reason, 0) + count


def read_instant(text: Any) -> datetime | None:
    """An instant as RFC 3339 writes it, with its offset, in UTC; None for anything else."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) else None
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except (ValueError, OverflowError):  # an offset may lead out of the years that there are
        return None
