"""How a grant moves: locked, along `TRANSITIONS`, with a line in its timeline and one in audit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction

from access import workloads
from access.chat import notes
from access.models import TRANSITIONS, Entitlement, EventKind, Grant, GrantEvent, State
from access.signals import grant_changed
from accounts.flows import end_elevation
from audit.events import Event
from audit.recorder import record, ref
from core import clock
from core.errors import Refusal

WRITTEN: Mapping[EventKind, Event] = {
    EventKind.REQUESTED: Event.GRANT_REQUESTED,
    EventKind.ANSWERED: Event.GRANT_ANSWERED,
    EventKind.STAGE_PASSED: Event.GRANT_STAGE_PASSED,
    EventKind.ESCALATED: Event.GRANT_ESCALATED,
    EventKind.APPROVED: Event.GRANT_APPROVED,
    EventKind.DENIED: Event.GRANT_DENIED,
    EventKind.ACTIVATED: Event.GRANT_ACTIVATED,
    EventKind.ACTIVATION_FAILED: Event.GRANT_ACTIVATION_FAILED,
    EventKind.SUSPENDED: Event.GRANT_SUSPENDED,
    EventKind.RESUMED: Event.GRANT_RESUMED,
    EventKind.ENDED: Event.GRANT_ENDED,
    EventKind.DROPPED: Event.GRANT_DROPPED,
    EventKind.REVOKED: Event.GRANT_REVOKED,
    EventKind.CANCELLED: Event.GRANT_CANCELLED,
    EventKind.EXPIRED: Event.GRANT_EXPIRED,
    EventKind.REVIEWED: Event.GRANT_REVIEWED,
    EventKind.PUBLISHED: Event.GRANT_PUBLISHED,
}


@dataclass(frozen=True, slots=True)
class Locked:
    """A grant that nobody else moves meanwhile, and an instant after the wait for it."""

    grant: Grant
    now: datetime


def hold(entitlement: Entitlement) -> Entitlement:
    """Keep the entitlement as it is until the transaction ends, read anew. Refuses not_found.

    Before any grant is locked, wherever both are: whoever edits holds it first as well.
    """
    rows = Entitlement.objects.within_id(entitlement.organisation_id)
    held = rows.select_for_update(no_key=True).filter(pk=entitlement.pk).first()
    if held is None:
        raise Refusal.not_found()
    return held


def lock(grant: Grant, now: datetime) -> Locked:
    """Hold the grant until the transaction ends, and read it anew. Refuses not_found.

    `now` was read before a wait that may have been long, so that the database is asked again.
    """
    rows = Grant.objects.within_id(grant.organisation_id).filter(pk=grant.pk)
    if not rows.select_for_update().exists():
        raise Refusal.not_found()
    fresh = (
        rows.select_related("entitlement", "requester", "workload__responsible")
        .annotate(read_at=models.ExpressionWrapper(clock.sql_now(), models.DateTimeField()))
        .get()
    )
    return Locked(fresh, max(now, fresh.read_at))


def move(grant: Grant, state: State, *, now: datetime, **columns: Any) -> None:
    """Bring a locked grant into another state. What gives something no longer, gives it no more."""
    if state not in TRANSITIONS.get(State(grant.state), ()):
        raise Refusal.conflict(f"This request is {State(grant.state).label} by now.")
    was_live = grant.activated_at is not None
    grant.state = state
    if state not in TRANSITIONS:
        columns["ended_at"] = now
        if was_live and grant.workload_id is not None:
            workloads.end_elevation(grant_id=grant.pk, now=now)
        elif was_live:
            end_elevation(grant_id=grant.pk, now=now)
    for name, value in columns.items():
        setattr(grant, name, value)
    grant.save(update_fields=["state", *columns])


def tell(
    grant: Grant,
    kind: EventKind,
    *,
    now: datetime,
    actor: str | models.Model | None = None,
    session_id: UUID | None = None,
    **facts: Any,
) -> GrantEvent:
    """Write a line of the timeline, the audit event of the same name, and what rooms are told."""
    named = actor if isinstance(actor, str) else "" if actor is None else ref(actor)
    about = {
        "grant": grant.pk,
        "entitlement": grant.terms["entitlement"]["name"],
        "state": grant.state,
    }
    written = record(
        WRITTEN[kind],
        organisation_id=grant.organisation_id,
        actor=named,
        subject=workloads.subject_of(grant),
        session_id=session_id,
        device_id=grant.device_id,
        now=now,
        **about,
        **facts,
    )
    kept = {name: value for name, value in written.facts.items() if name not in about}
    event = GrantEvent.objects.create(
        organisation_id=grant.organisation_id,
        grant=grant,
        at=now,
        kind=kind,
        actor=named,
        facts=kept,
    )
    notes.of_grant(grant, kind, actor=named, facts=written.facts, now=now)
    transaction.on_commit(
        lambda: grant_changed.send(Grant, grant=grant, kind=kind, now=now), robust=True
    )
    return event


def settle(grant: Grant, *, now: datetime) -> bool:
    """Write down what time has done to a locked grant; returns whether it is over by that."""
    if grant.state == State.APPROVAL_AWAITED and now >= grant.pending_until:
        _end(grant, State.EXPIRED, EventKind.EXPIRED, "not answered in time", now)
    elif grant.state == State.SCHEDULED and grant.activate_by and now >= grant.activate_by:
        _end(grant, State.EXPIRED, EventKind.EXPIRED, "not begun in time", now)
    elif grant.ends_at is not None and now >= grant.ends_at and grant.ended_at is None:
        _end(grant, State.ENDED, EventKind.ENDED, "time", now)
    else:
        return False
    return True


def _end(grant: Grant, state: State, kind: EventKind, cause: str, now: datetime) -> None:
    move(grant, state, now=now, end_cause=cause)
    tell(grant, kind, now=now, cause=cause)
