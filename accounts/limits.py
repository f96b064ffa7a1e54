"""This app's limits. Sign-up, sign-in and reset have allauth's; guessing has `budget`."""

from datetime import timedelta

from core.limits import Limit

INVITATION_LINKS = Limit(
    name="accounts.invitation_links",
    burst=30,
    period=timedelta(minutes=1),
    why="One address opens invitation links, or guesses at them.",
)
