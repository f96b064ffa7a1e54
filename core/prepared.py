"""Prepared statements past the driver's cursor, for the hot paths.

A cursor spends more processor time on a small statement than PostgreSQL does: it reads the text,
looks for a plan and waits in Python. Here a text is read once by the connection, planned once by
the server, and libpq itself waits. Values are converted by psycopg, as in a cursor of its own.

`execute`, `one` and `rows` run on Django's connection of this thread, within its transaction if
there is one, and raise Django's exceptions.
"""

import itertools
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, cast

import orjson
import psycopg
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Loader, PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format
from psycopg.pq.abc import PGresult
from psycopg.types.json import set_json_loads

Row = dict[str, Any]
NAMED = re.compile(r"%\((\w+)\)s|%%")
DONE = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_numbers = itertools.count()


class Cursor:
    """Runs statements on one connection; whoever runs the first begins no transaction.

    A statement is a constant of the program, with parameters as `%(name)s`: each text stays
    prepared for as long as the connection lives. Raises what a psycopg cursor raises.
    """

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection = connection
        self._adapters = AdaptersMap(connection.adapters)
        set_json_loads(orjson.loads, self._adapters)
        self._adapters.register_loader("jsonb", _JsonbLoader)
        self._statements: dict[str, _Statement] = {}

    def execute(self, query: str, params: Mapping[str, Any]) -> None:
        """Run a statement for what it does."""
        self._run(query, params)

    def one(self, query: str, params: Mapping[str, Any]) -> Row | None:
        """Run a statement and return its first row, by the names of its columns."""
        statement, result = self._run(query, params)
        return statement.first_row(result) if result.ntuples else None

    def all(self, query: str, params: Mapping[str, Any]) -> list[Row]:
        """Run a statement and return its rows, each by the names of its columns."""
        statement, result = self._run(query, params)
        return statement.rows(result)

    def command(self, text: bytes) -> None:
        """Begin or end a transaction; a COMMIT that could only undo raises."""
        result = self.connection.pgconn.exec_(text)
        self._check(result)
        if result.command_status != text:
            raise psycopg.errors.InFailedSqlTransaction("the transaction had failed before its end")

    def _run(self, query: str, params: Mapping[str, Any]) -> "tuple[_Statement, PGresult]":
        statement = self._statements.get(query)
        if statement is None:
            statement = self._statements[query] = _Statement(query, self._adapters)
        libpq, transformer = self.connection.pgconn, statement.transformer
        values: Any = transformer.dump_sequence(statement.take(params), statement.wanted)
        types = transformer.types or ()
        name = statement.names.get(types)
        if name is None:
            name = b"sallyport_%d" % next(_numbers)
            self._check(libpq.prepare(name, statement.text, types))
            statement.names[types] = name
        result = libpq.exec_prepared(name, values, transformer.formats, Format.BINARY)
        if result.status not in DONE:
            self._check(result)
        return statement, result

    def _check(self, result: PGresult) -> None:
        if result.status in DONE:
            return
        if self.connection.pgconn.status == ConnStatus.BAD:
            raise psycopg.OperationalError(self.connection.pgconn.get_error_message())
        raise error_from_result(result)


