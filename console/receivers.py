"""What the console hears: somebody signed in from a device not seen before."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from accounts import mail
from accounts.models import User
from sessions.models import LoginSession
from sessions.signals import signed_in


@receiver(signed_in)
def tell_of_new_device(
    sender: Any,  # noqa: ARG001
    *,
    user: User,
    session: LoginSession,
    browser_is_new: bool,
    now: datetime,
    **_: Any,
) -> None:
    """Mail a notice, but not at the very first sign-in of an account."""
    if not browser_is_new:
        return
    earlier = LoginSession.objects.within_id(user.organisation_id).filter(user=user)
    if not earlier.exclude(pk=session.pk).exists():
        return
    mail.notify(
        user,
        "account/email/new_sign_in",
        now=now,
        ip=session.address,
        device_name=session.browser.name if session.browser else None,
    )
