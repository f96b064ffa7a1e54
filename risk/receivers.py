"""What risk hears: failed sign-ins, and what is written about people's own accounts."""

from typing import Any

from django.contrib.auth.signals import user_login_failed
from django.db.models.signals import post_save
from django.dispatch import receiver

from audit.models import AuditEvent
from core import clock
from core.http import client_address
from risk import flows
from risk.flows.accounts import CHANGES


@receiver(user_login_failed)
def note_failed_sign_in(
    sender: Any,  # noqa: ARG001
    *,
    credentials: dict[str, Any],
    request: Any = None,
    **_: Any,
) -> None:
    """Every failed guess, whatever the factor; those that a lock stopped were no guess."""
    email = str(credentials.get("email") or "").strip().lower()
    if not email or request is None or getattr(request, "axes_locked_out", False) is True:
        return
    flows.note_failure(account=email, address=client_address(request), now=clock.now())


@receiver(post_save, sender=AuditEvent)
def watch_audit(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """A change of a credential is looked at in its own transaction."""
    if instance.event in CHANGES:
        flows.watch_changes(event=instance)
