"""What accounts hears from Django and allauth: sign-ins, new addresses, resets."""

from typing import Any

from allauth.account.signals import email_changed, email_confirmed, password_reset
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.dispatch import receiver

from accounts import budget, flows, mail
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
    is_spent = False
    if getattr(request, "guess_reserved_for", None) == email:
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
        if user is not None and user.is_active:
            mail.notify(user, "account/email/account_locked", now=now)


@receiver(user_logged_in)
def forget_failures(sender: Any, *, user: User, **_: Any) -> None:  # noqa: ARG001
    """A whole sign-in, all factors included, clears the budget; a right password alone does not."""
    budget.clear(user.email, now=clock.now())


@receiver(email_changed)
def follow_email_change(
    sender: Any,  # noqa: ARG001
    *,
    user: User,
    from_email_address: Any,
    to_email_address: Any,
    **_: Any,
) -> None:
    """Allauth says so at the first confirmation as well: then there is no old address."""
    if from_email_address is not None:
        flows.note_email_change(
            user=user,
            old=from_email_address.email,
            new=to_email_address.email,
            now=clock.now(),
        )


@receiver(email_confirmed)
def note_email_verified(sender: Any, *, email_address: Any, **_: Any) -> None:  # noqa: ARG001
    user = email_address.user
    record(
        Event.EMAIL_VERIFIED,
        organisation_id=user.organisation_id,
        actor=user,
        subject=user,
        now=clock.now(),
        email=email_address.email,
    )


@receiver(password_reset)
def finish_password_reset(sender: Any, *, request: Any, user: User, **_: Any) -> None:  # noqa: ARG001
    """A reset is the way out of a lock, and the end of every session, this browser's included."""
    now = clock.now()
    flows.unlock_account(user=user, now=now)
    flows.lift_by_recovery(user=user, now=now)
    if request.user.is_authenticated:
        logout(request)
