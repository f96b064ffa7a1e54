from celery import shared_task

from core import clock
from devices import flows


@shared_task
def note_faded() -> int:
    return flows.note_faded(now=clock.now())


@shared_task
def count_tiers() -> None:
    flows.count_tiers(now=clock.now())


@shared_task
def purge() -> int:
    now = clock.now()
    return flows.purge_enrolments(now=now) + flows.purge_reports(now=now)
