"""Named limits: a burst per period and key."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from core.errors import Refusal
from core.limits import Limit, spend

LIMIT = Limit(name="test", burst=3, period=timedelta(minutes=1), why="a test")
NOW = datetime(2026, 11, 24, 12, 0, 20, tzinfo=UTC)

pytestmark = pytest.mark.django_db  # for a cache without counters


def spend_all(key="somebody", *, now=NOW):
    for _ in range(LIMIT.burst):
        spend(LIMIT, key, now=now)


def test_the_burst_passes_and_the_next_is_refused_until_the_period_ends():
    spend_all()

    with pytest.raises(Refusal) as refused:
        spend(LIMIT, "somebody", now=NOW)

    assert (refused.value.code, refused.value.status) == ("too_many_attempts", 429)
    assert refused.value.headers == {"Retry-After": "40"}


def test_each_key_and_each_limit_counts_for_itself():
    spend_all()

    spend(LIMIT, "nobody", now=NOW)
    spend(Limit(name="other", burst=1, period=LIMIT.period, why="-"), "somebody", now=NOW)


def test_the_next_period_begins_anew():
    spend_all()

    spend(LIMIT, "somebody", now=NOW + timedelta(seconds=40))


def test_a_lost_cache_only_forgets():
    spend_all()
    cache.clear()

    spend(LIMIT, "somebody", now=NOW)


def test_a_counter_that_vanishes_between_two_calls_refuses_nobody(monkeypatch):
    monkeypatch.setattr(cache, "incr", lambda _: (_ for _ in ()).throw(ValueError))

    spend(LIMIT, "somebody", now=NOW)


def test_whoever_is_second_to_begin_a_period_is_counted(monkeypatch):
    """Both find no counter, and another begins it in between."""
    incr, asked = cache.incr, []

    def too_early(slot):
        asked.append(slot)
        if len(asked) == 1:
            cache.add(slot, LIMIT.burst)
            raise ValueError
        return incr(slot)

    monkeypatch.setattr(cache, "incr", too_early)

    with pytest.raises(Refusal):
        spend(LIMIT, "somebody", now=NOW)
