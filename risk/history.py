"""Counts in PostgreSQL: one statement reads all that a score needs, one learns a sign-in.

Both touch a fixed number of rows by their keys, however long the history is.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.crypto import salted_hmac

from risk.agents import Agent
from risk.evidence import EGRESS_USERS, Fix
from risk.geo import Place
from risk.levels import RiskLevel
from risk.likelihood import History, Level, Population

DIGEST_SIZE = 16
BURST_WINDOW = timedelta(minutes=15)
SPRAY_WINDOW = timedelta(hours=1)
# Attempts looked at: more would not weigh more.
ENOUGH = 500

READ = """
SELECT h.logins, h.hours, h.last_at, h.last_latitude, h.last_longitude, h.last_accuracy_km,
       h.last_is_shared,
       p.logins AS all_logins, p.users AS all_users, p."distinct" AS all_distinct,
       ARRAY(SELECT COALESCE(t.logins, 0)
               FROM unnest(%(values)s::bytea[]) WITH ORDINALITY AS v (value, place)
               LEFT JOIN risk_usertally t
                 ON t.user_id = %(user)s AND t.level = v.place - 1 AND t.value = v.value
              ORDER BY v.place) AS own,
       ARRAY(SELECT COALESCE(t.logins, 0)
               FROM unnest(%(values)s::bytea[]) WITH ORDINALITY AS v (value, place)
               LEFT JOIN risk_organisationtally t
                 ON t.organisation_id = %(organisation)s AND t.level = v.place - 1
                AND t.value = v.value
              ORDER BY v.place) AS everybody,
       (SELECT t.users FROM risk_organisationtally t
         WHERE t.organisation_id = %(organisation)s AND t.level = 0
           AND t.value = (%(values)s::bytea[])[1]) AS users_of_address,
       (SELECT count(*) FROM (
          SELECT 1 FROM risk_failedsignin f
           WHERE f.account = %(account)s AND f.at > %(burst_began)s LIMIT %(enough)s) f
       ) AS failures,
       (SELECT count(DISTINCT f.account) FROM (
          SELECT account FROM risk_failedsignin f
           WHERE f.address = %(address)s AND f.at > %(spray_began)s
           ORDER BY f.at DESC LIMIT %(enough)s) f) AS by_address,
       (SELECT count(DISTINCT f.account) FROM (
          SELECT account FROM risk_failedsignin f
           WHERE f.network = %(network)s AND f.at > %(spray_began)s
           ORDER BY f.at DESC LIMIT %(enough)s) f) AS by_network,
       (SELECT k.level FROM risk_userrisk k
         WHERE k.user_id = %(user)s AND k.ends_at > %(now)s) AS user_level,
       (SELECT k.reasons FROM risk_userrisk k
         WHERE k.user_id = %(user)s AND k.ends_at > %(now)s) AS user_reasons
  FROM (SELECT 1) AS one
  LEFT JOIN risk_userhistory h ON h.user_id = %(user)s
  LEFT JOIN risk_organisationhistory p ON p.organisation_id = %(organisation)s
"""

# Rows are always taken in the order of their keys, so that two sign-ins never wait for each other.
LEARN = """
WITH own AS (
  INSERT INTO risk_usertally AS t (user_id, organisation_id, level, value, logins, last_at)
  SELECT %(user)s, %(organisation)s, v.place - 1, v.value, 1, %(at)s
    FROM unnest(%(values)s::bytea[]) WITH ORDINALITY AS v (value, place)
   WHERE v.value IS NOT NULL ORDER BY v.place
  ON CONFLICT (user_id, level, value) DO UPDATE
     SET logins = t.logins + 1, last_at = GREATEST(t.last_at, EXCLUDED.last_at)
  RETURNING t.level, t.value, (xmax = 0) AS is_new
), everybody AS (
  INSERT INTO risk_organisationtally AS t (organisation_id, level, value, logins, users, last_at)
  SELECT %(organisation)s, own.level, own.value, 1, 1, %(at)s FROM own ORDER BY own.level, own.value
  ON CONFLICT (organisation_id, level, value) DO UPDATE
     SET logins = t.logins + 1, last_at = GREATEST(t.last_at, EXCLUDED.last_at),
         users = t.users + (SELECT own.is_new::int FROM own
                             WHERE own.level = t.level AND own.value = t.value)
  RETURNING t.level, (xmax = 0) AS is_new
), person AS (
  INSERT INTO risk_userhistory AS h
    (user_id, organisation_id, logins, hours, last_at, last_latitude, last_longitude,
     last_accuracy_km, last_is_shared)
  VALUES (%(user)s, %(organisation)s, 1, %(hours)s, %(at)s, %(latitude)s, %(longitude)s,
          %(accuracy_km)s, %(is_shared)s)
  ON CONFLICT (user_id) DO UPDATE
     SET logins = h.logins + 1, hours = EXCLUDED.hours, last_at = EXCLUDED.last_at,
         last_latitude = EXCLUDED.last_latitude, last_longitude = EXCLUDED.last_longitude,
         last_accuracy_km = EXCLUDED.last_accuracy_km, last_is_shared = EXCLUDED.last_is_shared
  RETURNING (xmax = 0) AS is_new
), news AS (
  SELECT ARRAY(SELECT count(e.level)::int
                 FROM generate_series(0, %(coarsest)s) AS each
                 LEFT JOIN everybody e ON e.level = each AND e.is_new
                GROUP BY each ORDER BY each) AS distinct_more,
         (SELECT is_new::int FROM person) AS users_more
)
INSERT INTO risk_organisationhistory AS p (organisation_id, logins, users, "distinct")
SELECT %(organisation)s, 1, news.users_more, news.distinct_more FROM news
ON CONFLICT (organisation_id) DO UPDATE
   SET logins = p.logins + 1, users = p.users + EXCLUDED.users,
       "distinct" = ARRAY(SELECT COALESCE(o, 0) + n
                            FROM unnest(p."distinct", EXCLUDED."distinct") AS both_of (o, n))
