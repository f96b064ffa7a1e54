"""What is no longer needed is deleted, and no longer counted."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from risk.models import FailedSignIn, SignIn

ADDRESSES_KEPT = timedelta(days=30)
KEPT = timedelta(days=180)
ATTEMPTS_KEPT = timedelta(days=1)

# Every sign-in has one address, so what is forgotten at that level is what the totals lose.
FORGET_OF_USERS = """
WITH gone AS (DELETE FROM risk_usertally WHERE last_at < %(before)s
              RETURNING user_id, organisation_id, level, value, logins),
     persons AS (UPDATE risk_userhistory h SET logins = GREATEST(h.logins - g.logins, 0)
                   FROM (SELECT user_id, sum(logins)::int AS logins FROM gone WHERE level = 0
                          GROUP BY user_id) g
                  WHERE h.user_id = g.user_id RETURNING 1)
UPDATE risk_organisationtally t SET users = GREATEST(t.users - g.users, 0)
  FROM (SELECT organisation_id, level, value, count(*)::int AS users FROM gone
         GROUP BY organisation_id, level, value) g
 WHERE t.organisation_id = g.organisation_id AND t.level = g.level AND t.value = g.value
"""
FORGET_OF_ORGANISATIONS = """
WITH gone AS (DELETE FROM risk_organisationtally WHERE last_at < %(before)s
              RETURNING organisation_id, level, logins)
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
"""


@transaction.atomic
def forget_old(*, now: datetime) -> None:
    """Delete attempts of yesterday, addresses of last month, and what half a year old is."""
    FailedSignIn.objects.filter(at__lt=now - ATTEMPTS_KEPT).delete()
    SignIn.unscoped.filter(at__lt=now - KEPT).delete()
    SignIn.unscoped.filter(at__lt=now - ADDRESSES_KEPT, address__isnull=False).update(
        address=None, city="", values=[]
    )
    with connection.cursor() as cursor:
        cursor.execute(FORGET_OF_USERS, {"before": now - KEPT})
        cursor.execute(FORGET_OF_ORGANISATIONS, {"before": now - KEPT})
