"""The one reader of time (security invariant I6: the database's clock decides).

`now()` is read once at the edge (views, tasks, middleware, commands) and passed down as an
argument. Statements that claim something single-use, or that may have waited for a lock, compare
with the database's clock inside the statement: `sql_now()` in the ORM, `SQL_NOW` with `offset()` in
raw SQL. All three carry the same offset when a test moves the clock.

Every new connection measures how far this process is off, and what it is off is taken away. Where
the system's clock jumps afterwards, the steady clock shows it, and it is measured again. A process
that is off by more than `MAX_SKEW` does not serve (`is_off`): libraries read the system's clock.
"""

import os
import time
from datetime import UTC, datetime, timedelta

import structlog
from django.db import DatabaseError, connection
from django.db.models import DateTimeField, Expression, ExpressionWrapper, Value
from django.db.models.functions import Now

OFFSET_VARIABLE = "SALLYPORT_CLOCK_OFFSET_SECONDS"
SQL_NOW = "statement_timestamp() + %(clock_offset)s"
MAX_SKEW = timedelta(seconds=5)

log = structlog.get_logger(__name__)


class _Clock:
    """skew: how far the database was ahead; lead: how far the wall clock was, of the steady one."""

    offset = timedelta(seconds=float(os.environ.get(OFFSET_VARIABLE, "0")))
    skew = timedelta(0)
    lead: float | None = None


def now() -> datetime:
    """The current instant, in UTC, by the database's clock as last measured."""
    if _has_jumped() and not _measure() and _Clock.lead is not None:
        seconds = time.monotonic() + _Clock.lead  # as it went on before the jump
    else:
        seconds = time.time()
    return datetime.fromtimestamp(seconds, UTC) + _Clock.skew + _Clock.offset


def sql_now() -> Expression:
    """The current instant as the database sees it inside the statement."""
    return ExpressionWrapper(Now() + Value(_Clock.offset), output_field=DateTimeField())


def offset() -> timedelta:
    """What a test added to the clock; zero in production. Bind it in raw SQL."""
    return _Clock.offset


def synchronise(database_now: datetime) -> timedelta:
    """Take over the database's clock, and return how far this process was off."""
    wall = time.time()
    _Clock.lead = wall - time.monotonic()
    _Clock.skew = database_now - datetime.fromtimestamp(wall, UTC)
    if abs(_Clock.skew) > MAX_SKEW:
        log.error("the clock is off the database's", seconds=_Clock.skew.total_seconds())
    return _Clock.skew


def skew() -> timedelta:
    return _Clock.skew


def is_off() -> bool:
    """Whether this process is further off the database's clock than it may be, or cannot tell.

    One that was is measured again each time: its clock may have been set right meanwhile.
    """
    if _Clock.lead is not None and not _has_jumped() and abs(_Clock.skew) <= MAX_SKEW:
        return False
    return not _measure() or abs(_Clock.skew) > MAX_SKEW


def shift(by: timedelta) -> None:
    """Move the clock, for tests."""
    _Clock.offset += by


def reset() -> None:
    """Undo every `shift`."""
    _Clock.offset = timedelta(seconds=float(os.environ.get(OFFSET_VARIABLE, "0")))


def _has_jumped() -> bool:
    """Whether the system's clock was set since it was measured: the steady one is not with it."""
    if _Clock.lead is None:
        return False
    return abs(time.time() - time.monotonic() - _Clock.lead) > MAX_SKEW.total_seconds()


def _measure() -> bool:
    """Ask the database; whether it answered."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            synchronise(cursor.fetchone()[0])
    except DatabaseError:
        return False
    return True
