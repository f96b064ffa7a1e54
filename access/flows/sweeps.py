"""What time does, written down and told.

Nothing rests on it; rows that another worker holds are skipped, so that all of it may run doubled.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import F, OuterRef, Q, Subquery

from access import notices
from access.approvers import has_escalated, stages_of
from access.flows.answers import deny_unanswered, stage_at
from access.flows.standing import judge_standing
from access.flows.timeline import lock, settle, tell
from access.models import LIVE, EventKind, Grant, Stage, State

BATCH = 100
ENDING_SOON = timedelta(minutes=10)
Due = Callable[[datetime], "models.QuerySet[Grant]"]


def expire_due(*, now: datetime) -> int:
    """Write down which requests and grants time has ended; returns how many."""
    return _each(_overdue, lambda grant, at: settle(grant, now=at), now)


def deny_due(*, now: datetime) -> int:
    """Deny what nobody answered within the time of its stage; returns how many."""

    def deny(grant: Grant, at: datetime) -> bool:
        stage = stage_at(stages_of(grant.entitlement), grant.stage)
        limit = stage and stage.auto_deny_after
        if grant.state != State.APPROVAL_AWAITED or not limit or at < grant.stage_since + limit:
            return False
        deny_unanswered(grant, now=at)
        return True

    return _each(lambda at: _staged("auto_deny_after", at), deny, now)


def escalate_due(*, now: datetime) -> int:
    """Tell whom a stage escalates to, once; returns how many stages did.

    They may answer from that instant on, whether or not this has run.
    """

    def escalate(grant: Grant, at: datetime) -> bool:
        stage = stage_at(stages_of(grant.entitlement), grant.stage)
        if grant.state != State.APPROVAL_AWAITED or grant.escalated_stage == grant.stage:
            return False
        if stage is None or not has_escalated(stage, grant.stage_since, at):
            return False
        grant.escalated_stage = grant.stage
        grant.save(update_fields=["escalated_stage"])
        tell(grant, EventKind.ESCALATED, now=at, stage=grant.stage)
        notices.ask_approvers(grant, stage, is_escalated=True, now=at)
        return True

    def due(at: datetime) -> "models.QuerySet[Grant]":
        told = Q(escalated_stage=F("stage"))
        return _staged("escalate_after", at).filter(Q(escalated_stage=None) | ~told)

    return _each(due, escalate, now)


def activate_due(*, now: datetime) -> int:
    """Tell whose start is reached that they may begin, once; returns how many.

    Nothing begins by itself: a grant counts where its owner is, and from when they are there.
    """

    def remind(grant: Grant, at: datetime) -> bool:
        if grant.state != State.SCHEDULED or grant.start_told_at is not None:
            return False
        grant.start_told_at = at
        grant.save(update_fields=["start_told_at"])
        notices.tell_requester(grant, "ready", now=at)
        return True

    def due(at: datetime) -> "models.QuerySet[Grant]":
        return Grant.unscoped.filter(
            state=State.SCHEDULED,
            start_told_at=None,
            starts_at__lte=at,
            starts_at__gt=F("requested_at"),
            activate_by__gt=at,
        )

    return _each(due, remind, now)


def remind_due(*, now: datetime) -> int:
    """Tell whose access ends soon, once, where it lasts long enough for that to be news."""

    def remind(grant: Grant, at: datetime) -> bool:
        if grant.state not in LIVE or grant.end_told_at is not None:
            return False
        grant.end_told_at = at
        grant.save(update_fields=["end_told_at"])
        notices.tell_requester(grant, "ending", now=at)
        return True

    def due(at: datetime) -> "models.QuerySet[Grant]":
        return Grant.unscoped.live(at).filter(
            end_told_at=None, ends_at__lte=at + ENDING_SOON, duration__gt=2 * ENDING_SOON
        )

    return _each(due, remind, now)


def judge_due(*, now: datetime) -> int:
    """Judge every live grant again, so that what no signal told of is written down, too."""
    live = Grant.unscoped.live(now).order_by("pk").values_list("pk", flat=True)
    return sum(judge_standing(Grant.unscoped.filter(pk=pk), now=now) for pk in list(live))


def _overdue(at: datetime) -> "models.QuerySet[Grant]":
    return Grant.unscoped.filter(
        Q(state=State.APPROVAL_AWAITED, pending_until__lte=at)
        | Q(state=State.SCHEDULED, activate_by__lte=at)
        | Q(state__in=LIVE, ends_at__lte=at)
    )


def _staged(limit: str, at: datetime) -> "models.QuerySet[Grant]":
    """Requests whose stage has lasted longer than its `limit`."""
    stage = Stage.unscoped.filter(entitlement=OuterRef("entitlement"), position=OuterRef("stage"))
    waits = Grant.unscoped.filter(state=State.APPROVAL_AWAITED)
    return waits.annotate(limit=Subquery(stage.values(limit)[:1])).filter(
        stage_since__lte=at - F("limit")
    )


def _each(due: Due, act: Callable[[Grant, datetime], bool], now: datetime) -> int:
    """Act on each that is due, a few at a time, each once; returns how many were acted on."""
    done = 0
    after = None
    while True:
        with transaction.atomic():
            rows = due(now).select_related(None).order_by("pk")
            if after is not None:
                rows = rows.filter(pk__gt=after)
            held = list(rows.select_for_update(skip_locked=True, of=("self",))[:BATCH])
            for grant in held:
                locked = lock(grant, now)
                done += act(locked.grant, locked.now)
        if len(held) < BATCH:
            return done
        after = held[-1].pk
