"""How far a device is trusted, by a published formula. Pure: no Django, no clock.

    S = min(caps, round(100 · Σ wᵢrᵢeᵢfᵢ / Σ applicable wᵢ))

w: the weight of a check; only those that the platform can have count. r: what was found. e: how
good the evidence is. f: how fresh it is. docs/devices.md has the tables; VERSION changes with them.

Three rules keep the score honest:

- A check that was not reported is *missing*: it gains nothing, and is told apart from a failure.
- Several sources may speak of one check; the best evidence counts, and what a stronger source has
  found limits what a weaker one may claim, however old it is by now.
- Time alone only lowers a score. So the instants at which a device leaves its tiers are known as
  soon as a report is in (`tier_ends`), and nobody has to work for trust to fade.

Arithmetic is exact (fractions, whole seconds): `tier_ends` and `judge` never disagree.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from fractions import Fraction

VERSION = 1
REPORT_INTERVAL = timedelta(minutes=15)
REPORT_EXPIRATION = timedelta(hours=24)


class Status(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    MISSING = "missing"


class Evidence(StrEnum):
    """Who says so; the factors are EVIDENCE_FACTORS."""

    ATTESTATION = "attestation"
    SERVER = "server"
    DEVICE_KEY = "device_key"
    BROWSER_KEY = "browser_key"
    CLAIM = "claim"


EVIDENCE_FACTORS: Mapping[Evidence, Fraction] = {
    Evidence.ATTESTATION: Fraction(1),  # the hardware itself: a TPM's quote, a secure enclave
    Evidence.SERVER: Fraction(9, 10),  # a management or protection product, server to server
    Evidence.DEVICE_KEY: Fraction(8, 10),  # a report signed by the key that was enrolled
    Evidence.BROWSER_KEY: Fraction(5, 10),  # a report signed by a key that a browser keeps
    Evidence.CLAIM: Fraction(2, 10),  # what a browser says of itself
}
PATCH_AGES = ((7, Fraction(1)), (30, Fraction(7, 10)), (90, Fraction(3, 10)))  # days, rating


@dataclass(frozen=True)
class Check:
    """platforms: those that can have it; empty: all. An unknown platform can have everything.

    interval: how long a result counts in full; expiration: when it has stopped to count.
    """

    id: str
    weight: int
    interval: timedelta
    expiration: timedelta
    platforms: frozenset[str] = frozenset()

    def applies_to(self, platform: str) -> bool:
        return not self.platforms or platform in self.platforms or platform == ANY_PLATFORM


ANY_PLATFORM = "other"
_HOUR, _DAY, _WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
_DESKTOPS = frozenset({"linux", "macos", "windows"})
_BOOTS = _DESKTOPS | {"chromeos", "android"}

HARDWARE_KEY, OS_PATCH_AGE, ROOTED = "hardware_key", "os_patch_age", "rooted"
CHECKS: Mapping[str, Check] = {
    check.id: check
    for check in (
        Check(HARDWARE_KEY, 25, _DAY, _WEEK),
        Check(OS_PATCH_AGE, 20, _DAY, _WEEK),
        Check("disk_encryption", 15, _HOUR, _DAY),
        Check("screen_lock", 10, _HOUR, _DAY),
        Check("endpoint_protection", 10, _HOUR, _DAY, _DESKTOPS),
        Check("firewall", 5, _HOUR, _DAY, _DESKTOPS),
        Check("secure_boot", 5, _DAY, _WEEK, _BOOTS),
        Check("managed", 5, _DAY, _WEEK),
        Check("no_known_exploited_vulnerability", 5, _DAY, _WEEK),
    )
}
CHECK_IDS = frozenset({*CHECKS, ROOTED})


class Cap(StrEnum):
    SHUT = "shut"
    ROOTED = "rooted"
    REPORT_EXPIRED = "report_expired"
    UNKNOWN_OWNER = "unknown_owner"
    NO_DEVICE_KEY = "no_device_key"


CAPS: Mapping[Cap, int] = {
    Cap.SHUT: 0,  # suspended, lost, revoked, retired or locked
    Cap.ROOTED: 10,
    Cap.REPORT_EXPIRED: 20,
    Cap.UNKNOWN_OWNER: 30,
    Cap.NO_DEVICE_KEY: 40,
}
TIER_STARTS = (20, 40, 65, 85)  # of tier 1, 2, 3, 4
TOP_TIER = len(TIER_STARTS)  # needs an attested hardware key as well


@dataclass(frozen=True)
class Result:
    """What one source found. value: of `os_patch_age`, in days."""

    check_id: str
    status: Status
    evidence: Evidence
    observed_at: datetime
    value: int | None = None

    @property
    def rating(self) -> Fraction:
        """r, 0 to 1."""
        if self.status is not Status.PASS:
            return Fraction(0)
        if self.check_id != OS_PATCH_AGE:
            return Fraction(1)
        if self.value is None:
            return Fraction(0)
        return next((rating for days, rating in PATCH_AGES if self.value <= days), Fraction(0))


@dataclass(frozen=True)
class Standing:
    """What is known of the device itself. reported_at: when anything was last reported of it."""

    platform: str
    reported_at: datetime | None
    is_shut: bool = False
    has_owner: bool = True
    has_key: bool = True


@dataclass(frozen=True)
class Line:
    """One check of a score. points: what it gains, of 100; lost: what it could gain beyond that.

    evidence, observed_at: of the result that counts; None when there is none.
    """

    check_id: str
    weight: int
    status: Status
    rating: Fraction
    evidence: Evidence | None
    freshness: Fraction
    points: Fraction
    lost: Fraction
    observed_at: datetime | None
    value: int | None


@dataclass(frozen=True)
class Score:
    """value: 0 to 100. tier: 0 to 4, before hysteresis. caps: those that hold, the lowest first."""

    value: int
    tier: int
    caps: tuple[Cap, ...]
    lines: tuple[Line, ...]
    version: int = VERSION


def judge(results: Iterable[Result], standing: Standing, *, now: datetime) -> Score:
    """Score a device as it stands at `now`, with what each check contributes."""
    found, at = _by_check(results), _second(now)
    lines = _lines(found, standing, at)
    caps = _caps(found, standing, at)
    value = _value(sum((line.points for line in lines), Fraction(0)), caps)
    return Score(value, _tier(value, found, at), caps, tuple(lines))


def tier_ends(
    results: Iterable[Result], standing: Standing, *, now: datetime, ceiling: int = TOP_TIER
) -> list[datetime]:
    """Until when the device is in tier 1, 2, … if nothing more is reported.

    Nested: each at or before the one above it in the list. The tier at any later instant is how
    many of them lie after it. Found by bisection over whole seconds, since time only lowers it.
    ceiling: the highest tier to grant.
    """
    found = _by_check(results)
    ends: list[datetime] = []
    start, over = _second(now), _all_over(found)
    for tier in range(1, ceiling + 1):
        if over <= start or _tier_at(found, standing, start) < tier:
            break
        good = start
        while over - good > 1:
            middle = (good + over) // 2
            if _tier_at(found, standing, middle) >= tier:
                good = middle
            else:
                over = middle
        ends.append(datetime.fromtimestamp(over, UTC))
    return ends


def tier_at(ends: Sequence[datetime], now: datetime) -> int:
    """The tier that `tier_ends` promised for this instant."""
    return sum(ends_at > now for ends_at in ends)


def freshness(check: Check, observed_at: datetime, *, now: datetime) -> Fraction:
    """f: 1 until the check's interval, then in a straight line to 0 at its expiration."""
    return _freshness(check, _second(observed_at), _second(now))


