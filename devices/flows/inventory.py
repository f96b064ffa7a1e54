"""How many devices stand in which tier, day by day."""

from datetime import datetime, timedelta

from django.db import connection

from devices.models import TierCount

COUNTS_KEPT_FOR = timedelta(days=400)

# The tier of a device at an instant is how many of its ends lie after it.
COUNT = """
WITH tiers AS (
  SELECT d.organisation_id,
         (SELECT count(*) FROM unnest(d.tier_ends_at) AS e(ends_at) WHERE ends_at > %(now)s) AS tier
    FROM devices_device d WHERE d.state = 'enrolled'
)
INSERT INTO devices_tiercount (organisation_id, day, counts)
SELECT o.id, %(day)s, ARRAY(
         SELECT count(t.tier)::int FROM generate_series(0, 4) AS level
           LEFT JOIN tiers t ON t.organisation_id = o.id AND t.tier = level
          GROUP BY level ORDER BY level)
  FROM accounts_organisation o
 WHERE o.is_active
ON CONFLICT (organisation_id, day) DO UPDATE SET counts = EXCLUDED.counts
"""


def count_tiers(*, now: datetime) -> None:
    """Keep today's count of every organisation; the last one of a day stands."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"now": now, "day": now.date()})
    TierCount.unscoped.filter(day__lt=(now - COUNTS_KEPT_FOR).date()).delete()
