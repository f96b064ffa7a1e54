"""This app's limits, on pages and at the API alike.

Those on requests only smooth; what counts once, counts once in PostgreSQL.
"""

from datetime import timedelta

from core.limits import Limit

# Whoever decides about others, or takes what nobody has approved, has just proven to be there.
DECIDING = timedelta(minutes=10)
# A touch for this, and not one that happened to be made before.
TOUCH = timedelta(minutes=2)

REQUESTS = Limit(
    name="access-requests",
    burst=30,
    period=timedelta(minutes=15),
    why="Each request mails everybody who may answer, and may ask another server for its ticket.",
)
