"""This app's limits. They only smooth; single use, order and expiry are in PostgreSQL."""

from datetime import timedelta

from core.limits import Limit

ENROLMENTS = Limit(
    name="devices-enrolments",
    burst=30,
    period=timedelta(minutes=1),
    why="A machine that asks to be enrolled leaves a row for a day, and needs no account.",
)

ENROLMENT_POLLS = Limit(
    name="devices-enrolment-polls",
    burst=20,
    period=timedelta(minutes=1),
    why="A machine that waits asks every five seconds; each time is a signature to verify.",
)

ENROLMENT_CODE_TRIES = Limit(
    name="devices-enrolment-code-tries",
    burst=10,
    period=timedelta(minutes=10),
    why="The code that people type has 34 bits: nobody needs more than a few tries for it.",
)

NONCES = Limit(
    name="devices-nonces",
    burst=30,
    period=timedelta(minutes=1),
    why="Each leaves a row for minutes, and a device's id is no secret.",
)

REPORTS = Limit(
    name="devices-reports",
    burst=30,
    period=timedelta(minutes=1),
    why="A device reports a few times an hour; each report is a signature to verify.",
)

CALLS_FROM_AN_ADDRESS = Limit(
    name="devices-calls-from-an-address",
    burst=600,
    period=timedelta(minutes=1),
    why="An office of machines may stand behind one address, and so may somebody who guesses.",
)