class _Statement:
    """One text as libpq takes it, and how its values are converted.

    names: what it is prepared as, by the types of its parameters (a number's depends on its size).
    take: the parameters in their order; transformer: knows `types` and `formats` once it has
    dumped them. Asked for by every request, so nothing here is hidden behind a call.
    """

    def __init__(self, query: str, adapters: AdaptersMap) -> None:
        self._order: list[str] = []
        self.text = NAMED.sub(self._place, query).encode()
        self.names: dict[tuple[int, ...], bytes] = {}
        self.take = _taker(self._order)
        self.wanted = [PyFormat.AUTO] * len(self._order)
        self.transformer = Transformer(adapters)
        self._columns: list[str] | None = None

    def first_row(self, result: PGresult) -> Row:
        columns = self._columns_of(result) if self._columns is None else self._columns
        self.transformer.set_pgresult(result, set_loaders=False, format=Format.BINARY)
        row: tuple[Any, ...] | None = self.transformer.load_row(0, tuple)
        return dict(zip(columns, row or (), strict=True))

    def rows(self, result: PGresult) -> list[Row]:
        columns = self._columns_of(result) if self._columns is None else self._columns
        self.transformer.set_pgresult(result, set_loaders=False, format=Format.BINARY)
        found: list[Row] = []
        for number in range(result.ntuples):
            row: tuple[Any, ...] | None = self.transformer.load_row(number, tuple)
            found.append(dict(zip(columns, row or (), strict=True)))
        return found

    def _columns_of(self, result: PGresult) -> list[str]:
        """Their names, and their loaders: both stay the same as long as the statement does."""
        self.transformer.set_pgresult(result, set_loaders=True, format=Format.BINARY)
        fields = range(result.nfields)
        self._columns = [(result.fname(field) or b"").decode() for field in fields]
        return self._columns

    def _place(self, found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "%"
        if name not in self._order:
            self._order.append(name)
        return f"${self._order.index(name) + 1}"


def _taker(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    """Gives the values of these names, in their order."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda params: [params[name] for name in names]


class _JsonbLoader(Loader):
    format = Format.BINARY

    def load(self, data: Buffer) -> Any:
        """One byte of version, then the text."""
        return orjson.loads(memoryview(data)[1:])


class _Thread(threading.local):
    """Django's connection of this thread: asking its proxy each time is a quarter of a query."""

    wrapper: BaseDatabaseWrapper | None = None
    cursor: Cursor | None = None


_thread = _Thread()


def _wrapper() -> BaseDatabaseWrapper:
    if _thread.wrapper is None:
        _thread.wrapper = connections["default"]
    return _thread.wrapper


def raw_connection() -> "psycopg.Connection[Any]":
    """The psycopg connection of this thread, opened when it has to be."""
    wrapper = _thread.wrapper or _wrapper()
    raw: psycopg.Connection[Any] | None = wrapper.connection
    if raw is None or raw.pgconn.status == ConnStatus.BAD:
        wrapper.close()
        wrapper.ensure_connection()
        raw = cast("psycopg.Connection[Any]", wrapper.connection)
    return raw


def cursor_of(raw: "psycopg.Connection[Any]") -> Cursor:
    """The cursor of this thread's connection, which keeps what is prepared there."""
    cursor = _thread.cursor
    if cursor is None or cursor.connection is not raw:
        cursor = _thread.cursor = Cursor(raw)
    return cursor


def execute(query: str, params: Mapping[str, Any]) -> None:
    """One statement, for what it does. Outside a transaction it is one by itself."""
    cursor = cursor_of(raw_connection())
    with _wrapper().wrap_database_errors:
        cursor.execute(query, params)


def one(query: str, params: Mapping[str, Any]) -> Row | None:
    """One statement, and its first row. Outside a transaction it is one by itself."""
    cursor = cursor_of(raw_connection())
    with _wrapper().wrap_database_errors:
        return cursor.one(query, params)


def first(query: str, params: Mapping[str, Any]) -> Row | None:
    """As `one`, for a request's first statement, which only reads.

    The connection was kept since the last request. Where it turns out to be closed, as after a
    restart of the server, the statement is run again on a new one.
    """
    try:
        return one(query, params)
    except OperationalError:
        cursor = _thread.cursor
        if cursor is None or not cursor.connection.broken or _wrapper().in_atomic_block:
            raise
    return one(query, params)


def rows(query: str, params: Mapping[str, Any]) -> list[Row]:
    """One statement, and all its rows. Outside a transaction it is one by itself."""
    cursor = cursor_of(raw_connection())
    with _wrapper().wrap_database_errors:
        return cursor.all(query, params)


def forget() -> None:
    """Ask Django anew for this thread's connection, for tests; what is prepared there stays."""
    _thread.wrapper = None
