"""Locks: whatever one names is stopped at its next use."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status

from accounts.flows import find_target, lift_lock, place_lock
from accounts.models import Lock, LockTarget
from console.api.door import Administration, Administrator
from console.api.lookup import one, within
from console.api.paging import Place
from console.api.shapes import Did, Flag, Line, Name, Seconds, Sent, Whose

router = Router(auth=Administrator())


class LockTold(Schema):
    id: UUID
    organisation: Whose
    target_type: str
    target: str
    reason: str
    message: str
    needs_recovery: bool
    created_at: datetime
    created_by: str
    ends_at: datetime | None
    lifted_at: datetime | None


class Locks(Schema):
    items: list[LockTold]
    next: str | None


class NewLock(Sent):
    """target: what it stops, as the administration takes it: an id, an address, a name."""

    target_type: LockTarget
    target: Name
    reason: Name
    message: Line = ""
    seconds: Seconds | None = None
    needs_recovery: Flag = False


@router.get("", response=Locks)
def list_locks(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every lock, lifted ones too."""
    caller = request.auth
    listing = caller.listing("locks", place)
    return listing.page(within(Lock, caller), _show_lock)


@router.post("", response={201: LockTold})
def create_lock(request: Administration, wish: NewLock) -> Status[Any]:
    """Stop a user, role, client, device, session, address, credential or grant at its next use."""
    caller = request.auth
    lock = place_lock(
        organisation_id=caller.organisation.pk,
        target_type=wish.target_type,
        target=find_target(
            organisation_id=caller.organisation.pk, target_type=wish.target_type, named=wish.target
        ),
        reason=wish.reason,
        message=wish.message,
        ends_at=None if wish.seconds is None else caller.now + timedelta(seconds=wish.seconds),
        needs_recovery=wish.needs_recovery,
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, _show_lock(lock))


@router.post("/{uuid:lock_id}/lift", response=Did)
def lift_one_lock(request: Administration, lock_id: UUID) -> dict[str, Any]:
    """Let what a lock stops go on."""
    caller = request.auth
    did = lift_lock(lock=one(Lock, caller, lock_id), now=caller.now, actor=caller.user)
    return {"did": did}


def _show_lock(lock: Lock) -> dict[str, Any]:
    return {name: getattr(lock, name) for name in LockTold.model_fields}