_Found = Mapping[str, list[Result]]


def _by_check(results: Iterable[Result]) -> _Found:
    """The results of each check, the strongest evidence first, then the latest."""
    found: defaultdict[str, list[Result]] = defaultdict(list)
    for result in results:
        found[result.check_id].append(result)
    for same in found.values():
        same.sort(key=lambda r: (EVIDENCE_FACTORS[r.evidence], r.observed_at), reverse=True)
    return found


def _counting(check: Check, results: Sequence[Result], at: int) -> tuple[Result | None, Fraction]:
    """Which result counts, and r·e·f of it.

    Stronger sources limit weaker ones: where one has found less, a weaker claim of more is not
    believed, even once the finding has grown old; otherwise waiting would raise a score.
    """
    if not results:
        return None, Fraction(0)
    gains: list[Fraction] = []
    limit, level = Fraction(1), results[0].evidence
    pending = limit  # what results of the level at hand will leave to the next one
    for result in results:
        if result.evidence is not level:
            limit, level = pending, result.evidence
        if result.status is not Status.MISSING:
            pending = min(pending, result.rating)
        fresh = _freshness(check, _second(result.observed_at), at)
        gains.append(min(result.rating, limit) * EVIDENCE_FACTORS[result.evidence] * fresh)
    counting = max(
        range(len(results)),
        key=lambda place: (gains[place], results[place].status is not Status.MISSING),
    )
    return results[counting], gains[counting]


