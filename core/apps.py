from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from core import clock


class CoreConfig(AppConfig):
    name = "core"

    def ready(self) -> None:
        connection_created.connect(_take_over_clock, dispatch_uid="core.clock")


def _take_over_clock(sender: Any, *, connection: Any, **_: Any) -> None:  # noqa: ARG001
    """Every new connection tells this process how far it is off the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        clock.synchronise(cursor.fetchone()[0])
