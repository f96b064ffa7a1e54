"""Numbered slots on shared servers: a database name and a cache database for one process alone.

A slot is held by an advisory lock of PostgreSQL, which ends with its holder. So runs side by side,
workers of pytest-xdist and instances never meet, and what a killed holder left is used again.
"""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import psycopg
import redis

LOCK_FAMILY = 0x5A11
# Servers have 16 cache databases; number 0 is left to its owner.
NUMBERS = range(1, 16)


@dataclass
class Slot:
    """What its holder may use until `release`."""

    number: int
    database_url: str
    redis_url: str
    _holder: psycopg.Connection = field(repr=False)

    def release(self) -> None:
        with redis.Redis.from_url(self.redis_url) as store:
            store.flushdb()
        self._holder.close()


def claim(*, database_url: str, redis_url: str, name: str, is_shared: bool) -> Slot:
    """Take a free slot; the database `<name>_<number>` in its URL need not exist.

    is_shared: others use the Redis as well, so only an empty database of it is taken.
    """
    holder = psycopg.connect(with_database(database_url, "postgres"), autocommit=True)
    for number in NUMBERS:
        row = holder.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_FAMILY, number])
        if row.fetchone() != (True,):
            continue
        ours = with_cache_number(redis_url, number)
        with redis.Redis.from_url(ours) as store:
            if is_shared and store.dbsize():
                holder.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_FAMILY, number])
                continue
            store.flushdb()
        return Slot(number, with_database(database_url, f"{name}_{number}"), ours, holder)
    holder.close()
    raise RuntimeError(
        f"all {len(NUMBERS)} cache databases of {urlsplit(redis_url).hostname or 'the server'} "
        "are in use: end other test runs, or empty one"
    )


def with_database(url: str, name: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def with_cache_number(url: str, number: int) -> str:
    """The same server, another of its numbered databases."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return urlunsplit(parts._replace(path=f"/{number}"))
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return urlunsplit(parts._replace(query=urlencode({**query, "db": number})))
