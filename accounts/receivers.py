"""What accounts hears from Django and allauth: sign-ins that failed or succeeded."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver

from accounts import budget
from accounts.models import User
from audit.events import Event
from audit.recorder import record
from core import clock


@receiver(user_login_failed)
def count_failure(
    sender: Any,  # noqa: ARG001
    *,
    credentials: dict[str, Any],
    request: Any = None,
    **_: Any,
) -> None:
    """Every failed guess ends here, whatever the factor: it is counted once and written down.

    While a lock holds, it is written down but not counted.
    """
    email = str(credentials.get("email") or "").strip().lower()
    if not email:
        return
    now = clock.now()
    is_locked = getattr(request, "axes_locked_out", False) is True
    is_reserved = getattr(request, "guess_reserved_for", None) == email
    is_spent = False
    if is_reserved:
        request.guess_reserved_for = None
        is_spent = budget.has_just_run_out(email)
    elif not is_locked:
        is_spent = budget.spend(email, now=now)
    user = User.unscoped.filter(email=email).first()
    organisation_id = user.organisation_id if user else None
    record(
        Event.LOGIN_FAILED,
        organisation_id=organisation_id,
        subject=user,
        now=now,
        is_locked=is_locked,
        is_known=user is not None,
    )
    if is_spent:
        record(Event.ACCOUNT_LOCKED, organisation_id=organisation_id, subject=user, now=now)


@receiver(user_logged_in)
def forget_failures(sender: Any, *, user: User, **_: Any) -> None:  # noqa: ARG001
    """A whole sign-in, all factors included, clears the budget; a right password alone does not."""
    budget.clear(user.email, now=clock.now())
