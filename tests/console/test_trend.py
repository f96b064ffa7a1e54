"""The picture of devices by tier: bars fill what was counted, and nothing else."""

import itertools
from datetime import date, timedelta

from console.trend import DAYS, HEIGHT, draw

TODAY = date(2026, 11, 30)


def test_the_tallest_day_fills_the_height():
    trend = draw({TODAY: [1, 0, 2, 1, 0], TODAY - timedelta(days=1): [1, 0, 0, 0, 0]}, today=TODAY)

    assert trend.most == 4
    assert sum(bar.height for bar in trend.days[-1].bars) == HEIGHT
    assert sum(bar.height for bar in trend.days[-2].bars) == HEIGHT // 4
    assert trend.today == [1, 0, 2, 1, 0]


def test_bars_stand_on_each_other_the_highest_tier_at_the_bottom():
    bars = draw({TODAY: [1, 1, 1, 1, 1]}, today=TODAY).days[-1].bars

    assert [bar.tier for bar in bars] == [4, 3, 2, 1, 0]
    assert bars[0].y + bars[0].height == HEIGHT
    for lower, upper in itertools.pairwise(bars):
        assert upper.y + upper.height == lower.y


def test_there_are_thirty_days_and_days_without_a_count_are_empty():
    trend = draw({TODAY: [0, 0, 3, 0, 0]}, today=TODAY)

    assert len(trend.days) == DAYS
    assert trend.days[0].day == date(2026, 11, 1)
    assert [day.total for day in trend.days[:-1]] == [0] * (DAYS - 1)
    assert not any(day.bars for day in trend.days[:-1])


def test_without_devices_nothing_is_drawn():
    trend = draw({}, today=TODAY)

    assert trend.most == 1
    assert not any(day.bars for day in trend.days)
