"""Asking a worker to do now what it would do by itself a little later."""

import structlog
from celery import current_app

log = structlog.get_logger(__name__)


def hurry(task: str, **named: str) -> None:
    """Ask a worker for this task. If the broker is away, beat's next round does it.

    named: ids, never anything that a right rests on: whoever reaches the broker can write it.
    """
    try:
        current_app.send_task(task, kwargs=named, retry=False)
    except Exception as error:  # noqa: BLE001 - whatever the broker's client raises, nothing is lost
        log.warning("no worker was asked", task=task, error=type(error).__name__)
