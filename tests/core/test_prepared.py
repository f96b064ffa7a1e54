"""Prepared statements: what goes in comes out, as from a cursor of psycopg's."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import DataError, OperationalError, connection, transaction

from core import prepared
from core.prepared import Cursor
from idp.storage import database

INSTANT = datetime(2026, 2, 3, 4, 5, 6, 789_000, tzinfo=UTC)
VALUES = {
    "uuid": UUID("018f5e2c-1111-7abc-8def-001122334455"),
    "bytea": b"\x00\xff raw",
    "text": "naïve — 'quoted' %s",
    "boolean": True,
    "timestamptz": INSTANT,
    "interval": timedelta(days=3, seconds=4, microseconds=5),
    "text[]": ["a", "b c", ""],
    "bigint": 5_000_000_000,
    "smallint": -7,
}


@pytest.fixture
def cursor(transactional_db: None) -> Cursor:
    return database.cursor_of(database.raw_connection())


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_comes_back_as_it_went(cursor: Cursor, kind: str) -> None:
    row = cursor.one(f"SELECT CAST(%(value)s AS {kind}) AS value", {"value": VALUES[kind]})

    assert row == {"value": VALUES[kind]}


@pytest.mark.parametrize("kind", VALUES)
def test_nothing_comes_back_as_nothing(cursor: Cursor, kind: str) -> None:
    statement = f"SELECT CAST(%(value)s AS {kind}) AS value"

    assert cursor.one(statement, {"value": None}) == {"value": None}
    assert cursor.one(statement, {"value": VALUES[kind]}) == {"value": VALUES[kind]}


def test_json_is_read(cursor: Cursor) -> None:
    row = cursor.one("SELECT '{\"a\": [1, null]}'::jsonb AS value", {})

    assert row == {"value": {"a": [1, None]}}


def test_a_parameter_may_stand_twice_and_a_percent_sign_for_itself(cursor: Cursor) -> None:
    row = cursor.one(
        "SELECT %(a)s + %(b)s - %(a)s AS b, 7 %% 4 AS rest, 'x' LIKE '%%' AS likes",
        {"a": 1, "b": 2, "unused": object()},
    )

    assert row == {"b": 2, "rest": 3, "likes": True}


def test_numbers_of_any_size_fit_one_statement(cursor: Cursor) -> None:
    for number in (1, 70_000, 5_000_000_000, 2**70, -1):
        assert cursor.one("SELECT CAST(%(n)s AS numeric) AS n", {"n": number}) == {"n": number}


def test_no_row_is_none_and_more_than_one_is_the_first(cursor: Cursor) -> None:
    assert cursor.one("SELECT 1 AS a WHERE false", {}) is None
    assert cursor.one("SELECT g FROM generate_series(4, 6) g", {}) == {"g": 4}


def test_a_text_is_prepared_once(cursor: Cursor) -> None:
    statement = "SELECT %(value)s::text AS once_only"
    for value in ("a", "b", "c"):
        cursor.one(statement, {"value": value})

    prepared = cursor.one(
        "SELECT count(*) AS n FROM pg_prepared_statements WHERE statement LIKE %(like)s",
        {"like": "%::text AS once_only"},
    )
    assert prepared == {"n": 1}


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 1 / %(n)s", psycopg.errors.DivisionByZero),
        ("SELECT nonsense, %(n)s::int", psycopg.errors.UndefinedColumn),
        ("SELEC %(n)s", psycopg.errors.SyntaxError),
    ],
)
def test_a_failure_is_the_drivers_own(
    cursor: Cursor, statement: str, error: type[Exception]
) -> None:
    for _ in range(2):
        with pytest.raises(error):
            cursor.one(statement, {"n": 0})

    assert cursor.one("SELECT 1 AS fine", {}) == {"fine": 1}


def test_a_missing_parameter_sends_nothing(cursor: Cursor) -> None:
    with pytest.raises(KeyError, match="n"):
        cursor.one("SELECT %(n)s::int AS n", {})


def test_a_connection_that_the_server_ended_is_an_operational_error(cursor: Cursor) -> None:
    pid = cursor.connection.info.backend_pid
    cursor.one("SELECT 1 AS before", {})
    with psycopg.connect(
        cursor.connection.info.dsn, password=cursor.connection.info.password
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])

    with pytest.raises(psycopg.OperationalError):
        cursor.one("SELECT 1 AS before", {})

    assert database.one("SELECT 2 AS after", {}) == {"after": 2}


def test_what_fails_inside_a_unit_undoes_it(transactional_db: None) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.unit() as unit:
        unit.cursor.execute("CREATE TEMPORARY TABLE undone (a int)", {})
        unit.cursor.one("SELECT 1 / %(n)s", {"n": 0})

    assert database.one("SELECT to_regclass('undone') AS found", {}) == {"found": None}


class TestTheFirstStatementOfARequest:
    """The connection was kept since the last one, and its server may have restarted."""

    QUERY = "SELECT pg_backend_pid() AS pid"

    def break_it(self) -> int:
        kept = prepared.one(self.QUERY, {})
        assert kept is not None
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", [kept["pid"]])
        return int(kept["pid"])

    @pytest.mark.django_db(transaction=True)
    def test_it_is_run_again_on_a_new_connection(self) -> None:
        pid = self.break_it()

        found = prepared.first(self.QUERY, {})

        assert found is not None
        assert found["pid"] != pid

    @pytest.mark.django_db(transaction=True)
    def test_within_a_transaction_that_is_lost_it_fails(self) -> None:
        def within() -> None:
            with transaction.atomic():
                self.break_it()
                prepared.first(self.QUERY, {})

        with pytest.raises(OperationalError):
            within()

        connection.close()

    @pytest.mark.django_db(transaction=True)
    def test_a_statement_that_fails_by_itself_is_not_run_again(self) -> None:
        with pytest.raises(DataError):
            prepared.first("SELECT 1 / %(zero)s AS one", {"zero": 0})

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("run", [prepared.one, prepared.rows, prepared.execute])
    def test_what_runs_on_djangos_connection_fails_as_django_does(self, run: Any) -> None:
        """So that a page whose database is away says so, and the connection is looked at again."""
        self.break_it()

        with pytest.raises(OperationalError):
            run(self.QUERY, {})

        assert connection.errors_occurred
        assert prepared.one("SELECT 1 AS one", {}) == {"one": 1}
