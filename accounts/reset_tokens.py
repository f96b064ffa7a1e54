"""Links of password resets.

A module of its own, since allauth's forms import it while they are being imported themselves.
"""

from datetime import datetime

from allauth.account.forms import EmailAwarePasswordResetTokenGenerator

from accounts.models import User
from core import clock


class PasswordResetTokens(EmailAwarePasswordResetTokenGenerator):  # type: ignore[misc]
    """Reset links die with any change of credentials or addresses, and at sign-in."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.security_stamp}"

    def _now(self) -> datetime:
        return clock.now().replace(tzinfo=None)  # Django counts from a naive instant
