"""Devices by tier, day by day, as the geometry of a picture. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DAYS = 30
WIDTH, HEIGHT = 720, 160
GAP = 4
TIERS = 5
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Bar:
    """Devices of one tier on one day. x, y, width, height: in the picture's own units."""

    tier: int
    count: int
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Day:
    """counts: of tier 0 to 4. Empty bars: nobody counted on that day."""

    day: date
    counts: Sequence[int]
    bars: list[Bar]

    @property
    def total(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Trend:
    """most: what the height of the picture stands for. today: counts of tier 0 to 4."""

    days: list[Day]
    most: int
    today: Sequence[int]
    width: int = WIDTH
    height: int = HEIGHT


def draw(counted: Mapping[date, Sequence[int]], *, today: date) -> Trend:
    """Stacked bars of the last thirty days, the highest tier at the bottom."""
    span = [today - ago * ONE_DAY for ago in reversed(range(DAYS))]
    most = max((sum(counted.get(day, ())) for day in span), default=0) or 1
    slot = WIDTH // DAYS
    days = []
    for place, day in enumerate(span):
        counts = counted.get(day, (0,) * TIERS)
        bars, below = [], 0
        for tier in reversed(range(TIERS)):
            low, high = HEIGHT * below // most, HEIGHT * (below + counts[tier]) // most
            if high > low:
                bars.append(
                    Bar(tier, counts[tier], place * slot, HEIGHT - high, slot - GAP, high - low)
                )
            below += counts[tier]
        days.append(Day(day, counts, bars))
    return Trend(days, most, counted.get(today, (0,) * TIERS))
