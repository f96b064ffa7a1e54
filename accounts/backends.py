"""How a password is judged: first whether one may still guess, then whether it is right.

Order in settings: axes (address and account), the guess budget (account), the password.
"""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts import budget
from accounts.models import User
from accounts.passwords import MAX_LENGTH
from core import clock
from core.errors import Refusal


class GuessBudgetBackend(BaseBackend):
    """Stops when the account's budget is used up, and reserves one guess; never authenticates."""

    def authenticate(self, request: HttpRequest | None, email: str | None = None, **_: Any) -> None:
        if not email:
            raise PermissionDenied("signing in begins by an address")
        try:
            budget.reserve(email, now=clock.now())
        except Refusal as refusal:
            if request is not None:
                # axes' middleware turns the answer into accounts.lockout's page.
                request.axes_locked_out = True  # type: ignore[attr-defined]
                request.lockout_refusal = refusal  # type: ignore[attr-defined]
            raise PermissionDenied(refusal.detail) from refusal
        if request is not None:
            request.guess_reserved_for = email.strip().lower()  # type: ignore[attr-defined]


class PasswordBackend(AuthenticationBackend):  # type: ignore[misc]
    """allauth's password check, by address only.

    People who may not sign in (closed account, closed organisation) get the answer of a wrong
    password, after the same work.
    """

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        password = credentials.get("password") or ""
        if len(password) > MAX_LENGTH:  # for everybody alike, and without hashing it
            return None
        user: User | None = super().authenticate(
            request, email=credentials.get("email"), password=password
        )
        if user is not None:
            budget.refund(user.email, now=clock.now())
            if request is not None:
                request.guess_reserved_for = None  # type: ignore[attr-defined]
        return user

    def get_user(self, user_id: Any) -> User | None:
        """Whoever the session says, by one statement with the organisation that has a say in it."""
        user = User.unscoped.select_related("organisation").filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    def user_can_authenticate(self, user: User) -> bool:
        return user.is_active and user.organisation.is_active

    @classmethod
    def _stash_user(cls, user: User | None) -> None:
        """Keep nobody: allauth would tell whoever knows the password that the account is closed."""
