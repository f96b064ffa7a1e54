"""Locks: whatever one names is stopped at its next use, once it is placed."""

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Q

from accounts.models import Lock, LockTarget, Role, User
from accounts.signals import lock_placed
from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import record, ref
from core.errors import Refusal

MAX_REASON_LENGTH = 200
CHANGED_LATELY = timedelta(days=7)


@transaction.atomic
def place_lock(
    *,
    organisation_id: UUID,
    target_type: LockTarget,
    target: str,
    reason: str,
    now: datetime,
    actor: str | models.Model | None = None,
    message: str = "",
    ends_at: datetime | None = None,
    needs_recovery: bool = False,
) -> Lock:
    """Stop `target` until it is lifted, or until ends_at.

    Placed again for the same reason it lasts as long as the longer of both. target: as `Lock` says;
    a network may be any of its addresses. actor: whoever does it, None for a rule. Refuses
    invalid_request for what can be no target.
    """
    reason = reason.strip()
    if not reason or len(reason) > MAX_REASON_LENGTH or len(message) > MAX_REASON_LENGTH:
        raise Refusal.invalid_request(f"Give a reason of 1 to {MAX_REASON_LENGTH} characters.")
    if ends_at is not None and ends_at <= now:
        raise Refusal.invalid_request("A lock must end after it begins.")
    wanted = Lock(
        organisation_id=organisation_id,
        target_type=target_type,
        target=canonical(target_type, target),
        reason=reason,
        message=message,
        needs_recovery=needs_recovery,
        created_at=now,
        created_by=_named(actor),
        ends_at=ends_at,
    )
    lock, is_new = _keep(wanted)
    if not is_new and not _harden(lock, wanted, now):
        return lock
    placed = record(
        Event.LOCK_PLACED,
        organisation_id=organisation_id,
        actor=actor,
        subject=_subject(lock),
        now=now,
        lock=lock.pk,
        target_type=target_type.value,
        target=lock.target,
        reason=reason,
        ends_at=lock.ends_at,
        needs_recovery=lock.needs_recovery,
    )
    transaction.on_commit(lambda: lock_placed.send(Lock, lock=lock, cause=placed.transaction_id))
    return lock


@transaction.atomic
def lift_lock(*, lock: Lock, now: datetime, actor: str | models.Model | None = None) -> bool:
    """Let its target go on; returns whether this call did it."""
    lifted = Lock.unscoped.filter(pk=lock.pk, lifted_at=None).update(
        lifted_at=now, lifted_by=_named(actor)
    )
    if not lifted:
        return False
    record(
        Event.LOCK_LIFTED,
        organisation_id=lock.organisation_id,
        actor=actor,
        subject=_subject(lock),
        now=now,
        lock=lock.pk,
        target_type=lock.target_type,
        target=lock.target,
        reason=lock.reason,
    )
    return True


@transaction.atomic
def lift_by_recovery(*, user: User, now: datetime) -> int:
    """Whoever has recovered the account lifts what waited for that; returns how many locks.

    Not by an e-mail address that was changed shortly before the lock: whoever changed it may be
    what it is for. Then only an administrator lifts it.
    """
    waiting = Lock.unscoped.filter(
        organisation_id=user.organisation_id,
        target_type=LockTarget.USER,
        target=str(user.pk),
        needs_recovery=True,
    )
    return sum(
        lift_lock(lock=lock, now=now, actor=user)
        for lock in waiting.live(now)
        if not _was_address_changed(user, since=lock.created_at - CHANGED_LATELY)
    )


def is_locked_out(*, user: User, address: str | None, now: datetime) -> bool:
    """Whether this person may not come in at all, or not from here."""
    return (
        find_lock(
            organisation_id=user.organisation_id,
            targets={LockTarget.USER: str(user.pk)},
            address=address,
            now=now,
        )
        is not None
    )


def find_lock(
    *,
    organisation_id: UUID,
    targets: Mapping[LockTarget, str],
    now: datetime,
    address: str | None = None,
) -> Lock | None:
    """A lock that stops any of these now, None without. address: whose networks count as well."""
    named = Q(pk__in=[])
    for target_type, target in targets.items():
        named |= Q(target_type=target_type, target=target)
    live = Lock.unscoped.filter(organisation_id=organisation_id).live(now)
    found: Lock | None = live.filter(named).order_by("created_at").first()
    if found is not None or address is None:
        return found
    here = ipaddress.ip_address(address)
    networks = live.filter(target_type=LockTarget.ADDRESS)
    return next((lock for lock in networks if here in ipaddress.ip_network(lock.target)), None)


