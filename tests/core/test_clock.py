"""One clock, the database's, and one offset for all three ways to read it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections

from accounts.models import Organisation
from core import clock


def database_now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (value,) = cursor.fetchone()
    return value


def test_now_is_aware_and_in_utc():
    assert clock.now().tzinfo is UTC


@pytest.mark.django_db
def test_it_follows_the_database_where_the_process_is_off():
    clock.synchronise(database_now() + timedelta(hours=3))

    assert abs(clock.now() - database_now() - timedelta(hours=3)) < timedelta(seconds=5)
    assert abs(clock.skew() - timedelta(hours=3)) < timedelta(seconds=5)


@pytest.mark.django_db(transaction=True)
def test_every_new_connection_measures_the_difference():
    clock.synchronise(clock.now() + timedelta(days=1))

    connections["default"].close()
    connections["default"].ensure_connection()

    assert abs(clock.skew()) < timedelta(seconds=5)


@pytest.mark.django_db
@pytest.mark.parametrize("moved", [timedelta(), timedelta(days=8), timedelta(hours=-5)])
def test_python_orm_and_sql_agree_about_a_moved_clock(acme, moved):
    clock.shift(moved)

    by_orm = Organisation.objects.annotate(at=clock.sql_now()).get().at
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {clock.SQL_NOW}", {"clock_offset": clock.offset()})
        (by_sql,) = cursor.fetchone()

    assert abs(by_orm - clock.now()) < timedelta(seconds=5)
    assert abs(by_sql - clock.now()) < timedelta(seconds=5)


def test_shifts_add_up_until_reset():
    clock.shift(timedelta(hours=1))
    clock.shift(timedelta(hours=2))
    assert clock.offset() == timedelta(hours=3)

    clock.reset()

    assert clock.offset() == timedelta()


def test_the_environment_moves_it_for_a_whole_process(monkeypatch):
    monkeypatch.setenv(clock.OFFSET_VARIABLE, "86400")

    clock.reset()

    assert clock.offset() == timedelta(days=1)
    monkeypatch.delenv(clock.OFFSET_VARIABLE)
    clock.reset()
