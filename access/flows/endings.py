"""How a grant ends before its time: given back, withdrawn, or taken away."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from access import notices
from access.administering import may_administer
from access.approvers import is_named
from access.flows.timeline import Locked, lock, move, settle, tell
from access.models import LIVE, OPEN, EventKind, Grant, State
from access.workloads import OnBehalf, demand_behalf, stands_for
from accounts.models import User
from core.errors import Refusal


@transaction.atomic
def cancel_grant(
    *,
    grant: Grant,
    requester: User,
    now: datetime,
    session_id: UUID | None = None,
    behalf: OnBehalf | None = None,
) -> bool:
    """Withdraw a request of one's own that has not begun; returns whether this call did it.

    Refuses not_found for somebody else's, conflict once it is active.
    """
    locked = _own(grant, requester, behalf, now)
    actor = requester if behalf is None else behalf.actor(requester)
    if settle(locked.grant, now=locked.now) or locked.grant.state not in OPEN:
        return False
    if locked.grant.state in LIVE:
        raise Refusal.conflict("This has begun already: give it back instead.")
    move(locked.grant, State.CANCELLED, now=locked.now, end_cause="withdrawn")
    tell(locked.grant, EventKind.CANCELLED, now=locked.now, actor=actor, session_id=session_id)
    return True


@transaction.atomic
def drop_grant(
    *,
    grant: Grant,
    requester: User,
    now: datetime,
    session_id: UUID | None = None,
    behalf: OnBehalf | None = None,
) -> bool:
    """Give active access back early; returns whether this call did it. Refuses as above."""
    locked = _own(grant, requester, behalf, now)
    actor = requester if behalf is None else behalf.actor(requester)
    if settle(locked.grant, now=locked.now) or locked.grant.state not in OPEN:
        return False
    if locked.grant.state not in LIVE:
        raise Refusal.conflict("This has not begun yet: withdraw it instead.")
    move(locked.grant, State.ENDED, now=locked.now, end_cause="given back")
    tell(locked.grant, EventKind.DROPPED, now=locked.now, actor=actor, session_id=session_id)
    return True


@transaction.atomic
def revoke_grant(
    *,
    grant: Grant,
    actor: User,
    reason: str,
    now: datetime,
    session_id: UUID | None = None,
) -> bool:
    """Take approved or active access away; returns whether this call did it.

    By an administrator, or by anybody who may approve it. Refuses not_found across organisations,
    not_allowed for anybody else, conflict for a request that still waits: that is denied instead.
    """
    if actor.organisation_id != grant.organisation_id and not actor.is_superuser:
        raise Refusal.not_found()
    locked = lock(grant, now)
    if not _may_revoke(locked.grant, actor, locked.now):
        raise Refusal.not_allowed("Only administrators and approvers take access away.")
    if settle(locked.grant, now=locked.now) or locked.grant.state not in OPEN:
        return False
    if locked.grant.state == State.APPROVAL_AWAITED:
        raise Refusal.conflict("This request still waits: deny it instead.")
    take_away(locked.grant, "revoked", now=locked.now, actor=actor, session_id=session_id,
              reason=" ".join(reason.split())[:200])  # fmt: skip
    return True


def take_away(
    grant: Grant,
    cause: str,
    *,
    now: datetime,
    actor: User | None = None,
    session_id: UUID | None = None,
    reason: str = "",
) -> None:
    """End a locked, open grant for a cause of somebody else's: a request is withdrawn by it."""
    is_request = grant.state == State.APPROVAL_AWAITED
    kind = EventKind.CANCELLED if is_request else EventKind.REVOKED
    move(
        grant,
        State.CANCELLED if is_request else State.REVOKED,
        now=now,
        end_cause=cause,
    )
    tell(grant, kind, now=now, actor=actor, session_id=session_id, cause=cause, reason=reason)
    notices.tell_requester(grant, "revoked", now=now)


def _own(grant: Grant, requester: User, behalf: OnBehalf | None, now: datetime) -> Locked:
    if not stands_for(requester, grant, behalf):
        raise Refusal.not_found()
    demand_behalf(behalf, requester, now)
    return lock(grant, now)


def _may_revoke(grant: Grant, actor: User, now: datetime) -> bool:
    """Nobody's own: that is given back."""
    if actor.pk == grant.requester_id:
        return False
    if may_administer(actor, grant.organisation_id, now=now):
        return True
    return actor.is_active and is_named(actor, grant.entitlement, now)
