"""The one verification of tokens that we signed ourselves.

The key is found by `kid` in our own ring and brings its algorithm along; what the header says of
keys (`jwk`, `jku`, `x5u`, `x5c`) or of `crit` is refused, never followed.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core import clock, strict_json
from core.errors import Refusal
from idp import keys

MAX_TOKEN_LENGTH = 8192
MAX_HEADER_LENGTH = 512
LEEWAY_SECONDS = 10  # between the clocks of our own processes
ALLOWED_HEADERS = {"alg", "kid", "typ"}
STATEMENT_ALGORITHMS = {"ES256": "EC", "RS256": "RSA", "PS256": "RSA"}


def access_token(text: str) -> dict[str, Any]:
    """The claims of a live access token of ours; refuses invalid_token. RFC 9068 §4."""
    claims = _verified(text, "at+jwt")
    now = clock.now().timestamp()
    if not _is_whole(claims.get("exp")) or claims["exp"] <= now:
        raise Refusal.invalid_token("The access token has expired.")
    for name in ("nbf", "iat"):
        begins = claims.get(name, 0)
        if not _is_whole(begins) or begins > now + LEEWAY_SECONDS:
            raise Refusal.invalid_token("The access token is not good yet.")
    if not _is_complete(claims):
        raise Refusal.invalid_token("The access token is not complete.")
    return claims


def _is_complete(claims: dict[str, Any]) -> bool:
    """Whether it says for whom, of whom and by whom it is (RFC 9068 §2.2)."""
    audience = claims.get("aud")
    names = audience if isinstance(audience, list) and audience else [audience]
    for name in (*names, claims.get("sub"), claims.get("client_id"), claims.get("jti")):
        if not isinstance(name, str) or not name or "\0" in name:
            return False
    return True


def _is_whole(value: Any) -> bool:
    """Whether this is a time as we write it: a whole number of seconds, and no boolean."""
    return type(value) is int


def id_token_hint(text: str) -> dict[str, Any]:
    """The claims of an ID token of ours, expired or not; refuses invalid_request.

    An access token, or a token of another issuer, is no hint. OpenID Connect Core 1.0 §3.1.2.1.
    """
    try:
        return _verified(text, "JWT")
    except Refusal as refusal:
        raise Refusal.invalid_request("The id_token_hint is not one of ours.") from refusal


def software_statement(
    text: str, *, issuers: Mapping[str, Mapping[str, Any]], now: datetime
) -> dict[str, Any]:
    """The claims of a JWT that a configured issuer signed (RFC 7591 §2.3).

    issuers: their JWK Sets. Refuses INVALID_SOFTWARE_STATEMENT, or UNAPPROVED_SOFTWARE_STATEMENT
    for another issuer.
    """
    refusal = Refusal("invalid_software_statement", "The software statement is not valid.")
    try:
        header = _header(text)
        body = text.split(".")[1]
        claims = strict_json.parse_object(
            base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        )
    except (Refusal, binascii.Error, ValueError) as error:
        raise refusal from error
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in issuers:
        raise Refusal("unapproved_software_statement", "We do not know who issued the statement.")
    alg, kid = header.get("alg"), header.get("kid")
    if not isinstance(alg, str) or alg not in STATEMENT_ALGORITHMS:
        raise refusal
    if not header.keys() <= ALLOWED_HEADERS:
        raise refusal
    for key in KeySet.import_key_set(issuers[issuer]).keys:  # type: ignore[arg-type]
        if key.key_type == STATEMENT_ALGORITHMS[alg] and (kid is None or key.kid == kid):
            try:
                jws.deserialize_compact(text, key, algorithms=[alg])
            except (JoseError, ValueError):
                continue
            if _is_timely(claims, now.timestamp()):
                return claims
    raise refusal


def _is_timely(claims: dict[str, Any], now: float) -> bool:
    """Whether exp and nbf, where they are there, are numbers that fit (RFC 7519 §4.1)."""
    begins, ends = claims.get("nbf", now), claims.get("exp", now + 1)
    if not all(isinstance(at, int | float) for at in (begins, ends)):
        return False
    return bool(begins <= now < ends)


def _verified(text: str, kind: str) -> dict[str, Any]:
    header = _header(text)
    key = keys.verification_key(str(header.get("kid", "")))
    if (
        key is None
        or not header.keys() <= ALLOWED_HEADERS
        or header.get("alg") != key.alg
        or header.get("typ") != kind
    ):
        raise Refusal.invalid_token("The token is not one of ours.")
    claims = _signed_claims(text, key.kid)
    if claims.get("iss") != settings.ISSUER:
        raise Refusal.invalid_token("The token is not one of ours.")
    return claims


@lru_cache(maxsize=2048)
def _signed_claims(text: str, kid: str) -> dict[str, Any]:
    """The claims under a good signature. It stays good, so a token seen again is not verified anew.

    Whether its key is still published, and all that the claims say, is judged at every use.
    """
    key = keys.verification_key(kid)
    if key is None:
        raise Refusal.invalid_token("The token is not one of ours.")
    try:
        signed = jws.deserialize_compact(text, key.key, algorithms=[key.alg])
        claims = orjson.loads(signed.payload)
    except (JoseError, ValueError) as error:
        raise Refusal.invalid_token("The token is not valid.") from error
    if not isinstance(claims, dict):
        raise Refusal.invalid_token("The token is not valid.")
    return claims


def _header(text: str) -> Mapping[str, Any]:
    head, _, rest = text.partition(".")
    if not text.isascii() or len(text) > MAX_TOKEN_LENGTH or rest.count(".") != 1:
        raise Refusal.invalid_token("The token is malformed.")
    if len(head) > MAX_HEADER_LENGTH:
        raise Refusal.invalid_token("The token is malformed.")
    return _parsed(head)


@lru_cache(maxsize=64)
def _parsed(head: str) -> Mapping[str, Any]:
    """One header, as it begins every token of a key."""
    try:
        raw = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True)
        header = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise Refusal.invalid_token("The token is malformed.") from error
    if not isinstance(header, dict):
        raise Refusal.invalid_token("The token is malformed.")
    return header
