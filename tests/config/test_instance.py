"""The suite's own instances: real processes on whatever servers the suite has."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from config.embedded import processes
from tests.support import slots
from tests.support.instance import Instance, Servers

pytestmark = pytest.mark.instance


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance(with_worker=True) as running:
        yield running


def test_it_serves_from_a_database_and_a_cache_of_its_own(instance: Instance) -> None:
    with instance.connect() as owner:
        row = owner.execute("SELECT current_database(), count(*) FROM accounts_user").fetchone()
    suite = Servers.of_the_suite()

    assert row == (slots_name(instance.database_url), 0)
    assert slots_name(instance.database_url) != slots_name(suite.owner_url)
    assert instance.redis_url != suite.redis_url


def test_the_product_runs_as_the_role_that_defines_nothing(instance: Instance) -> None:
    if instance.servers.runtime_url is None:
        pytest.skip("the configured server has one role")

    with (
        psycopg.connect(instance.runtime_url) as runtime,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        runtime.execute("CREATE TABLE mine ()")


def test_it_comes_back_after_kill_minus_nine_on_the_same_port_and_data(instance: Instance) -> None:
    before, port = instance.processes["web"].pid, instance.port
    with instance.connect() as owner:
        owner.execute("CREATE TABLE IF NOT EXISTS kept ()")

    instance.kill("web")
    assert not processes.is_running(before)
    instance.start()

    assert instance.processes["web"].pid != before
    assert instance.port == port
    with instance.connect() as owner:
        assert owner.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_its_worker_answers(instance: Instance) -> None:
    assert instance.is_running("worker")
    assert "1 node online" in instance.celery("inspect", "ping", "--timeout", "10")


def test_nothing_of_it_is_left(instance: Instance) -> None:
    with Instance(servers=instance.servers) as other:
        pids = [process.pid for process in other.processes.values()]
        database, cache, var = other.database_url, other.redis_url, other.var

    assert not any(processes.is_running(pid) for pid in pids)
    assert not Path(var).exists()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(database)
    with redis.Redis.from_url(cache) as store:
        assert store.dbsize() == 0


def slots_name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:pw@host:6379/0", "redis://:pw@host:6379/4"),
        ("redis://host", "redis://host/4"),
        ("unix://:pw@/a/valkey.sock?db=0", "unix://:pw@/a/valkey.sock?db=4"),
    ],
)
def test_the_number_of_a_cache_database_has_two_places(url: str, expected: str) -> None:
    assert slots.with_cache_number(url, 4) == expected
