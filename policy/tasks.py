"""What the decision log needs in the background: an end."""

from celery import shared_task
from django.conf import settings

from core import clock
from policy import decision_log


@shared_task
def purge_decisions() -> int:
    """Delete answers of policy that are older than they are kept."""
    return decision_log.purge(before=clock.now() - settings.DECISION_LOG_LIFETIME)