def find_target(*, organisation_id: UUID, target_type: LockTarget, named: str) -> str:
    """The id of what an administrator names: a person by address, a role by name, or any id.

    Refuses invalid_request for a person or a role that is not there.
    """
    named = named.strip()
    known: Mapping[LockTarget, tuple[Any, str]] = {
        LockTarget.USER: (User.objects, "email"),
        LockTarget.ROLE: (Role.objects, "name"),
    }
    if target_type not in known:
        return canonical(target_type, named)
    rows, column = known[target_type]
    wanted = Q(**{column: named.lower()})
    with suppress(ValueError):
        wanted |= Q(pk=UUID(named))
    found = rows.within_id(organisation_id).filter(wanted).first()
    if found is None:
        raise Refusal.invalid_request(f"There is no such {target_type.value} here.")
    return str(found.pk)


def canonical(target_type: LockTarget, target: str) -> str:
    """The target as it is kept; refuses invalid_request for what can be none."""
    target = target.strip()
    try:
        if target_type is LockTarget.ADDRESS:
            network = ipaddress.ip_network(target, strict=False)
            if network.prefixlen == 0:
                raise Refusal.invalid_request("A lock on every address would stop everybody.")
            return str(network)
        if target_type is LockTarget.CLIENT:
            if not target or len(target) > 200:  # noqa: PLR2004 - the column
                raise ValueError
            return target
        return str(UUID(target))
    except ValueError as error:
        wanted = "an address or a network" if target_type is LockTarget.ADDRESS else "an id"
        raise Refusal.invalid_request(f"The target has to be {wanted}.") from error


def _was_address_changed(user: User, *, since: datetime) -> bool:
    return AuditEvent.objects.filter(
        event=Event.EMAIL_CHANGED, subject=ref(user), at__gte=since
    ).exists()


def _keep(wanted: Lock) -> tuple[Lock, bool]:
    """The lock for this reason, its row locked, and whether it is the one that is wanted."""
    same = Lock.objects.within_id(wanted.organisation_id).filter(
        target_type=wanted.target_type,
        target=wanted.target,
        reason=wanted.reason,
        lifted_at=None,
    )
    known = same.select_for_update().first()
    if known is not None:
        return known, False
    try:
        with transaction.atomic():
            wanted.save(force_insert=True)
    except IntegrityError:  # somebody was faster
        return same.select_for_update().get(), False
    return wanted, True


def _harden(lock: Lock, wanted: Lock, now: datetime) -> bool:
    """Let the stricter of both hold; returns whether that changed anything."""
    if lock.ends_at is not None and lock.ends_at <= now:  # it has run out: begin anew
        ends_at, needs_recovery = wanted.ends_at, wanted.needs_recovery
        lock.created_at, lock.created_by = wanted.created_at, wanted.created_by
        lock.message = wanted.message
    else:
        ends_at = None
        if lock.ends_at is not None and wanted.ends_at is not None:
            ends_at = max(lock.ends_at, wanted.ends_at)
        needs_recovery = lock.needs_recovery and wanted.needs_recovery
        if (ends_at, needs_recovery) == (lock.ends_at, lock.needs_recovery):
            return False
    lock.ends_at, lock.needs_recovery = ends_at, needs_recovery
    lock.save(update_fields=["ends_at", "needs_recovery", "created_at", "created_by", "message"])
    return True


_SUBJECTS = {
    LockTarget.USER: "accounts.User",
    LockTarget.ROLE: "accounts.Role",
    LockTarget.CLIENT: "idp.Client",
    LockTarget.DEVICE: "devices.Device",
    LockTarget.SESSION: "idp_sessions.LoginSession",
}


def _subject(lock: Lock) -> str:
    """What is locked, as audit refers to it; the lock itself where that is no row of a known kind.

    A client is known by its `client_id`, which is no key.
    """
    kind = LockTarget(lock.target_type)
    if kind is LockTarget.CLIENT or kind not in _SUBJECTS:
        return ref(lock)
    return f"{_SUBJECTS[kind]}:{lock.target}"


def _named(actor: str | models.Model | None) -> str:
    if actor is None:
        return ""
    return actor if isinstance(actor, str) else ref(actor)