def _lines(found: _Found, standing: Standing, at: int) -> list[Line]:
    checks = [check for check in CHECKS.values() if check.applies_to(standing.platform)]
    whole = sum(check.weight for check in checks)
    lines = []
    for check in checks:
        result, credit = _counting(check, found.get(check.id, ()), at)
        share = Fraction(100 * check.weight, whole)
        lines.append(
            Line(
                check_id=check.id,
                weight=check.weight,
                status=result.status if result else Status.MISSING,
                rating=result.rating if result else Fraction(0),
                evidence=result.evidence if result else None,
                freshness=_freshness(check, _second(result.observed_at), at)
                if result
                else Fraction(0),
                points=share * credit,
                lost=share * (1 - credit),
                observed_at=result.observed_at if result else None,
                value=result.value if result else None,
            )
        )
    return lines


def _value(points: Fraction, caps: Sequence[Cap]) -> int:
    rounded = (points + Fraction(1, 2)).__floor__()  # halves go up
    return min([rounded, *(CAPS[cap] for cap in caps)])


def _caps(found: _Found, standing: Standing, at: int) -> tuple[Cap, ...]:
    reported_at = standing.reported_at
    is_expired = reported_at is None or at >= _second(reported_at + REPORT_EXPIRATION)
    holding = {
        Cap.SHUT: standing.is_shut,
        Cap.ROOTED: any(result.status is Status.FAIL for result in found.get(ROOTED, ())),
        Cap.REPORT_EXPIRED: is_expired,
        Cap.UNKNOWN_OWNER: not standing.has_owner,
        Cap.NO_DEVICE_KEY: not standing.has_key,
    }
    return tuple(cap for cap, holds in holding.items() if holds)


def _tier(value: int, found: _Found, at: int) -> int:
    tier = sum(value >= start for start in TIER_STARTS)
    return tier if tier < TOP_TIER or _has_attested_key(found, at) else TOP_TIER - 1


def _has_attested_key(found: _Found, at: int) -> bool:
    return any(
        result.evidence is Evidence.ATTESTATION
        and result.status is Status.PASS
        and _freshness(CHECKS[HARDWARE_KEY], _second(result.observed_at), at) > 0
        for result in found.get(HARDWARE_KEY, ())
    )


def _tier_at(found: _Found, standing: Standing, at: int) -> int:
    checks = [check for check in CHECKS.values() if check.applies_to(standing.platform)]
    gained = sum(
        (check.weight * _counting(check, found.get(check.id, ()), at)[1] for check in checks),
        Fraction(0),
    )
    points = 100 * gained / sum(check.weight for check in checks)
    return _tier(_value(points, _caps(found, standing, at)), found, at)


def _all_over(found: _Found) -> int:
    """A second at which nothing that was found counts any more."""
    ends = [
        _second(result.observed_at + check.expiration)
        for check_id, results in found.items()
        if (check := CHECKS.get(check_id))
        for result in results
    ]
    return max(ends, default=0) + 1


def _freshness(check: Check, observed: int, at: int) -> Fraction:
    interval, expiration = check.interval // _SECOND, check.expiration // _SECOND
    age = at - observed
    if age <= interval:
        return Fraction(1)
    if age >= expiration:
        return Fraction(0)
    return Fraction(expiration - age, expiration - interval)


_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _second(at: datetime) -> int:
    """Whole seconds since 1970: what a score knows of time."""
    return (at - _EPOCH) // _SECOND
