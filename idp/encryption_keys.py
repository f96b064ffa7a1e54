"""The keys that others encrypt to, for us alone to open: published → replaced → retired.

Only the newest of an algorithm is published, so that nobody encrypts to one that is about to go.
Others cache the JWKS, so the one before still opens for the overlap (OpenID Connect Core 1.0
§10.2.1); then its private half is deleted. Private keys are sealed at rest and never cached.
"""

from datetime import datetime
from typing import Any, cast

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings
from django.db.models import Q
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from audit.events import Event
from audit.recorder import record
from core.ids import new_token
from idp.models import EncryptionKey

# RFC 7518 §4.3, §4.6. Neither RSA1_5, which is an oracle, nor passwords or shared secrets.
ALGORITHMS = ("ECDH-ES+A256KW", "RSA-OAEP-256")
MAX_TRIED = 3
PKCS8 = (
    serialization.Encoding.DER,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
)

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def public_jwks() -> list[dict[str, Any]]:
    """What the JWKS says of them: the newest of each algorithm."""
    rows = EncryptionKey.objects.filter(replaced_at=None).order_by("alg")
    return list(rows.values_list("public_jwk", flat=True))


def opening(*, alg: str, kid: str | None, now: datetime) -> list[ECKey | RSAKey]:
    """The private keys that may open what was encrypted by this algorithm, the newest first.

    kid: as the header says; without one, all that are good are tried.
    """
    named = Q() if kid is None else Q(kid=kid)
    rows = EncryptionKey.objects.filter(named, _is_good(now), alg=alg, retired_at=None)
    return [_private(row) for row in rows.order_by("-created_at")[:MAX_TRIED]]


def rotate(*, now: datetime) -> list[str]:
    """Make, replace and retire keys as their age demands; returns the kids that changed.

    For the transaction and under the lock of `idp.keys`.
    """
    changed = []
    for alg in ALGORITHMS:
        newest = EncryptionKey.objects.filter(alg=alg, replaced_at=None).first()
        if newest is None or now - newest.created_at >= settings.SIGNING_KEY_LIFETIME:
            changed += _replace(alg, newest, now)
    for old in EncryptionKey.objects.filter(~_is_good(now), retired_at=None):
        changed.append(_retire(old, now))
    return changed


def replace_all(*, now: datetime) -> list[str]:
    """Replace every key, and delete the former ones at once, for example after they have leaked.

    For the transaction and under the lock of `idp.keys`.
    """
    changed = []
    for newest in EncryptionKey.objects.filter(replaced_at=None):
        changed += _replace(newest.alg, newest, now)
    for old in EncryptionKey.objects.filter(replaced_at__isnull=False, retired_at=None):
        changed.append(_retire(old, now))
    return changed


def _is_good(now: datetime) -> Q:
    return Q(replaced_at=None) | Q(replaced_at__gt=now - settings.SIGNING_KEY_OVERLAP)


def _replace(alg: str, newest: EncryptionKey | None, now: datetime) -> list[str]:
    changed = []
    if newest is not None:
        newest.replaced_at = now
        newest.save(update_fields=["replaced_at"])
        changed.append(newest.kid)
    return [*changed, _make(alg, now).kid]


def _retire(old: EncryptionKey, now: datetime) -> str:
    old.retired_at, old.private = now, b""
    old.save(update_fields=["retired_at", "private"])
    _record(Event.ENCRYPTION_KEY_RETIRED, old, now)
    return old.kid


def _make(alg: str, now: datetime) -> EncryptionKey:
    kid = new_token(12)
    parameters: KeyParameters = {"kid": kid, "use": "enc", "alg": alg}
    private: PrivateKey
    public: ECKey | RSAKey
    if alg == "RSA-OAEP-256":
        private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        public = RSAKey.import_key(private.public_key(), parameters)
    else:
        private = ec.generate_private_key(ec.SECP256R1())
        public = ECKey.import_key(private.public_key(), parameters)
    key = EncryptionKey.objects.create(
        kid=kid,
        alg=alg,
        private=private.private_bytes(*PKCS8),
        public_jwk=public.as_dict(private=False),
        created_at=now,
    )
    _record(Event.ENCRYPTION_KEY_CREATED, key, now)
    return key


def _private(row: EncryptionKey) -> ECKey | RSAKey:
    private = cast(
        "PrivateKey",
        serialization.load_der_private_key(
            row.private, password=None, unsafe_skip_rsa_key_validation=True
        ),
    )
    if isinstance(private, rsa.RSAPrivateKey):
        return RSAKey.import_key(private)
    return ECKey.import_key(private)


def _record(event: Event, key: EncryptionKey, now: datetime) -> None:
    record(event, organisation_id=None, subject=key, now=now, kid=key.kid, alg=key.alg)
