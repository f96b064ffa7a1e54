"""Signs bundles as OPA expects it, and verifies what it signed.

The signature is a JWT over the digest of each file (`.signatures.json` of an OPA bundle), ES256 by
a key of the installation. The key is sealed, and its public half is taken from the sealed one: who
can write to the database alone can neither sign nor put another key there.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import IntegrityError, transaction
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from audit.events import Event
from audit.recorder import record
from core import strict_json
from core.ids import new_token
from policy.bundle import Bundle, of_modules
from policy.models import PolicyKey, PolicyVersion
from protection.keyring import KeyUnavailable

ALGORITHM = "ES256"
ROOTS = ["sallyport"]


def manifest(bundle: Bundle) -> bytes:
    """The bundle's `.manifest`, with sorted names and no spaces: the form that OPA digests."""
    return json.dumps(
        {"revision": bundle.revision, "roots": ROOTS}, sort_keys=True, separators=(",", ":")
    ).encode()


def files_of(bundle: Bundle) -> dict[str, bytes]:
    """Everything that is signed, by name."""
    return {".manifest": manifest(bundle)} | {name: text.encode() for name, text in bundle.modules}


def digest_of_version(version: PolicyVersion) -> str:
    """SHA-256 over the digests of all that is signed of a version, as hexadecimal digits."""
    digests = _digests(of_modules(version.modules))
    text = json.dumps(digests, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sign(bundle: Bundle, *, now: datetime) -> str:
    """The signature of this bundle; raises KeyUnavailable."""
    row = _active_key(now)
    claims = {"files": _digests(bundle), "iat": int(now.timestamp()), "iss": "sallyport"}
    return jwt.encode({"alg": ALGORITHM, "kid": row.kid}, claims, _private(row))


def verify(bundle: Bundle, signature: str) -> None:
    """Raise ValueError unless this installation has signed exactly these files."""
    try:
        kid = jws.extract_compact(signature.encode()).headers().get("kid", "")
        row = PolicyKey.objects.filter(kid=kid).first()
        if row is None:
            raise ValueError("no key of this installation has signed it")
        token = jws.deserialize_compact(signature, _public(row), algorithms=[ALGORITHM])
        claims = strict_json.parse_object(token.payload)
    except (JoseError, KeyUnavailable, UnicodeError) as failure:
        raise ValueError(f"its signature is none: {type(failure).__name__}") from failure
    if claims.get("files") != _digests(bundle):
        raise ValueError("its signature is of other files")


def public_key(*, now: datetime) -> str:
    """The public half of the key that signs now, as PEM, for OPA servers to verify by."""
    return _public(_active_key(now)).as_pem(private=False).decode()


def active_kid(*, now: datetime) -> str:
    return _active_key(now).kid


def _digests(bundle: Bundle) -> list[dict[str, Any]]:
    return [
        {"name": name, "hash": hashlib.sha256(text).hexdigest(), "algorithm": "SHA-256"}
        for name, text in files_of(bundle).items()
    ]


def _active_key(now: datetime) -> PolicyKey:
    row = PolicyKey.objects.filter(is_active=True).first()
    if row is not None:
        return row
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        with transaction.atomic():
            row = PolicyKey.objects.create(kid=new_token(12), private=private, created_at=now)
            record(
                Event.POLICY_KEY_CREATED, organisation_id=None, subject=row, now=now, kid=row.kid
            )
            return row
    except IntegrityError:  # another process was first
        return PolicyKey.objects.get(is_active=True)


def _private(row: PolicyKey) -> ECKey:
    private = serialization.load_der_private_key(row.private, password=None)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return ECKey.import_key(pem, {"kid": row.kid, "use": "sig", "alg": ALGORITHM})


def _public(row: PolicyKey) -> ECKey:
    return ECKey.import_key(_private(row).as_pem(private=False))
