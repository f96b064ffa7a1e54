from celery import shared_task

from core import clock
from mfa import flows


@shared_task
def purge() -> int:
    """Delete challenges of ceremonies that are long over."""
    return flows.purge(now=clock.now())
