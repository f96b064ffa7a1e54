"""Rate limits as named data, and one decision.

Counters live in the shared cache and can be lost with it; that is allowed, since they only smooth.
Budgets against guessing are kept in the database (`accounts.budget`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache
from redis.exceptions import RedisError

from core.errors import Refusal


@dataclass(frozen=True)
class Limit:
    """At most `burst` events per `period` and key.

    why: one sentence for the operator who meets the limit in a log.
    """

    name: str
    burst: int
    period: timedelta
    why: str


def spend(limit: Limit, key: str, *, now: datetime) -> None:
    """Count one event; refuses too_many_attempts when this period's burst is used up.

    Refuses temporarily_unavailable when there is no cache to count in.
    """
    period_seconds = int(limit.period.total_seconds())
    window, elapsed = divmod(int(now.timestamp()), period_seconds)
    slot = f"limit:{limit.name}:{key}:{window}"
    try:
        used = _count(slot, period_seconds)
    except RedisError as error:  # nobody guesses faster because the counters are away
        raise Refusal.unavailable() from error
    if used > limit.burst:
        raise Refusal.too_many_attempts(period_seconds - elapsed)


def _count(slot: str, period_seconds: int) -> int:
    """How often the slot was used, this time included."""
    try:
        return cache.incr(slot)
    except ValueError:  # the first of its period, as a rule
        if cache.add(slot, 1, timeout=period_seconds):
            return 1
    try:
        return cache.incr(slot)
    except ValueError:  # evicted between the two calls
        return 1
