"""This app's limits. Guessing is bounded elsewhere (`accounts.budget`)."""

from datetime import timedelta

from core.limits import Limit

LINKS = Limit(
    name="risk.links",
    burst=30,
    period=timedelta(minutes=1),
    why="One address opens links about sign-ins, or guesses at them.",
)
