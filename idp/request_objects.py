"""Request objects: an authorization request as a JWT that the client has signed (RFC 9101).

By value (`request`) or by reference (`request_uri`, at an address that was registered). Nothing in
the header leads to a key, and nothing in the object leads to another object. What it says is all
that counts; parameters beside it do not.
OpenID Connect Core 1.0 §6; FAPI 2.0 Message Signing §5.3.1.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urldefrag

from django.conf import settings
from django.http import QueryDict

from core import outbound
from core.errors import Refusal
from core.limits import spend
from core.outbound import OutboundError
from idp import client_keys
from idp.algorithms import ALGORITHMS, FAPI2_ALGORITHMS
from idp.limits import REQUEST_REFERENCES
from idp.metadata import ClientMetadata
from idp.requests import PROTOCOL, STRUCTURED, TEXT

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


def read(text: str, *, client_id: str, registered: ClientMetadata, now: datetime) -> QueryDict:
    """The parameters of a request object that this client has signed for us.

    Refuses invalid_request_object, and request_not_supported for one that is not signed.
    """
    header = _header(text)
    alg = header.get("alg")
    if alg == "none":
        raise Refusal("request_not_supported", "A request object must be signed.")
    kid, typ = header.get("kid"), header.get("typ", "JWT")
    if (
        not header.keys() <= HEADERS
        or alg not in algorithms_of(registered)
        or not (kid is None or isinstance(kid, str))
        or not (isinstance(typ, str) and typ.lower() in TYPES)
    ):
        raise _refusal("The header of the request object is not acceptable.")
    claims = client_keys.verified(text, alg=alg, kid=kid, owner=client_id, metadata=registered)
    if not isinstance(claims, dict):
        raise _refusal("No key of the client fits the request object.")
    _check_names(claims, client_id)
    _check_times(claims, now, is_fapi2=registered.is_fapi2)
    return _parameters(claims)


def algorithms_of(registered: ClientMetadata) -> list[str]:
    """The algorithms by which this client may sign its requests."""
    allowed = FAPI2_ALGORITHMS if registered.is_fapi2 else ALGORITHMS
    wanted = registered.request_object_signing_alg
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
            limit_bytes=MAX_LENGTH,
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
        raw = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True)
        header = json.loads(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refusal("The request object is malformed.") from error
    if not isinstance(header, dict):
        raise _refusal("The request object is malformed.")
    return header


def _check_names(claims: Mapping[str, Any], client_id: str) -> None:
    """By whom, for whom, and that it is no other kind of JWT (RFC 9101 §10.8)."""
    if claims.get("iss") != client_id or claims.get("client_id") != client_id:
        raise _refusal("iss and client_id of the request object must be the client_id.")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if len(named) > MAX_AUDIENCES or settings.ISSUER not in named:
        raise _refusal("The request object is not meant for this server (aud).")
    if claims.keys() & {"request", "request_uri", "sub"}:
        raise _refusal("A request object holds no request, request_uri or sub.")


def _check_times(claims: Mapping[str, Any], now: datetime, *, is_fapi2: bool) -> None:
    expires, begins = _seconds(claims, "exp"), _seconds(claims, "nbf")
    current = now.timestamp()
    if expires is not None and expires <= current:
        raise _refusal("The request object has expired.")
    if begins is not None and begins > current + LEEWAY.total_seconds():
        raise _refusal("The request object is not valid yet (nbf).")
    if not is_fapi2:
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
    if name in {*PROTOCOL, *TEXT, *STRUCTURED, "resource"}:
        raise _refusal(f"{name} of the request object has the wrong type.")
    return []  # what we do not know is not read


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_request_object", detail)
