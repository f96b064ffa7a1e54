"""How often the API may be called."""

from datetime import timedelta

from core.limits import Limit

FROM_AN_ADDRESS = Limit(
    name="api-from-an-address",
    burst=1200,
    period=timedelta(minutes=1),
    why="A token is looked at by the database before it is known to be good.",
)

BY_A_PERSON = Limit(
    name="api-by-a-person",
    burst=300,
    period=timedelta(minutes=1),
    why="A script that runs wild is not to keep others waiting.",
)

BY_AN_APPLICATION = Limit(
    name="api-by-an-application",
    burst=120,
    period=timedelta(minutes=1),
    why="An application that acts for itself asks now and then; a loop is not to keep others out.",
)

CHANGES_BY_A_PERSON = Limit(
    name="api-changes-by-a-person",
    burst=60,
    period=timedelta(minutes=1),
    why="Each change is written down for good, and many are told to people by mail.",
)
