"""What mfa hears from allauth: a step of signing in was done."""

from typing import Any

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.signals import authentication_step_completed
from django.dispatch import receiver

from core import clock


@receiver(authentication_step_completed)
def date_by_our_clock(sender: Any, *, request: Any, **_: Any) -> None:  # noqa: ARG001
    """Write the time of the newest record by the product's clock: allauth takes the machine's."""
    records = request.session.get(AUTHENTICATION_METHODS_SESSION_KEY)
    if records:
        records[-1]["at"] = clock.now().timestamp()
        request.session.modified = True
