"""How often a session may be asked to prove its key."""

from datetime import timedelta

from core.limits import Limit

CHALLENGES = Limit(
    name="binding_challenges",
    burst=30,
    period=timedelta(minutes=1),
    why="each challenge is a row; a browser needs one in ten minutes, more on privileged pages",
)
