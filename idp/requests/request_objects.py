"""Request objects: an authorization request as a JWT that the client has signed (RFC 9101).

By value (`request`) or by reference (`request_uri`, at an address that was registered). Nothing in
the header leads to a key, and nothing in the object leads to another object. What it says is all
that counts; parameters beside it do not. An object by value that has a `jti` is answered once: it
is claimed like a pushed request, where it is answered, since people reload pages. It may be
encrypted to us (`encrypted_requests`), which backchannel requests are not.
OpenID Connect Core 1.0 §6; FAPI 2.0 Message Signing §5.3.1.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urldefrag

from django.conf import settings
from django.http import QueryDict

from core import outbound, strict_json
from core.errors import Refusal
from core.ids import digest
from core.limits import spend
from core.outbound import OutboundError
from idp.algorithms import ALGORITHMS, FAPI2_ALGORITHMS
from idp.clients import public_keys
from idp.clients.assertions import CLAIM_ASSERTION, is_jti
from idp.limits import REQUEST_REFERENCES
from idp.registration.metadata import ClientMetadata
from idp.requests import encrypted_requests
from idp.requests.parameters import BACKCHANNEL, PROTOCOL, STRUCTURED, TEXT, AuthorizationParams
from idp.storage import database

HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
TYPES = frozenset({"jwt", "oauth-authz-req+jwt"})
MEDIA_TYPES = "application/oauth-authz-req+jwt, application/jwt"
MAX_LENGTH = 10_000
MAX_HEADER_LENGTH = 512
MAX_AUDIENCES = 10
FETCH_TIMEOUT_SECONDS = 3.0
# Of the JWT, not of the request (RFC 7519 §4.1).
JWT_CLAIMS = frozenset({"iss", "aud", "exp", "nbf", "iat", "jti"})
LEEWAY = timedelta(seconds=10)  # of a clock that is ahead of ours
MAX_LIFETIME = timedelta(minutes=60)
MAX_SECONDS = 2**53
# How long a used `jti` is remembered: past the end of the object as long as a sign-in may take.
KEPT_AFTER_END, KEPT_WITHOUT_END = timedelta(hours=1), timedelta(days=1)
MOST_KEPT = timedelta(days=366)

FIND_USED = "SELECT 1 FROM idp_usedassertion WHERE digest = %(digest)s"


@dataclass(frozen=True, slots=True)
class Signed:
    """What is inside. once: as in `AuthorizationParams`."""

    parameters: QueryDict
    once: str | None = None


@dataclass(frozen=True)
class BackchannelRequest:
    """jti: to be accepted once, until expires_at."""

    parameters: QueryDict
    jti: str
    expires_at: datetime


def read(
    text: str, *, client_id: str, registered: ClientMetadata, now: datetime, is_fetched: bool
) -> Signed:
    """The parameters of a request object that this client has signed for us.

    is_fetched: it came by reference; the client itself says what stands there, and how long.
    Refuses invalid_request_object, and request_not_supported for one that is not signed.
    """
    text = encrypted_requests.opened(text, registered=registered, now=now)
    algorithms = algorithms_of(registered)
    claims = _signed_claims(text, algorithms, client_id=client_id, registered=registered)
    if claims.get("iss") != client_id or claims.get("client_id") != client_id:
        raise _refusal("iss and client_id of the request object must be the client_id.")
    _check_purpose(claims)
    _check_times(claims, now, is_strict=registered.is_fapi2)
    once = None if is_fetched or "jti" not in claims else _once(claims, client_id, now)
    return Signed(_parameters(claims), once)


def read_backchannel(
    text: str, *, client_id: str, registered: ClientMetadata, now: datetime
) -> BackchannelRequest:
    """A signed backchannel authentication request (CIBA Core 1.0 §7.1.1).

    iss, aud, exp, iat, nbf and jti are all required, and it lives for an hour at most, whatever the
    client's profile. Refuses as `read` does.
    """
    algorithms = backchannel_algorithms_of(registered)
    claims = _signed_claims(text, algorithms, client_id=client_id, registered=registered)
    if claims.get("iss") != client_id or claims.get("client_id", client_id) != client_id:
        raise _refusal("iss of the request object must be the client_id.")
    _check_purpose(claims)
    _check_times(claims, now, is_strict=True)
    issued, jti = _seconds(claims, "iat"), claims.get("jti")
    if issued is None or issued > (now + LEEWAY).timestamp():
        raise _refusal("The request object needs an iat, which is not in the future.")
    if not is_jti(jti):
        raise _refusal("The request object needs a jti.")
    return BackchannelRequest(
        _parameters(claims), str(jti), datetime.fromtimestamp(claims["exp"], UTC)
    )


def _signed_claims(
    text: str, algorithms: list[str], *, client_id: str, registered: ClientMetadata
) -> dict[str, Any]:
    header = _header(text)
    alg = header.get("alg")
    if alg == "none":
        raise Refusal("request_not_supported", "A request object must be signed.")
    kid, typ = header.get("kid"), header.get("typ", "JWT")
    if (
        not header.keys() <= HEADERS
        or alg not in algorithms
        or not (kid is None or isinstance(kid, str))
        or not (isinstance(typ, str) and typ.lower() in TYPES)
    ):
        raise _refusal("The header of the request object is not acceptable.")
    claims = public_keys.verified(text, alg=alg, kid=kid, owner=client_id, metadata=registered)
    if not isinstance(claims, dict):
        raise _refusal("No key of the client fits the request object.")
    return claims


def claim(params: AuthorizationParams) -> None:
    """Use up the request object that this request came in; refuses CONFLICT when that was done.

    One conditional statement, for the transaction of the caller.
    """
    if params.once is None:
        return
    used, until = spent(params.once)
    if database.one(CLAIM_ASSERTION, {"digest": used, "expires_at": until}) is None:
        raise Refusal.conflict("This sign-in is already finished.")


def spent(once: str) -> tuple[bytes, datetime]:
    """Digest and end of the row by which a request object is used up (`AuthorizationParams`)."""
    key, _, until = once.partition(":")
    return bytes.fromhex(key), datetime.fromtimestamp(int(until), UTC)


def used_before() -> Refusal:
    return _refusal("The request object was used before.")


def algorithms_of(registered: ClientMetadata) -> list[str]:
    """The algorithms by which this client may sign its requests."""
    allowed = FAPI2_ALGORITHMS if registered.is_fapi2 else ALGORITHMS
    wanted = registered.request_object_signing_alg
    return [alg for alg in allowed if wanted in {"", alg}]


def backchannel_algorithms_of(registered: ClientMetadata) -> list[str]:
    """The algorithms by which this client may sign its backchannel authentication requests."""
    allowed = FAPI2_ALGORITHMS if registered.is_fapi2 else ALGORITHMS
    wanted = registered.backchannel_authentication_request_signing_alg
    return [alg for alg in allowed if wanted in {"", alg}]


def fetch(reference: str, *, client_id: str, registered: ClientMetadata, now: datetime) -> str:
    """The request object at an address that the client has registered, byte for byte.

    Its fragment may be a digest or anything else: it is compared, but neither sent nor verified.
    Refuses request_uri_not_supported, invalid_request_uri and temporarily_unavailable.
    """
    if not registered.request_uris:
        raise Refusal("request_uri_not_supported", "This client has registered no request_uris.")
    if reference not in registered.request_uris:
        raise Refusal("invalid_request_uri", "The request_uri is not registered.")
    try:
        spend(REQUEST_REFERENCES, client_id, now=now)
    except Refusal as refusal:
        raise Refusal("temporarily_unavailable", "Too many requests by reference.") from refusal
    try:
        response = outbound.fetch(
            urldefrag(reference).url,
            accept=MEDIA_TYPES,
            limit_bytes=encrypted_requests.MAX_LENGTH,
            timeout=FETCH_TIMEOUT_SECONDS,
        )
        if response.status != 200:  # noqa: PLR2004 - OK
            raise OutboundError("the answer is no document")
        return response.body.decode("ascii").strip()
    except (OutboundError, UnicodeDecodeError) as error:
        raise Refusal("invalid_request_uri", "The request object cannot be fetched.") from error


def _header(text: str) -> dict[str, Any]:
    head, _, rest = text.partition(".")
    if not text.isascii() or len(text) > MAX_LENGTH or len(head) > MAX_HEADER_LENGTH:
        raise _refusal("The request object is malformed, or too long.")
    if rest.count(".") != 1:
        raise _refusal("The request object is not a signed JWT.")
    try:
        return strict_json.parse_part(head)
    except ValueError as error:
        raise _refusal("The request object is malformed.") from error


def _check_purpose(claims: Mapping[str, Any]) -> None:
    """That it is for us, and no other kind of JWT (RFC 9101 §10.8)."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MAX_AUDIENCES or settings.ISSUER not in named:
        raise _refusal("The request object is not meant for this server (aud).")
    if claims.keys() & {"request", "request_uri", "sub"}:
        raise _refusal("A request object holds no request, request_uri or sub.")


