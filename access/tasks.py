"""What access records and announces in the background. No right depends on it."""

from celery import shared_task

from access import flows
from access.chat import delivery, notes
from core import clock, outbox


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


@shared_task
def tell_rooms() -> int:
    """Send chat rooms what is due; returns how many messages they took."""
    delivery.give_up_old(now=clock.now())
    return outbox.deliver(lambda now, without: delivery.deliver_next(now=now, without=without))


@shared_task
def tell_of_alerts() -> int:
    """Write down which rooms are to be told of new alerts, and forget what was told long ago."""
    now = clock.now()
    delivery.purge(now=now)
    return notes.of_alerts(now=now)
