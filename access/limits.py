"""This app's limits. They only smooth; what counts once, counts once in PostgreSQL."""

from datetime import timedelta

from core.limits import Limit

REQUESTS = Limit(
    name="access-requests",
    burst=30,
    period=timedelta(minutes=15),
    why="Each request mails everybody who may answer, and may ask another server for its ticket.",
)
