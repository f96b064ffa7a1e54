"""The key-encryption keys, and data keys unwrapped by them.

Unwrapped data keys are cached for at most a minute, so that a key that is taken away bites soon.
"""

import os
import threading
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from core import clock
from protection.models import DataKey
from protection.signals import key_changed

if TYPE_CHECKING:
    from collections.abc import Callable

NONCE_SIZE_BYTES = 12
KEY_SIZE_BITS = 256
CACHE_LIFETIME = timedelta(seconds=60)


class KeyUnavailable(Exception):  # noqa: N818 - names a state
    """A key is missing, unknown or does not fit: nothing can be sealed or unsealed with it."""


class _Cache(threading.local):
    """unsure: keys made in a transaction that is not committed, each with what its commit runs."""

    def __init__(self) -> None:
        self.unsure: dict[UUID, Callable[[], Any]] = {}
        self.by_id: dict[UUID, tuple[datetime, AESGCM]] = {}
        self.active: dict[UUID | None, tuple[datetime, UUID]] = {}


_cache = _Cache()


def forget() -> None:
    """Drop unwrapped keys of this thread."""
    _cache.by_id.clear()
    _cache.active.clear()


def active_key(organisation_id: UUID | None) -> tuple[UUID, AESGCM]:
    """The data key that seals for this organisation, made on first use."""
    now = clock.now()
    known = _cache.active.get(organisation_id)
    if known is not None and now - known[0] < CACHE_LIFETIME and _may_be_there(known[1]):
        return known[1], _by_id(known[1], now)
    data_key = DataKey.objects.filter(organisation_id=organisation_id, is_active=True).first()
    if data_key is None:
        data_key = _make_first_key(organisation_id, now)
    _cache.active[organisation_id] = (now, data_key.id)
    return data_key.id, _by_id(data_key.id, now)


def key_by_id(key_id: UUID) -> AESGCM:
    """The data key of this id; raises KeyUnavailable."""
    return _by_id(key_id, clock.now())


def _by_id(key_id: UUID, now: datetime) -> AESGCM:
    known = _cache.by_id.get(key_id)
    if known is not None and now - known[0] < CACHE_LIFETIME and _may_be_there(key_id):
        return known[1]
    data_key = DataKey.objects.filter(id=key_id).first()
    if data_key is None:
        raise KeyUnavailable(f"data key {key_id} does not exist")
    key = AESGCM(unwrap(data_key))
    _cache.by_id[key_id] = (now, key)
    return key


def _may_be_there(key_id: UUID) -> bool:
    """Whether a key that is remembered was committed, or its transaction goes on.

    Were it rolled back, what is sealed by the memory of it could never be opened again.
    """
    settle = _cache.unsure.get(key_id)
    return settle is None or any(each[1] is settle for each in connection.run_on_commit)


def new_data_key(organisation_id: UUID | None, version: int, now: datetime) -> DataKey:
    """A fresh data key, wrapped by the active key-encryption key; not saved."""
    data_key = DataKey(organisation_id=organisation_id, version=version, created_at=now)
    wrap(data_key, AESGCM.generate_key(KEY_SIZE_BITS))
    _cache.unsure[data_key.id] = settle = partial(_cache.unsure.pop, data_key.id, None)
    transaction.on_commit(settle)
    return data_key


def wrap(data_key: DataKey, key: bytes) -> None:
    """Put `key` into the row, wrapped by the active key-encryption key."""
    kek_id, kek = next(iter(_key_encryption_keys().items()))
    nonce = os.urandom(NONCE_SIZE_BYTES)
    data_key.kek_id = kek_id
    data_key.wrapped = nonce + AESGCM(kek).encrypt(nonce, key, _wrapping_context(data_key, kek_id))


def unwrap(data_key: DataKey) -> bytes:
    """The key inside the row; raises KeyUnavailable."""
    kek = _key_encryption_keys().get(data_key.kek_id)
    if kek is None:
        raise KeyUnavailable(f"key-encryption key {data_key.kek_id} is not configured")
    wrapped = bytes(data_key.wrapped)
    try:
        return AESGCM(kek).decrypt(
            wrapped[:NONCE_SIZE_BYTES],
            wrapped[NONCE_SIZE_BYTES:],
            _wrapping_context(data_key, data_key.kek_id),
        )
    except InvalidTag as error:
        raise KeyUnavailable(f"key-encryption key {data_key.kek_id} does not fit") from error


def active_kek_id() -> str:
    return next(iter(_key_encryption_keys()))


def _key_encryption_keys() -> dict[str, bytes]:
    keys: dict[str, bytes] = settings.KEY_ENCRYPTION_KEYS
    if not keys:
        raise KeyUnavailable("no key-encryption key is configured")
    return keys


def _wrapping_context(data_key: DataKey, kek_id: str) -> bytes:
    return f"sallyport-data-key|{data_key.organisation_id}|{data_key.id}|{kek_id}".encode()


def _make_first_key(organisation_id: UUID | None, now: datetime) -> DataKey:
    try:
        with transaction.atomic():
            data_key = new_data_key(organisation_id, 1, now)
            data_key.save(force_insert=True)
            key_changed.send(DataKey, change="created", data_key=data_key, now=now)
            return data_key
    except IntegrityError:  # another process was first
        return DataKey.objects.get(organisation_id=organisation_id, is_active=True)
