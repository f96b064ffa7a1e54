"""Rotation: a new data key for an organisation, and re-wrapping under a new key-encryption key."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from protection import keyring
from protection.models import DataKey
from protection.signals import key_changed


@transaction.atomic
def rotate_data_key(*, organisation_id: UUID | None, now: datetime) -> DataKey:
    """Make a new active data key; what older keys sealed still unseals."""
    keys = DataKey.objects.filter(organisation_id=organisation_id)
    list(keys.order_by("id").select_for_update())  # whoever rotates beside us has made one more
    current = keys.filter(is_active=True).first()
    if current is not None:
        current.is_active = False
        current.retired_at = now
        current.save(update_fields=["is_active", "retired_at"])
    data_key = keyring.new_data_key(organisation_id, current.version + 1 if current else 1, now)
    data_key.save(force_insert=True)
    key_changed.send(DataKey, change="rotated", data_key=data_key, now=now)
    transaction.on_commit(keyring.forget)
    return data_key


def rewrap_data_keys(*, now: datetime) -> int:
    """Wrap every data key by the active key-encryption key; returns how many changed.

    To rotate the key-encryption key: put the new one first in SALLYPORT_KEY_ENCRYPTION_KEYS, run
    this, then drop the old one. Sealed values stay as they are. Each key is a transaction of its
    own, so the run may be interrupted and repeated.
    """
    changed = 0
    stale = DataKey.objects.exclude(kek_id=keyring.active_kek_id())
    for key_id in stale.values_list("id", flat=True):
        with transaction.atomic():
            data_key = DataKey.objects.select_for_update().get(id=key_id)
            if data_key.kek_id == keyring.active_kek_id():
                continue
            keyring.wrap(data_key, keyring.unwrap(data_key))
            data_key.save(update_fields=["kek_id", "wrapped"])
            key_changed.send(DataKey, change="rewrapped", data_key=data_key, now=now)
            changed += 1
    return changed
