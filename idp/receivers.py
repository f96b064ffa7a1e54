"""What idp hears from below: ended sessions, reviews of access, clients that demand something else.

What audit writes is heard inside its transaction. No right rests on any of it: every use reads
`ended_at`, and what a client demands, by itself.
"""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from access.models import AccessReview, AccessReviewItem, Need
from audit.events import Event
from audit.models import AuditEvent
from core import background, clock
from idp.clients.reviews import end_reviewed, list_client_roles
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


@receiver(post_save, sender=AuditEvent)
def announce_logout(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """Write down whom to tell, in the transaction that ends the session, and have it done at once.

    If the broker is away, beat's next round does it.
    """
    if instance.event != Event.SESSION_ENDED or instance.session_id is None:
        return
    if note_ended(now=instance.at, session_id=instance.session_id):
        transaction.on_commit(lambda: background.hurry("idp.tasks.deliver_logout_tokens"))


@receiver(post_save, sender=AccessReview)
def list_roles_of_applications(
    sender: Any,  # noqa: ARG001
    *,
    instance: AccessReview,
    created: bool,
    **_: Any,
) -> None:
    """A campaign asks about them as well, from its transaction on."""
    if created:
        list_client_roles(instance)


@receiver(post_save, sender=AccessReviewItem)
def take_back_what_is_not_needed(sender: Any, *, instance: AccessReviewItem, **_: Any) -> None:  # noqa: ARG001
    """What a reviewer says is not needed ends in that transaction."""
    if instance.client_role_id is not None and instance.decision == Need.REMOVE:
        end_reviewed(instance)


DEMANDS = frozenset({"required_acr", "required_tier"})


@receiver(post_save, sender=AuditEvent)
def judge_families(sender: Any, *, instance: AuditEvent, **_: Any) -> None:  # noqa: ARG001
    """Have a worker judge whatever was issued to a client that demands something else by now.

    They may be thousands, so it is not done in the transaction of the change. Each use is judged by
    the new demands from that transaction on, whether a worker comes or not.
    """
    if instance.event != Event.CLIENT_UPDATED:
        return
    if not DEMANDS & instance.facts.get("changed", {}).keys():
        return
    client, cause = instance.subject.partition(":")[2], str(instance.transaction_id)
    transaction.on_commit(
        lambda: background.hurry("idp.tasks.judge_families_of", client=client, cause=cause)
    )
