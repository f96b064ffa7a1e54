"""The application token of Cloudflare Access, which proves that a call has passed it.

A JWT by RS256 in the header `Cf-Access-Jwt-Assertion`; its keys are at `/cdn-cgi/access/certs` of
the team's address and change every six weeks (developers.cloudflare.com/cloudflare-one/
access-controls/applications/http-apps/authorization-cookie/validating-json). They are kept for ten
minutes; a key that is not known makes us ask again, at most every ten seconds.
"""

import math
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from core import outbound, strict_json
from core.outbound import OutboundError

CERTS = "/cdn-cgi/access/certs"
ACCEPT = "application/json"
ALGORITHM = "RS256"
FRESH_SECONDS, REFETCH_SECONDS = 600, 10
MIN_RSA_BITS = 2048
MAX_ISSUERS = 1000
MAX_LEAD_SECONDS = 60
LIMIT_BYTES = 65_536


@dataclass
class _Kept:
    keys: dict[str, RSAKey] = field(default_factory=dict)
    asked_at: float = -math.inf


_kept: dict[str, _Kept] = {}
_lock = threading.Lock()


def is_good(token: str, *, issuer: str, audience: str, now: datetime) -> bool:
    """Whether this is a token of that team's Access for that application, and has not run out."""
    claims = _claims(token, issuer, now.timestamp())
    if claims is None or claims.get("iss") != issuer:
        return False
    audiences = claims.get("aud")
    named = audiences if isinstance(audiences, list) else [audiences]
    if audience not in named:
        return False
    at = now.timestamp()
    latest_start = at + MAX_LEAD_SECONDS
    return (
        _lies_in(claims.get("exp"), above=at)
        and _lies_in(claims.get("iat"), below=latest_start)
        and _lies_in(claims.get("nbf", at), below=latest_start)
    )


def forget() -> None:
    """Drop all keys that are kept."""
    with _lock:
        _kept.clear()


def _claims(token: str, issuer: str, at: float) -> dict[str, Any] | None:
    try:
        header = strict_json.parse_part(token.partition(".")[0])
        kid = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(kid, str) or "crit" in header:
            return None
        key = _key(issuer, kid, at)
        if key is None:
            return None
        signed = jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
        return strict_json.parse_object(signed.payload)
    except (JoseError, ValueError, TypeError):
        return None


def _key(issuer: str, kid: str, at: float) -> RSAKey | None:
    with _lock:
        if issuer not in _kept and len(_kept) >= MAX_ISSUERS:
            _kept.clear()
        kept = _kept.setdefault(issuer, _Kept())
        age = at - kept.asked_at
        is_due = age > (FRESH_SECONDS if kid in kept.keys else REFETCH_SECONDS) or age < 0
        if is_due:
            kept.asked_at = at
    if is_due:
        kept.keys = _fetch(issuer) or kept.keys
    return kept.keys.get(kid)


def _fetch(issuer: str) -> dict[str, RSAKey]:
    """The keys as they are now; none if they cannot be had."""
    try:
        response = outbound.fetch(issuer + CERTS, accept=ACCEPT, limit_bytes=LIMIT_BYTES)
        if response.status != 200:  # noqa: PLR2004
            return {}
        document = strict_json.parse_object(response.body)
        keys = KeySet.import_key_set({"keys": document["keys"]}).keys
    except (OutboundError, JoseError, ValueError, TypeError, KeyError):
        return {}
    return {
        str(key.kid): key
        for key in keys
        if isinstance(key, RSAKey) and key.kid and key.raw_value.key_size >= MIN_RSA_BITS
    }


def _lies_in(value: Any, *, above: float = -math.inf, below: float = math.inf) -> bool:
    """Whether it is an instant, and between these."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and above < value <= below
