"""What is no longer needed is deleted, and no longer counted.

A thousand rows at a time, each thousand in a transaction: so no sign-in waits for long,
and what another worker holds is left to it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction

from risk.models import FailedSignIn, SignIn

BATCH = 1000
ADDRESSES_KEPT = timedelta(days=30)
KEPT = timedelta(days=180)
ATTEMPTS_KEPT = timedelta(days=1)

# Every sign-in has one address, so what is forgotten at that level is what the totals lose. Rows
# that sign-ins count in are taken in the order in which those take them (`risk.history`).
FORGET_OF_USERS = """
WITH old AS (
  SELECT user_id, level, value FROM risk_usertally WHERE last_at < %(before)s
   ORDER BY last_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM risk_usertally t USING old
   WHERE t.user_id = old.user_id AND t.level = old.level AND t.value = old.value
  RETURNING t.user_id, t.organisation_id, t.level, t.value, t.logins
), fewer AS (
  SELECT t.organisation_id, t.level, t.value, g.users
    FROM (SELECT organisation_id, level, value, count(*)::int AS users FROM gone
           GROUP BY organisation_id, level, value) g
    JOIN risk_organisationtally t
      ON t.organisation_id = g.organisation_id AND t.level = g.level AND t.value = g.value
   ORDER BY t.organisation_id, t.level, t.value FOR UPDATE OF t
), tallies AS (
  UPDATE risk_organisationtally t SET users = GREATEST(t.users - fewer.users, 0) FROM fewer
   WHERE t.organisation_id = fewer.organisation_id AND t.level = fewer.level
     AND t.value = fewer.value
  RETURNING 1
), persons AS (
  UPDATE risk_userhistory h SET logins = GREATEST(h.logins - g.logins, 0)
    FROM (SELECT user_id, sum(logins)::int AS logins FROM gone WHERE level = 0
           GROUP BY user_id) g, (SELECT count(*) FROM tallies) AS before
   WHERE h.user_id = g.user_id
)
SELECT count(*) FROM gone
"""
FORGET_OF_ORGANISATIONS = """
WITH old AS (
  SELECT organisation_id, level, value FROM risk_organisationtally WHERE last_at < %(before)s
   ORDER BY last_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED
), gone AS (
  DELETE FROM risk_organisationtally t USING old
   WHERE t.organisation_id = old.organisation_id AND t.level = old.level AND t.value = old.value
  RETURNING t.organisation_id, t.level, t.logins
), populations AS (
  UPDATE risk_organisationhistory p
     SET logins = GREATEST(p.logins - g.logins, 0),
         "distinct" = ARRAY(
           SELECT GREATEST(d - COALESCE((SELECT count(*) FROM gone
                                          WHERE gone.organisation_id = p.organisation_id
                                            AND gone.level = place - 1), 0), 0)::int
             FROM unnest(p."distinct") WITH ORDINALITY AS each (d, place) ORDER BY place)
    FROM (SELECT organisation_id, COALESCE(sum(logins) FILTER (WHERE level = 0), 0)::int AS logins
            FROM gone GROUP BY organisation_id) g
   WHERE p.organisation_id = g.organisation_id
)
SELECT count(*) FROM gone
"""


def forget_old(*, now: datetime) -> None:
    """Delete attempts of yesterday, addresses of last month, and what half a year old is."""
    attempts = FailedSignIn.objects.filter(at__lt=now - ATTEMPTS_KEPT)
    sign_ins = SignIn.unscoped.filter(at__lt=now - KEPT)
    located = SignIn.unscoped.filter(at__lt=now - ADDRESSES_KEPT, address__isnull=False)
    forgotten: dict[str, Any] = {"address": None, "city": "", "values": []}
    _repeat(lambda: _some(attempts).delete()[0])
    _repeat(lambda: _some(sign_ins).delete()[0])
    _repeat(lambda: _some(located).update(**forgotten))
    for statement in (FORGET_OF_USERS, FORGET_OF_ORGANISATIONS):
        _repeat(partial(_count, statement, before=now - KEPT))


def _repeat(forget: Callable[[], int]) -> None:
    while True:
        with transaction.atomic():
            done = forget()
        if done < BATCH:
            return


def _some(rows: Any) -> Any:
    """The oldest of these rows, locked, without those that another worker holds."""
    held = rows.order_by("at").select_for_update(skip_locked=True)
    return rows.filter(pk__in=list(held.values_list("pk", flat=True)[:BATCH]))


def _count(statement: str, *, before: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"before": before, "batch": BATCH})
        ((deleted,),) = cursor.fetchall()
    return int(deleted)
