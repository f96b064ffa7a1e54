"""Links of password resets.

A module of its own, since allauth's forms import it while they are being imported themselves.
"""

from allauth.account.forms import EmailAwarePasswordResetTokenGenerator

from accounts.models import User


class PasswordResetTokens(EmailAwarePasswordResetTokenGenerator):  # type: ignore[misc]
    """Reset links die with any change of credentials or addresses, and at sign-in."""

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.security_stamp}"
