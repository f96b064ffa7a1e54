"""What becomes of a device: pending → enrolled → (suspended | lost | revoked) → retired.

Only an enrolled device has a tier. Whatever leaves that state loses its score at once, and after
`resume` two new reports have to earn it again. A device that is lost, revoked or retired never
comes back: its machine is enrolled anew, with another key.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from devices.models import IN_USE, Browser, Device, State
from devices.signals import device_changed, device_enrolled, device_shared

MAX_NAME_LENGTH = 100
MAX_REASON_LENGTH = 200


def approve(*, device: Device, actor: Any, now: datetime) -> Device:
    """Let a device in that an administrator has to allow; refuses CONFLICT unless it waits."""
    changed = _change(
        device,
        State.ENROLLED,
        Event.DEVICE_ENROLLED,
        allowed=(State.PENDING,),
        actor=actor,
        now=now,
        enrolled_at=now,
    )
    owner = changed.users.select_related("user").order_by("added_at").first()
    if owner is not None:
        tell_of_enrolment(changed, owner.user, now=now)
    return changed


def suspend(*, device: Device, actor: Any, reason: str, now: datetime) -> Device:
    """Take a device's trust away until `resume`; refuses CONFLICT unless it is enrolled.

    reason: shown to its people, and kept in audit; may be empty.
    """
    return _change(
        device,
        State.SUSPENDED,
        Event.DEVICE_SUSPENDED,
        allowed=(State.ENROLLED,),
        actor=actor,
        now=now,
        reason=reason,
    )


def resume(*, device: Device, actor: Any, now: datetime) -> Device:
    """Let a suspended device earn trust again; refuses CONFLICT unless it is suspended."""
    return _change(
        device,
        State.ENROLLED,
        Event.DEVICE_RESUMED,
        allowed=(State.SUSPENDED,),
        actor=actor,
        now=now,
    )


def report_lost(
    *, device: Device, actor: Any, now: datetime, session_id: UUID | None = None
) -> Device:
    """Its owner no longer has it: it is never trusted again. Refuses CONFLICT once it is out."""
    return _change(
        device,
        State.LOST,
        Event.DEVICE_LOST,
        allowed=IN_USE,
        actor=actor,
        now=now,
        session_id=session_id,
    )


def revoke(*, device: Device, actor: Any, reason: str, now: datetime) -> Device:
    """An administrator puts it out of use for good; refuses CONFLICT once it is out.

    reason: as for `suspend`, but somebody has to give one. Refuses INVALID_REQUEST without it.
    """
    if not reason.strip():
        raise Refusal.invalid_request("Say why: a device that is revoked never comes back.")
    return _change(
        device,
        State.REVOKED,
        Event.DEVICE_REVOKED,
        allowed=(*IN_USE, State.LOST),
        actor=actor,
        now=now,
        reason=reason,
    )


@transaction.atomic
def retire(*, device: Device, actor: Any, now: datetime, session_id: UUID | None = None) -> Device:
    """It is no longer used; the browsers on it may be somebody else's soon. Refuses CONFLICT."""
    states = (*IN_USE, State.LOST, State.REVOKED)
    retired = _change(
        device,
        State.RETIRED,
        Event.DEVICE_RETIRED,
        allowed=states,
        actor=actor,
        now=now,
        session_id=session_id,
    )
    Browser.objects.within_id(device.organisation_id).filter(device=device).update(device=None)
    return retired


@transaction.atomic
def rename(
    *, device: Device, name: str, actor: Any, now: datetime, session_id: UUID | None = None
) -> Device:
    """Give a device the name that its owner knows it by; refuses INVALID_REQUEST without one."""
    locked = _lock(device)
    previous, locked.name = locked.name, plain_name(name)
    if locked.name != previous:
        locked.save(update_fields=["name"])
        record(
            Event.DEVICE_RENAMED,
            organisation_id=locked.organisation_id,
            actor=actor,
            subject=locked,
            device_id=locked.id,
            session_id=session_id,
            now=now,
            previous=previous,
            current=locked.name,
        )
    return locked


def plain_name(name: str) -> str:
    """One line of printable characters; refuses invalid_request."""
    words = " ".join(name.split())
    if not words or len(words) > MAX_NAME_LENGTH or not words.isprintable():
        raise Refusal.invalid_request(f"A name has 1 to {MAX_NAME_LENGTH} printable characters.")
    return words


def _plain_reason(reason: str) -> str:
    words = " ".join(reason.split())
    if len(words) > MAX_REASON_LENGTH or not words.isprintable():
        raise Refusal.invalid_request(
            f"A reason has up to {MAX_REASON_LENGTH} printable characters."
        )
    return words


def tell_of_enrolment(device: Device, user: Any, *, now: datetime) -> None:
    """Once the enrolment is committed."""
    transaction.on_commit(
        lambda: device_enrolled.send(Device, device=device, user=user, now=now), robust=True
    )


def tell_of_another_user(device: Device, earlier: list[Any], *, now: datetime) -> None:
    """Once it is committed that a device has one more. earlier: its users before."""
    transaction.on_commit(
        lambda: device_shared.send(Device, device=device, users=earlier, now=now), robust=True
    )


def tell_of_change(
    device: Device, *, previous_state: str, previous_tier: int, now: datetime
) -> None:
    """Once the change is committed."""
    news = {
        "device": device,
        "previous_state": previous_state,
        "state": device.state,
        "previous_tier": previous_tier,
        "tier": device.tier_at(now),
        "now": now,
    }
    transaction.on_commit(lambda: device_changed.send(Device, **news), robust=True)


def record_tier(device: Device, previous: int, *, now: datetime, cause: str) -> None:
    """Write down that the tier is another one, in the transaction of the cause."""
    record(
        Event.DEVICE_TIER_CHANGED,
        organisation_id=device.organisation_id,
        subject=device,
        device_id=device.id,
        now=now,
        previous=previous,
        current=device.known_tier,
        cause=cause,
    )


@transaction.atomic
def _change(
    device: Device,
    state: State,
    event: Event,
    *,
    allowed: tuple[State, ...],
    actor: Any,
    now: datetime,
    session_id: UUID | None = None,
    reason: str = "",
    **columns: Any,
) -> Device:
    locked = _lock(device)
    if locked.state not in allowed:
        raise Refusal.conflict(f"This device is {State(locked.state).label} by now.")
    previous_state, previous_tier = locked.state, locked.known_tier
    values: dict[str, Any] = {
        "state": state,
        "state_changed_at": now,
        "state_reason": _plain_reason(reason),
        "score": 0,
        "tier_ends_at": [],
        "reported_tier_ends_at": [],
        "known_tier": 0,
    } | columns
    for name, value in values.items():
        setattr(locked, name, value)
    locked.save(update_fields=list(values))
    record(
        event,
        organisation_id=locked.organisation_id,
        actor=actor,
        subject=locked,
        device_id=locked.id,
        session_id=session_id,
        now=now,
        name=locked.name,
        previous=previous_state,
        current=locked.state,
        reason=locked.state_reason,
    )
    if previous_tier:
        record_tier(locked, previous_tier, now=now, cause=f"it is {state.label}")
    tell_of_change(locked, previous_state=previous_state, previous_tier=previous_tier, now=now)
    return locked


def _lock(device: Device) -> Device:
    rows = Device.objects.within_id(device.organisation_id).select_for_update()
    locked: Device = rows.get(pk=device.pk)
    return locked