def _once(claims: Mapping[str, Any], client_id: str, now: datetime) -> str:
    jti = claims["jti"]
    if not is_jti(jti):
        raise _refusal("jti of the request object is not a text.")
    key = digest(f"request|{client_id}|{jti}")
    if database.one(FIND_USED, {"digest": key}) is not None:
        raise used_before()
    current, end = now.timestamp(), _seconds(claims, "exp")
    if end is None:
        until = current + KEPT_WITHOUT_END.total_seconds()
    else:
        until = end + KEPT_AFTER_END.total_seconds()
    return f"{key.hex()}:{int(min(until, current + MOST_KEPT.total_seconds()))}"


def _check_times(claims: Mapping[str, Any], now: datetime, *, is_strict: bool) -> None:
    expires, begins = _seconds(claims, "exp"), _seconds(claims, "nbf")
    current = now.timestamp()
    if expires is not None and expires <= current:
        raise _refusal("The request object has expired.")
    if begins is not None and begins > current + LEEWAY.total_seconds():
        raise _refusal("The request object is not valid yet (nbf).")
    if not is_strict:
        return
    if expires is None or begins is None:
        raise _refusal("The request object needs exp and nbf.")
    most = MAX_LIFETIME.total_seconds()
    if expires - begins > most or begins < current - most:
        raise _refusal("The request object is older, or lives longer, than an hour.")


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refusal(f"{name} of the request object is not a number.")
    if not abs(value) <= MAX_SECONDS:  # which is what Infinity and NaN are not
        raise _refusal(f"{name} of the request object is out of bounds.")
    return value


def _parameters(claims: Mapping[str, Any]) -> QueryDict:
    """The claims in the form of a query, so that one reading fits both (RFC 9101 §4)."""
    parameters = QueryDict(mutable=True)
    for name, value in claims.items():
        if name not in JWT_CLAIMS and value is not None:
            parameters.setlist(name, _texts(name, value))
    return parameters


def _texts(name: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]
    if name == "resource" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return value
    if name in STRUCTURED and isinstance(value, dict | list):
        return [json.dumps(value, separators=(",", ":"))]
    if name in {*PROTOCOL, *TEXT, *STRUCTURED, *BACKCHANNEL, "resource"}:
        raise _refusal(f"{name} of the request object has the wrong type.")
    return []  # what we do not know is not read


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_request_object", detail)
