"""The keys that sign tokens: next → active → retiring → retired. The JWKS: all that is published.

A key is published as "next" before it is used, so that clients which cache the JWKS know it in
time; it stays published as "retiring" until all that it signed has expired. Private keys are sealed
at rest and parsed once per process; what is cached lives five seconds.
"""

import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, transaction
from joserfc.jwk import ECKey, Key, KeyParameters, OKPKey, RSAKey

from audit.events import Event
from audit.recorder import record
from core import clock
from core.ids import new_token
from idp import encryption_keys
from idp.algorithms import ED25519
from idp.models import SigningKey
from protection.keyring import KeyUnavailable

ALGORITHMS = ("ES256", "RS256", "PS256")
# Made when a client signs by them for the first time: libraries that do not know such keys may
# stumble over the whole JWKS.
ON_DEMAND = ED25519
CACHE_LIFETIME_SECONDS = 5.0
ROTATION_LOCK = 0x5A11_0001
State = SigningKey.State
PUBLISHED = (State.NEXT, State.ACTIVE, State.RETIRING)


@dataclass(frozen=True)
class LoadedKey:
    """key: as joserfc has it; private: as `cryptography` signs by it, taken out once."""

    kid: str
    alg: str
    key: Key
    private: Any


@dataclass(frozen=True)
class Ring:
    """active: by algorithm. published: by kid. jwks: the body of the JWKS endpoint.

    is_whole: the JWKS holds a key to encrypt to for every algorithm.
    """

    active: dict[str, LoadedKey]
    published: dict[str, LoadedKey]
    jwks: bytes
    is_whole: bool
    loaded_at: float


class _Cache:
    ring: Ring | None = None
    parsed: dict[str, Key] = {}
    lock = threading.Lock()


def signing_key(alg: str) -> LoadedKey:
    """The key that signs with this algorithm now."""
    return _ring(alg).active[alg]


def verification_key(kid: str) -> LoadedKey | None:
    """A published key by its id."""
    return _ring().published.get(kid)


def jwks() -> bytes:
    """The JWKS document (RFC 7517 §5); the last one known while the database is away.

    What is published are public keys: others go on verifying what has not expired.
    """
    try:
        ring = _ring()
        if not ring.is_whole:
            with transaction.atomic():
                _lock()
                encryption_keys.rotate(now=clock.now())
            _Cache.ring = None
            ring = _ring()
        return ring.jwks
    except (DatabaseError, KeyUnavailable):
        if not connection.in_atomic_block:
            connection.close()  # so that the next one finds a server that has come back
        if _Cache.ring is None:
            raise
        return _Cache.ring.jwks


def forget() -> None:
    """Drop what this process has cached."""
    _Cache.ring = None
    _Cache.parsed = {}


def rotate(*, now: datetime) -> list[str]:
    """Bring every key to the state that its age demands; returns the kids that changed.

    Missing keys are made, except for algorithms that nobody uses. When the active key is older than
    its lifetime and the next one has been published for the overlap, they change roles; a retiring
    key goes when nothing that it signed can be alive. One process at a time.
    """
    with transaction.atomic():
        _lock()
        used = SigningKey.objects.filter(alg__in=ON_DEMAND, state__in=PUBLISHED)
        more = sorted(set(used.values_list("alg", flat=True)))
        changed = [kid for alg in (*ALGORITHMS, *more) for kid in _rotate(alg, now)]
        changed += encryption_keys.rotate(now=now)
    forget()
    return changed


def rotate_now(*, alg: str, now: datetime) -> list[str]:
    """Change the active key of this algorithm at once, for example after it may have leaked."""
    with transaction.atomic():
        _lock()
        _rotate(alg, now)
        changed = _promote(alg, now)
    forget()
    return changed


def replace_encryption_keys(*, now: datetime) -> list[str]:
    """Change every key that others encrypt to at once; the former ones open nothing any more."""
    with transaction.atomic():
        _lock()
        changed = encryption_keys.replace_all(now=now)
    forget()
    return changed


def _ring(alg: str = "ES256") -> Ring:
    """What is published, with an active key of `alg`: made here if no task has done so yet."""
    ring = _Cache.ring
    if ring is not None and _is_fresh(ring) and alg in ring.active:
        return ring
    with _Cache.lock:  # one thread loads, the others of this process wait for it
        ring = _Cache.ring
        if ring is None or not _is_fresh(ring) or alg not in ring.active:
            ring = _load(_published())
            if alg not in ring.active:
                with transaction.atomic():
                    _lock()
                    _rotate(alg, clock.now())
                ring = _load(_published())
                if connection.in_atomic_block:  # not committed yet: nothing to remember
                    return ring
            _Cache.ring = ring
        return ring


