"""Where statements run: this thread's connection, one by one or in a transaction."""

import logging
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg.pq import TransactionStatus

from core.prepared import Cursor, Row, cursor_of, forget, raw_connection

__all__ = ["Trace", "Unit", "cursor_of", "forget", "one", "raw_connection", "rows", "unit"]

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


def unit() -> Unit:
    """A transaction on this thread's connection."""
    return Unit()


def one(query: str, params: Mapping[str, Any]) -> Row | None:
    """One statement, which is a transaction by itself, and its first row."""
    return cursor_of(raw_connection()).one(query, params)


def rows(query: str, params: Mapping[str, Any]) -> list[Row]:
    """One statement, which is a transaction by itself, and all its rows."""
    return cursor_of(raw_connection()).all(query, params)


Trace = Callable[[Cursor], None]
