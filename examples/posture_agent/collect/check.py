"""One thing looked at, and what was seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

PASS, FAIL, MISSING = "pass", "fail", "missing"
CHECKS = (
    "hardware_key",
    "os_patch_age",
    "disk_encryption",
    "screen_lock",
    "endpoint_protection",
    "firewall",
    "secure_boot",
    "managed",
    "no_known_exploited_vulnerability",
    "rooted",
)
OLDEST_GOOD_PATCH_DAYS = 90
SECONDS_OF_A_DAY = 86_400


@dataclass(frozen=True)
class Seen:
    """status: pass, fail or missing. value: a number or a word that is safe to send."""

    status: str
    value: int | str | None = None


UNSEEN = Seen(MISSING)


def judged(ok: bool | None, value: int | str | None = None) -> Seen:  # noqa: FBT001 - a tri-state
    """Yes passes, no fails, None is missing."""
    return UNSEEN if ok is None else Seen(PASS if ok else FAIL, value)


def patched(at: datetime | None, *, now: datetime) -> Seen:
    """How many whole days ago the system was last brought up to date.

    An instant that lies more than a day ahead says that a clock is wrong, so it says nothing.
    """
    if at is None or (at - now).total_seconds() > SECONDS_OF_A_DAY:
        return UNSEEN
    days = max(0, int((now - at).total_seconds() // SECONDS_OF_A_DAY))
    return Seen(PASS if days <= OLDEST_GOOD_PATCH_DAYS else FAIL, days)


def all_of(parts: Iterable[bool | None]) -> bool | None:
    """No if one is no; else None if one is unknown or there is none; else yes."""
    known = list(parts)
    if False in known:
        return False
    return True if known and None not in known else None
