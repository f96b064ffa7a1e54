"""How often strangers may begin a ceremony. Guessing is bounded by `accounts.budget`."""

from datetime import timedelta

from core.limits import Limit

CEREMONIES_PER_ADDRESS = Limit(
    name="passkey_ceremonies",
    burst=60,
    period=timedelta(minutes=1),
    why="each ceremony writes a challenge; the sign-in page begins one whenever it is opened",
)