def _is_fresh(ring: Ring) -> bool:
    return time.monotonic() - ring.loaded_at < CACHE_LIFETIME_SECONDS


def _published() -> list[SigningKey]:
    return list(SigningKey.objects.filter(state__in=PUBLISHED).order_by("created_at"))


def _load(rows: list[SigningKey]) -> Ring:
    parsed = {row.kid: _Cache.parsed.get(row.kid) or _parse(row) for row in rows}
    _Cache.parsed = parsed
    loaded = {
        row.kid: LoadedKey(row.kid, row.alg, parsed[row.kid], parsed[row.kid].private_key)
        for row in rows
    }
    to_us = encryption_keys.public_jwks()
    jwks = {"keys": [*(row.public_jwk for row in rows), *to_us]}
    return Ring(
        active={row.alg: loaded[row.kid] for row in rows if row.state == State.ACTIVE},
        published=loaded,
        jwks=json.dumps(jwks, separators=(",", ":")).encode(),
        is_whole=len(to_us) == len(encryption_keys.ALGORITHMS),
        loaded_at=time.monotonic(),
    )


def _parse(row: SigningKey) -> Key:
    private = serialization.load_der_private_key(
        row.private, password=None, unsafe_skip_rsa_key_validation=True
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    parameters: KeyParameters = {"kid": row.kid, "use": "sig", "alg": row.alg}
    return _class_of(row.alg).import_key(pem, parameters)


def _class_of(alg: str) -> type[ECKey] | type[OKPKey] | type[RSAKey]:
    if alg in ED25519:
        return OKPKey
    return ECKey if alg == "ES256" else RSAKey


def _rotate(alg: str, now: datetime) -> list[str]:
    lifetime: timedelta = settings.SIGNING_KEY_LIFETIME
    overlap: timedelta = settings.SIGNING_KEY_OVERLAP
    changed = []
    active = SigningKey.objects.filter(alg=alg, state=State.ACTIVE).first()
    coming = SigningKey.objects.filter(alg=alg, state=State.NEXT).first()
    if coming is None:
        coming = _make(alg, now)
        changed.append(coming.kid)
    is_due = active is None or (
        active.activated_at is not None
        and now - active.activated_at >= lifetime
        and now - coming.created_at >= overlap
    )
    if is_due:
        changed += _promote(alg, now)
    longest: timedelta = max(settings.ACCESS_TOKEN_LIFETIME, settings.ID_TOKEN_LIFETIME)
    for old in SigningKey.objects.filter(
        alg=alg, state=State.RETIRING, retiring_at__lte=now - longest - overlap
    ):
        old.state, old.retired_at, old.private = State.RETIRED, now, b""
        old.save(update_fields=["state", "retired_at", "private"])
        _record(Event.SIGNING_KEY_RETIRED, old, now)
        changed.append(old.kid)
    return changed


def _promote(alg: str, now: datetime) -> list[str]:
    """The next key becomes active, the active one retires, a new next one is made."""
    changed = []
    active = SigningKey.objects.filter(alg=alg, state=State.ACTIVE).first()
    if active is not None:
        active.state, active.retiring_at = State.RETIRING, now
        active.save(update_fields=["state", "retiring_at"])
        changed.append(active.kid)
    coming = SigningKey.objects.get(alg=alg, state=State.NEXT)
    coming.state, coming.activated_at = State.ACTIVE, now
    coming.save(update_fields=["state", "activated_at"])
    _record(Event.SIGNING_KEY_ACTIVATED, coming, now)
    return [*changed, coming.kid, _make(alg, now).kid]


def _make(alg: str, now: datetime) -> SigningKey:
    private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if alg in ED25519:
        private = ed25519.Ed25519PrivateKey.generate()
    elif alg == "ES256":
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    kid = new_token(12)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parameters: KeyParameters = {"kid": kid, "use": "sig", "alg": alg}
    public = _class_of(alg).import_key(pem, parameters)
    key = SigningKey.objects.create(
        kid=kid,
        alg=alg,
        state=State.NEXT,
        private=private.private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        public_jwk=public.as_dict(private=False),
        created_at=now,
    )
    _record(Event.SIGNING_KEY_CREATED, key, now)
    return key


def _record(event: Event, key: SigningKey, now: datetime) -> None:
    record(event, organisation_id=None, subject=key, now=now, kid=key.kid, alg=key.alg)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ROTATION_LOCK])
