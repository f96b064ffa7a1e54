"""The public keys of clients: by value (`jwks`) or by reference (`jwks_uri`). RFC 7591 §2.

Keys by reference are kept for ten minutes. A signature that no kept key fits makes us ask again
(the client may have rotated), but one client is asked at most every few seconds, by one thread of a
process at a time, and less and less often while it gives no usable answer.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from core import clock, outbound, strict_json
from core.errors import Refusal
from core.outbound import OutboundError
from idp import algorithms
from idp.registration.metadata import ClientMetadata

ACCEPT = "application/jwk-set+json, application/json"
MAX_KEYS = 20
MAX_KID_LENGTH = 256
MAX_TRIED = 8
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096
MAX_RSA_EXPONENT_BITS, MAX_EXPONENT_LENGTH = 32, 16
CURVES = ("P-256", "P-384", "P-521")
OKP_CURVES = ("Ed25519", "X25519", "Ed448", "X448")
PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

FETCH_TIMEOUT_SECONDS = 3.0
FRESH_SECONDS = 600
STALE_SECONDS = 3600  # kept that long while the client's server does not answer
REFETCH_SECONDS = 5
MAX_BACKOFF_SECONDS = 60
MAX_CACHED = 10_000


@dataclass(frozen=True)
class ClientKey:
    """One usable public key. alg, use: empty when the key does not say."""

    key: ECKey | OKPKey | RSAKey
    kid: str
    alg: str
    use: str
    operations: tuple[str, ...]

    def verifies(self, alg: str) -> bool:
        """Whether signatures by this algorithm may be this key's."""
        return (
            algorithms.fits(self.key, alg)
            and self.alg in {"", alg}
            and self.use in {"", "sig"}
            and (not self.operations or "verify" in self.operations)
        )

    @cached_property
    def public_info(self) -> bytes:
        """SubjectPublicKeyInfo, DER."""
        public = self.key.public_key
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def keys_of(owner: str, metadata: ClientMetadata) -> tuple[ClientKey, ...]:
    """The client's keys as far as they are known now; none if they cannot be had.

    owner: the client's client_id.
    """
    if metadata.jwks is not None:
        return _by_value(owner, metadata.jwks)
    return _by_reference(owner, metadata.jwks_uri).keys(is_retry=False)


def verified(
    text: str, *, alg: str, kid: str | None, owner: str, metadata: ClientMetadata
) -> Any | None:
    """The payload (JSON) of a compact JWS that one of the client's keys has signed, or None.

    alg: what its header says, and one of `algorithms.ALGORITHMS`: the caller has judged the header.
    Without a kid every key that fits the algorithm is tried.
    """
    known = keys_of(owner, metadata)
    payload = _try(text, _candidates(known, alg, kid), alg)
    if payload is None and metadata.jwks is None:
        renewed = _by_reference(owner, metadata.jwks_uri).keys(is_retry=True)
        if renewed is not known:
            payload = _try(text, _candidates(renewed, alg, kid), alg)
    return payload


def has_public_key(info: bytes | None, *, owner: str, metadata: ClientMetadata) -> bool:
    """Whether this SubjectPublicKeyInfo (DER) is one of the client's keys (RFC 8705 §2.2)."""
    known = keys_of(owner, metadata)
    if any(key.public_info == info for key in known):
        return True
    if metadata.jwks is not None:
        return False
    renewed = _by_reference(owner, metadata.jwks_uri).keys(is_retry=True)
    return renewed is not known and any(key.public_info == info for key in renewed)


def check_jwks(jwks: Mapping[str, Any]) -> None:
    """Refuses invalid_client_metadata for a key set that may not be registered."""
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys or len(keys) > MAX_KEYS:
        raise _refusal(f"jwks is a JWK Set of 1 to {MAX_KEYS} keys.")
    for jwk in keys:
        fault = _fault_of(jwk)
        if fault:
            raise _refusal(f"A key of jwks {fault}.")


def forget() -> None:
    """Drop everything that is cached."""
    _values.clear()
    _references.clear()


# --- reading keys ---------------------------------------------------------------------------------


def _fault_of(jwk: Any) -> str:
    """Why this is no public key for us; empty when it is."""
    if not isinstance(jwk, dict):
        return "is no JSON object"
    if jwk.get("kty") == "oct" or jwk.keys() & PRIVATE_MEMBERS:
        return "holds secret parts: only public keys are registered"
    texts = ("kty", "kid", "alg", "use")
    if not all(isinstance(jwk.get(name, ""), str) for name in texts):
        return "has a kty, kid, alg or use that is no text"
    if len(jwk.get("kid", "")) > MAX_KID_LENGTH:
        return "has a kid that is too long"
    if jwk.get("kty") == "OKP" and jwk.get("crv") != "Ed25519":  # known, and left unused
        return "" if jwk.get("crv") in OKP_CURVES else "is on a curve that we do not know"
    if jwk.get("kty") == "EC" and jwk.get("crv") not in CURVES:
        return "is on a curve that we do not know"
    if jwk.get("kty") not in {"EC", "OKP", "RSA"}:
        return "has a kty that we do not know"
    key = _import(jwk)
    if key is None:
        return "cannot be read"
    if isinstance(key.key, RSAKey):
        numbers = key.key.public_key.public_numbers()
        if not MIN_RSA_BITS <= numbers.n.bit_length() <= MAX_RSA_BITS:
            return f"is not of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
        if numbers.e.bit_length() > MAX_RSA_EXPONENT_BITS:
            return "has an exponent that is too large"
    return ""


