"""The sweep: live sessions are judged again, and what is over is written down as ended.

Nothing rests on it: every use compares for itself.
"""

from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.db import transaction

from core import clock
from policy.facts import Trigger
from sessions import concerned, flows
from sessions.evaluation import evaluate
from sessions.models import LoginSession

BATCH = 200
KEPT_FOR = timedelta(days=30)
SWEEP_INTERVAL = timedelta(minutes=5)


@shared_task
def sweep_sessions() -> int:
    """Judge sessions not judged lately, oldest verdict first; returns how many.

    Rows another worker holds are skipped, so two beats are harmless.
    """
    swept = 0
    while True:
        now = clock.now()
        with transaction.atomic():
            due = list(
                LoginSession.unscoped.filter(ended_at=None, evaluated_at__lt=now - SWEEP_INTERVAL)
                .order_by("evaluated_at")
                .select_for_update(skip_locked=True)
                .values_list("id", flat=True)[:BATCH]
            )
            for session_id in due:
                evaluate(session_id=session_id, trigger=Trigger.SWEEP, now=now)
        swept += len(due)
        if len(due) < BATCH:
            return swept


@shared_task
def judge_many(
    *, kind: str, target: str, organisation: str, trigger: str, cause: str, after: str = ""
) -> int:
    """Judge at once what a change of a role, a group or a lock is about; returns how many."""
    return concerned.judge_many(
        kind,
        target,
        organisation_id=UUID(organisation),
        trigger=Trigger(trigger),
        cause=UUID(cause),
        after=after,
    )


@shared_task
def purge() -> int:
    """Delete sessions that have been over for a month."""
    return flows.purge(before=clock.now() - KEPT_FOR)
