"""One URL each for PostgreSQL and Redis, in the forms that their readers want."""

import pytest
from django.db import connection

from config.connections import broker_url, cache_url, django_database, set_up


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://app:pw@db.example:5433/sallyport",
            {"HOST": "db.example", "PORT": "5433", "USER": "app", "PASSWORD": "pw", "NAME": "sallyport"},
        ),
        ("postgres:///sallyport", {"HOST": "", "PORT": "", "USER": "", "NAME": "sallyport"}),
        (
            "postgresql://app:p%40s%3As%2F@db/sally%20port",
            {"PASSWORD": "p@s:s/", "NAME": "sally port", "HOST": "db"},
        ),
        (
            "postgresql://app@/sallyport?host=/run/pg&port=5499",
            {"HOST": "/run/pg", "PORT": "5499", "USER": "app", "PASSWORD": ""},
        ),
        ("postgresql://app@[::1]:5432/sallyport", {"HOST": "::1", "PORT": "5432"}),
        (
            "postgresql://db/s?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20fsync%3Doff",
            {"OPTIONS": {
                "sslmode": "verify-full", "sslrootcert": "/ca.pem", "prepare_threshold": 5,
            }},
        ),
    ],
)  # fmt: skip
def test_a_database_url_becomes_djangos_entry(url, expected):
    entry = django_database(url)

    assert entry["ENGINE"] == "django.db.backends.postgresql"
    assert {name: entry[name] for name in expected} == expected


@pytest.mark.parametrize("url", ["mysql://db/x", "sqlite:///x", "", "db.example/x"])
def test_any_other_kind_is_refused(url):
    with pytest.raises(ValueError, match="postgresql://"):
        django_database(url)


def test_connections_are_kept_and_looked_at():
    entry = django_database("postgresql://db/sallyport")

    assert entry["CONN_MAX_AGE"] is None
    assert entry["CONN_HEALTH_CHECKS"] is True


@pytest.mark.django_db
def test_each_connection_of_a_serving_process_is_set_up():
    set_up(None, connection=connection)

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),"
            " current_setting('random_page_cost')"
        )
        assert cursor.fetchone() == ("15s", "5s", "1.1")


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("redis://cache:6379/3", "redis://cache:6379/3"),
        ("rediss://:pw@cache/0", "rediss://:pw@cache/0"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
        ("unix:///run/valkey.sock?db=4", "redis+socket:///run/valkey.sock?virtual_host=4"),
        ("unix://:pw@/run/valkey.sock?db=4", "redis+socket://:pw@/run/valkey.sock?virtual_host=4"),
    ],
)
def test_the_broker_has_a_form_of_its_own_for_sockets(url, broker):
    assert broker_url(url) == broker
    assert cache_url(url) == url