def _import(jwk: dict[str, Any]) -> ClientKey | None:
    # Only what the key itself is made of: joserfc judges further members in its own way.
    material: dict[str, Any] = {
        name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk
    }
    operations = jwk.get("key_ops", [])
    if not all(isinstance(value, str) for value in material.values()):
        return None
    if not isinstance(operations, list) or not all(isinstance(op, str) for op in operations):
        return None
    if len(material.get("n", "")) > MAX_RSA_BITS // 4:
        return None
    if len(material.get("e", "")) > MAX_EXPONENT_LENGTH:
        return None
    try:
        key = JWKRegistry.import_key(material)
        key.public_key  # noqa: B018 - made when first read
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(key, ECKey | OKPKey | RSAKey):
        return None
    if isinstance(key, OKPKey) and key.curve_name != "Ed25519":
        return None
    return ClientKey(
        key=key,
        kid=jwk.get("kid", ""),
        alg=jwk.get("alg", ""),
        use=jwk.get("use", ""),
        operations=tuple(operations),
    )


def _read(jwks: Any) -> tuple[ClientKey, ...]:
    """The usable keys of a JWK Set; what is unknown is passed over (RFC 7517 §5)."""
    found = jwks.get("keys") if isinstance(jwks, dict) else None
    if not isinstance(found, list):
        return ()
    good = [jwk for jwk in found[: 2 * MAX_KEYS] if not _fault_of(jwk)]
    return tuple(key for key in map(_import, good) if key is not None)


def _candidates(keys: Iterable[ClientKey], alg: str, kid: str | None) -> list[ClientKey]:
    fitting = [key for key in keys if key.verifies(alg) and (kid is None or key.kid in {"", kid})]
    return fitting[:MAX_TRIED]


def _try(text: str, keys: Iterable[ClientKey], alg: str) -> Any | None:
    for candidate in keys:
        try:
            signed = jws.deserialize_compact(text, candidate.key, algorithms=[alg])
            return strict_json.parse_object(signed.payload)
        except (JoseError, ValueError, TypeError):
            continue
    return None


# --- keeping them ---------------------------------------------------------------------------------

_values: dict[str, tuple[dict[str, Any], tuple[ClientKey, ...]]] = {}
_references: dict[tuple[str, str], "_Reference"] = {}


def _by_value(owner: str, jwks: dict[str, Any]) -> tuple[ClientKey, ...]:
    known = _values.get(owner)
    if known is not None and (known[0] is jwks or known[0] == jwks):
        return known[1]
    if len(_values) >= MAX_CACHED:
        _values.clear()
    keys = _read(jwks)
    _values[owner] = (jwks, keys)
    return keys


def _by_reference(owner: str, uri: str) -> "_Reference":
    known = _references.get((owner, uri))
    if known is None:
        if len(_references) >= MAX_CACHED:
            _references.clear()
        known = _references.setdefault((owner, uri), _Reference(uri))
    return known


@dataclass
class _Reference:
    """What is known of one jwks_uri. Times are seconds of `core.clock`."""

    uri: str
    known: tuple[ClientKey, ...] = ()
    fetched_at: float = 0
    tried_at: float = 0
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keys(self, *, is_retry: bool) -> tuple[ClientKey, ...]:
        """is_retry: what is kept did not fit, so ask again if enough time has passed."""
        now = clock.now().timestamp()
        is_fresh = now - self.fetched_at < FRESH_SECONDS
        if not self.uri or (is_fresh and not is_retry) or not self._may_ask(now):
            return self._kept(now)
        # With keys in hand nobody waits for the one thread that asks.
        wait = 0 if self.known else FETCH_TIMEOUT_SECONDS
        if not self.lock.acquire(timeout=wait):
            return self._kept(now)
        try:
            if self._may_ask(clock.now().timestamp()):
                self._ask(now)
        finally:
            self.lock.release()
        return self._kept(now)

    def _may_ask(self, now: float) -> bool:
        pause: int = min(REFETCH_SECONDS * 2**self.failures, MAX_BACKOFF_SECONDS)
        return now - self.tried_at >= pause

    def _ask(self, now: float) -> None:
        try:
            response = outbound.fetch(self.uri, accept=ACCEPT, timeout=FETCH_TIMEOUT_SECONDS)
            keys = _read(json.loads(response.body)) if response.status == 200 else ()  # noqa: PLR2004
        except (OutboundError, ValueError, RecursionError):
            keys = ()
        self.tried_at = now  # only now, so that who comes meanwhile waits for the answer
        if keys:
            self.known, self.fetched_at, self.failures = keys, now, 0
        else:
            self.failures = min(self.failures + 1, 8)

    def _kept(self, now: float) -> tuple[ClientKey, ...]:
        return self.known if now - self.fetched_at < STALE_SECONDS else ()


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
