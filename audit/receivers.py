"""What audit hears from below: keys, since protection cannot import audit."""

from datetime import datetime
from typing import Any

from django.dispatch import receiver

from audit.events import Event
from audit.recorder import record
from protection.models import DataKey
from protection.signals import key_changed


@receiver(key_changed)
def record_key_change(
    sender: type[DataKey],  # noqa: ARG001
    *,
    change: str,
    data_key: DataKey,
    now: datetime,
    **_: Any,
) -> None:
    record(
        Event.DATA_KEY_CHANGED,
        organisation_id=data_key.organisation_id,
        subject=data_key,
        now=now,
        change=change,
        kek_id=data_key.kek_id,
        version=data_key.version,
    )
