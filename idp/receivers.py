"""What idp hears from sessions, to be faster than the sweep; every use reads `ended_at` itself."""

from typing import Any

from django.dispatch import receiver

from core import clock
from idp.delivery import outbox
from idp.delivery.logout_tokens import note_ended
from idp.models import RefreshFamily
from idp.models.token import RevokeReason
from sessions.models import LoginSession
from sessions.signals import session_ended


@receiver(session_ended)
def revoke_families(sender: Any, *, session: LoginSession, reason: str, **_: Any) -> None:  # noqa: ARG001
    """The session's tokens are dead already; say so in their rows."""
    RefreshFamily.unscoped.filter(session_id=session.id, revoked_at=None).update(
        revoked_at=clock.now(), revoke_reason=RevokeReason.SESSION_ENDED
    )


@receiver(session_ended)
def announce_logout(sender: Any, *, session: LoginSession, **_: Any) -> None:  # noqa: ARG001
    """Have clients told at once. If the broker is away, beat's next round does it."""
    if not note_ended(now=clock.now(), session_id=session.id):
        return
    outbox.hurry("idp.tasks.deliver_logout_tokens")
