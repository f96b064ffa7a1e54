"""Where statements run: this thread's connection, one by one or in a transaction."""

import logging
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, cast

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.pq import TransactionStatus

from core.prepared import Cursor, Row

logger = logging.getLogger(__name__)


class Unit:
    """One transaction, begun by its first statement. `refused` undoes it when it ends.

    Its BEGIN and COMMIT go past Django and the driver, as its statements do, which a tenth of a
    millisecond of processor time depends on. Inside a transaction it becomes a savepoint. Whatever
    needs a transaction of Django's own (making a key) has to happen before the first statement.
    """

    def __init__(self) -> None:
        self.refused = False
        self._cursor: Cursor | None = None
        self._savepoint: psycopg.Transaction | None = None

    @property
    def cursor(self) -> Cursor:
        if self._cursor is None:
            raw = raw_connection()
            cursor = cursor_of(raw)
            if raw.pgconn.transaction_status == TransactionStatus.IDLE:
                cursor.command(b"BEGIN")
            else:
                self._savepoint = psycopg.Transaction(raw)
                self._savepoint.__enter__()
            self._cursor = cursor
        return self._cursor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._cursor is None:
            return
        if self.refused and error is None:
            kind, error = psycopg.Rollback, psycopg.Rollback()
        if self._savepoint is not None:
            self._savepoint.__exit__(kind, error, traceback)
        elif error is None:
            self._cursor.command(b"COMMIT")
        else:
            _roll_back(self._cursor)


def _roll_back(cursor: Cursor) -> None:
    """Undo; a connection that cannot even do that is closed, and the server undoes by itself."""
    try:
        cursor.command(b"ROLLBACK")
    except psycopg.Error as error:
        logger.warning("a transaction could not be rolled back: %s", error)
        cursor.connection.close()


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


def unit() -> Unit:
    """A transaction on this thread's connection."""
    return Unit()


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
