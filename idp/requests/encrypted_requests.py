"""Request objects that are encrypted to us: a JWE around the JWT that the client has signed.

RFC 9101 §6.1, OpenID Connect Core 1.0 §6.1: signed, then encrypted, by a short list of algorithms,
never compressed, and one layer deep, since what comes out has to be a JWS. What cannot be opened is
refused in one and the same way, whatever the reason.
"""

from datetime import datetime
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry

from core import strict_json
from core.errors import Refusal
from idp import encryption_keys
from idp.encryption_keys import ALGORITHMS
from idp.registration.metadata import ClientMetadata
from idp.tokens.encryption import ENCRYPTIONS

HEADERS = frozenset({"alg", "enc", "kid", "epk", "apu", "apv", "typ", "cty"})
TYPES = frozenset({"jwt", "jwe", "oauth-authz-req+jwt"})
CONTENT_TYPES = frozenset({"jwt", "oauth-authz-req+jwt"})
MAX_LENGTH = 15_000  # a JWS of 10,000, encoded once more
MAX_HEADER_LENGTH = 1024
MAX_KID_LENGTH = 64
# Of an ephemeral key, which the agreement needs; not one word more (RFC 7518 §4.6.1.1).
EPK = {"kty", "crv", "x", "y"}
DOTS = 4

_registry = JWERegistry(algorithms=[*ALGORITHMS, *ENCRYPTIONS])


def opened(text: str, *, registered: ClientMetadata, now: datetime) -> str:
    """The signed JWT: what is inside of a JWE, and any other text as it is.

    Refuses INVALID_REQUEST_OBJECT, also for what came in the open from a client that has registered
    to encrypt.
    """
    if text.count(".") != DOTS:
        if registered.request_object_encryption_alg:
            raise _refusal("This client has registered to encrypt its request objects.")
        return text
    head = text.partition(".")[0]
    if not text.isascii() or len(text) > MAX_LENGTH or len(head) > MAX_HEADER_LENGTH:
        raise _refusal("The request object is malformed, or too long.")
    try:
        header = strict_json.parse_part(head)
    except ValueError as error:
        raise _refusal("The request object is malformed.") from error
    if not _is_acceptable(header, registered):
        raise _refusal("The header of the encrypted request object is not acceptable.")
    for key in encryption_keys.opening(alg=header["alg"], kid=header.get("kid"), now=now):
        try:
            plain = jwe.decrypt_compact(text, key, registry=_registry).plaintext
            return (plain or b"").decode("ascii")
        except (JoseError, ValueError, TypeError, KeyError, AssertionError):
            continue
    raise _refusal("The request object cannot be decrypted.")


def _is_acceptable(header: dict[str, Any], registered: ClientMetadata) -> bool:
    alg, enc, kid, epk = (header.get(name) for name in ("alg", "enc", "kid", "epk"))
    texts = {name: header.get(name, "jwt") for name in ("typ", "cty", "apu", "apv")}
    return (
        header.keys() <= HEADERS
        and alg in _allowed(registered.request_object_encryption_alg, ALGORITHMS)
        and enc in _allowed(registered.request_object_encryption_enc, ENCRYPTIONS)
        and (kid is None or (isinstance(kid, str) and len(kid) <= MAX_KID_LENGTH))
        and all(isinstance(value, str) for value in texts.values())
        and texts["typ"].lower() in TYPES
        and texts["cty"].lower() in CONTENT_TYPES
        and ("epk" not in header or (isinstance(epk, dict) and epk.keys() == EPK))
    )


def _allowed(wanted: str, known: tuple[str, ...]) -> list[str]:
    return [name for name in known if wanted in {"", name}]


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_request_object", detail)
