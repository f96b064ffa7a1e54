"""The one reader of time (security invariant I6: the database's clock decides).

`now()` is read once at the edge (views, tasks, middleware, commands) and passed down as an
argument. Statements that claim something single-use, or that may have waited for a lock, compare
with the database's clock inside the statement: `sql_now()` in the ORM, `SQL_NOW` with `offset()` in
raw SQL. All three carry the same offset when a test moves the clock.
"""

import os
import time
from datetime import UTC, datetime, timedelta

from django.db.models import DateTimeField, Expression, ExpressionWrapper, Value
from django.db.models.functions import Now

OFFSET_VARIABLE = "SALLYPORT_CLOCK_OFFSET_SECONDS"
SQL_NOW = "statement_timestamp() + %(clock_offset)s"
MAX_SKEW = timedelta(seconds=5)


class _Clock:
    offset = timedelta(seconds=float(os.environ.get(OFFSET_VARIABLE, "0")))
    skew = timedelta(0)


def now() -> datetime:
    """The current instant, in UTC, by the database's clock as last measured."""
    return datetime.fromtimestamp(time.time(), UTC) + _Clock.skew + _Clock.offset


def sql_now() -> Expression:
    """The current instant as the database sees it inside the statement."""
    return ExpressionWrapper(Now() + Value(_Clock.offset), output_field=DateTimeField())


def offset() -> timedelta:
    """What a test added to the clock; zero in production. Bind it in raw SQL."""
    return _Clock.offset


def synchronise(database_now: datetime) -> timedelta:
    """Take over the database's clock, and return how far this process was off."""
    _Clock.skew = database_now - datetime.fromtimestamp(time.time(), UTC)
    return _Clock.skew


def skew() -> timedelta:
    return _Clock.skew


def shift(by: timedelta) -> None:
    """Move the clock, for tests."""
    _Clock.offset += by


def reset() -> None:
    """Undo every `shift`."""
    _Clock.offset = timedelta(seconds=float(os.environ.get(OFFSET_VARIABLE, "0")))