"""


@dataclass(frozen=True, slots=True)
class Known:
    """All that is remembered and matters to one sign-in."""

    own: History
    everybody: Population
    hours: Sequence[float]
    last: Fix | None
    users_of_address: int
    failures: int
    by_address: int
    by_network: int
    user_level: RiskLevel
    user_reasons: Sequence[str]

    @property
    def is_shared(self) -> bool:
        """Whether the address is a common way out of the organisation."""
        return self.users_of_address >= EGRESS_USERS


def values_of(
    *, organisation_id: UUID, address: str, place: Place, agent: Agent
) -> list[bytes | None]:
    """The keyed digest of each level's value, in the order of the levels; None: unknown."""
    texts = {
        Level.ADDRESS: address,
        Level.NETWORK: place.network,
        Level.COUNTRY: place.country,
        Level.AGENT: agent.text,
        Level.BROWSER: agent.browser,
        Level.SYSTEM: agent.system,
        Level.KIND: agent.kind,
    }
    return [
        digest_of(f"{organisation_id}:{level.name}", texts[level]) if texts[level] else None
        for level in Level
    ]


def digest_of(kind: str, text: str) -> bytes:
    """A keyed digest: the same text of another kind or organisation gives another one."""
    whole = salted_hmac(f"risk:{kind}", text, algorithm="sha256").digest()
    return whole[:DIGEST_SIZE]


def digests_of_attempt(*, account: str, address: str, network: str) -> dict[str, bytes | None]:
    """What is kept of a failed attempt, and looked for at the next sign-in."""
    return {
        "account": digest_of("account", account.strip().lower()),
        "address": digest_of("attempt address", address),
        "network": digest_of("attempt network", network) if network else None,
    }


def read(
    *,
    user_id: UUID,
    organisation_id: UUID,
    account: str,
    address: str,
    network: str,
    values: Sequence[bytes | None],
    now: datetime,
) -> Known:
    """Look everything up in one statement."""
    params = {
        "user": user_id,
        "organisation": organisation_id,
        "values": list(values),
        "burst_began": now - BURST_WINDOW,
        "spray_began": now - SPRAY_WINDOW,
        "enough": ENOUGH,
        "now": now,
        **digests_of_attempt(account=account, address=address, network=network),
    }
    with connection.cursor() as cursor:
        cursor.execute(READ, params)
        names = [column.name for column in cursor.description]
        row = dict(zip(names, cursor.fetchone(), strict=True))
    return _known(row, values)


def learn(
    *,
    user_id: UUID,
    organisation_id: UUID,
    values: Sequence[bytes | None],
    place: Place,
    is_shared: bool,
    hours: Sequence[float],
    at: datetime,
) -> None:
    """Count one sign-in, for its user and for the organisation."""
    with connection.cursor() as cursor:
        cursor.execute(
            LEARN,
            {
                "user": user_id,
                "organisation": organisation_id,
                "values": list(values),
                "latitude": place.latitude,
                "longitude": place.longitude,
                "accuracy_km": place.accuracy_km if place.is_located else None,
                "is_shared": is_shared,
                "hours": list(hours),
                "at": at,
                "coarsest": max(Level),
            },
        )


def _known(row: Mapping[str, Any], values: Sequence[bytes | None]) -> Known:
    known = [level for level in Level if values[level] is not None]
    distinct = row["all_distinct"] or []
    return Known(
        own=History(row["logins"] or 0, {level: row["own"][level] for level in known}),
        everybody=Population(
            logins=row["all_logins"] or 0,
            users=row["all_users"] or 0,
            counts={level: row["everybody"][level] for level in known},
            distinct={level: distinct[level] for level in Level if level < len(distinct)},
        ),
        hours=row["hours"] or [],
        last=_last(row),
        users_of_address=row["users_of_address"] or 0,
        failures=row["failures"],
        by_address=row["by_address"],
        by_network=row["by_network"],
        user_level=RiskLevel(row["user_level"] or RiskLevel.NONE),
        user_reasons=json.loads(row["user_reasons"] or "[]"),
    )


def _last(row: Mapping[str, Any]) -> Fix | None:
    if row["last_at"] is None or row["last_latitude"] is None:
        return None
    return Fix(
        latitude=row["last_latitude"],
        longitude=row["last_longitude"],
        accuracy_km=row["last_accuracy_km"],
        at=row["last_at"],
        is_shared=row["last_is_shared"],
    )
