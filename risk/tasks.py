"""Watching what follows a sign-in, and forgetting. No right lives longer for want of either."""

from celery import shared_task

from core import clock
from risk import flows


@shared_task
def watch_actions() -> int:
    """Judge what was done after the sign-ins of the last half hour."""
    return flows.watch_actions(now=clock.now())


@shared_task
def purge() -> None:
    """Delete what is no longer needed."""
    flows.forget_old(now=clock.now())
