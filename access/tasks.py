"""What access records and announces in the background. No right depends on it."""

from celery import shared_task

from access import flows
from core import clock


@shared_task
def follow_time() -> int:
    """Write down what is over, deny and escalate what nobody answered, and remind people."""
    now = clock.now()
    return (
        flows.expire_due(now=now)
        + flows.deny_due(now=now)
        + flows.escalate_due(now=now)
        + flows.activate_due(now=now)
        + flows.remind_due(now=now)
    )


@shared_task
def run_reviews() -> int:
    """Begin, remind of and close access reviews."""
    return flows.open_due_reviews(now=clock.now())


@shared_task
def judge_grants() -> int:
    """Judge what is live again."""
    return flows.judge_due(now=clock.now())
