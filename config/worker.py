"""Celery's worker with beat as one of its threads, for a single machine.

Celery's own `-B` forks a second process of some 60 MB that outlives a killed worker; a thread costs
nothing and ends with it. Two beats are harmless, since every task is idempotent.
"""

import os
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.beat import EmbeddedService
from django.db.backends.signals import connection_created

from config.celery import app
from config.connections import set_up


class BeatThread(bootsteps.StartStopStep):
    """Runs the beat schedule for as long as the worker lives."""

    requires = ("celery.worker.components:Pool",)

    def create(self, worker: Any) -> Any:
        """Make the thread; its schedule is remembered in the data folder."""
        schedule = Path(os.environ.get("SALLYPORT_VAR_DIR", "var")) / "celerybeat-schedule"
        return EmbeddedService(worker.app, thread=True, schedule_filename=str(schedule))


connection_created.connect(set_up, dispatch_uid="config.connections")
app.steps["worker"].add(BeatThread)
