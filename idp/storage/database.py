"""Where statements run: this thread's connection, one by one or in a transaction."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from core.prepared import Cursor, Row


class Unit:
    """One transaction, begun by its first statement. `refused` undoes it when it ends.

    It is psycopg's own transaction, a tenth of a millisecond cheaper than Django's; inside one of
    Django's it becomes a savepoint. Whatever needs a transaction of Django's own (making a key)
    has to happen before the first statement.
    """

    def __init__(self) -> None:
        self.refused = False
        self._stack = ExitStack()
        self._cursor: Cursor | None = None

    @property
    def cursor(self) -> Cursor:
        if self._cursor is None:
            raw = raw_connection()
            self._stack.enter_context(raw.transaction())
            self._cursor = cursor_of(raw)
        return self._cursor


class _Thread(threading.local):
    """Django's connection of this thread: asking its proxy each time is a quarter of a query."""

    wrapper: BaseDatabaseWrapper | None = None
    cursor: Cursor | None = None


_thread = _Thread()


def raw_connection() -> "psycopg.Connection[Any]":
    """The psycopg connection of this thread, opened when it has to be."""
    wrapper = _thread.wrapper
    if wrapper is None:
        wrapper = _thread.wrapper = connections["default"]
    raw = wrapper.connection
    if raw is None or raw.closed or raw.broken:
        wrapper.close()
        wrapper.ensure_connection()
        raw = wrapper.connection
    return cast("psycopg.Connection[Any]", raw)


@contextmanager
def unit() -> Iterator[Unit]:
    """A transaction on this thread's connection."""
    work = Unit()
    with work._stack:  # noqa: SLF001 - the other half of Unit
        yield work
        if work.refused and work._cursor is not None:  # noqa: SLF001
            raise psycopg.Rollback


def cursor_of(raw: "psycopg.Connection[Any]") -> Cursor:
    """The cursor of this thread's connection, which keeps what is prepared there."""
    cursor = _thread.cursor
    if cursor is None or cursor.connection is not raw:
        cursor = _thread.cursor = Cursor(raw)
    return cursor


def one(query: str, params: Mapping[str, Any]) -> Row | None:
    """One statement, which is a transaction by itself, and its first row."""
    return cursor_of(raw_connection()).one(query, params)


def rows(query: str, params: Mapping[str, Any]) -> list[Row]:
    """One statement, which is a transaction by itself, and all its rows."""
    return cursor_of(raw_connection()).all(query, params)


def forget() -> None:
    """Drop what this thread keeps of its connection, for tests."""
    _thread.wrapper = _thread.cursor = None


Trace = Callable[[Cursor], None]
