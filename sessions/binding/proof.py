"""What the key of a session signs: a compact JWS over a challenge of ours (DBSC §9.10, RFC 7515).

Browsers send `jti` alone: no audience, no time, no session. All of that hangs on the challenge.
Where one does say whom it is for or which session it is of, that must be true.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from core.errors import Refusal
from sessions.models import Binding

TYPES = {Binding.DBSC: "dbsc+jwt", Binding.WEBCRYPTO: "webcrypto+jwt"}
ALGORITHMS = {Binding.DBSC: ("ES256", "RS256"), Binding.WEBCRYPTO: ("ES256",)}
MAX_PROOF_LENGTH = 4096  # by an RSA key of 4096 bits, with the key, some 2,200
MAX_TEXT_LENGTH = 512
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096
MAX_EXPONENT_LENGTH = 6  # base64url: 32 bits
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
MEMBERS = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}


@dataclass(frozen=True, slots=True)
class Signed:
    """A proof whose signature is good. challenge: its jti, which is yet to be claimed.

    public_jwk: whose key it is, bare. thumbprint: of that key (RFC 7638). authorization: what a
    registration repeats of its offer.
    """

    challenge: str
    authorization: str
    public_jwk: dict[str, str]
    thumbprint: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a proof may say of itself. audience: the address that it is sent to."""

    kind: Binding
    audience: str
    session_identifier: str = ""


def read_registration(text: str, expected: Expected) -> Signed:
    """A proof by a key that it brings along; refuses invalid_proof."""
    header = _header(text, expected.kind, {"typ", "alg", "jwk", "kid"})
    return _read(text, header["alg"], _public(header.get("jwk")), expected)


def read_proof(text: str, public_jwk: Mapping[str, Any], expected: Expected) -> Signed:
    """A proof by the key that was registered, which it does not bring; refuses invalid_proof."""
    header = _header(text, expected.kind, {"typ", "alg", "kid"})
    return _read(text, header["alg"], _public(dict(public_jwk)), expected)


def _read(text: str, alg: str, jwk: dict[str, str], expected: Expected) -> Signed:
    try:
        key = _key(jwk, alg)
        registry = jws.JWSRegistry(algorithms=[alg])
        registry.max_header_length = registry.max_payload_length = MAX_PROOF_LENGTH
        claims = _object(jws.deserialize_compact(text, key, registry=registry).payload)
        thumbprint = key.thumbprint()
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _refusal("The signature of the proof is not valid.") from error
    if claims.get("aud", expected.audience) != expected.audience:
        raise _refusal("The proof is for another address.")
    if claims.get("sub", expected.session_identifier) != expected.session_identifier:
        raise _refusal("The proof is of another session.")
    challenge = _text(claims, "jti")
    if not challenge:
        raise _refusal("The proof answers no challenge.")
    return Signed(challenge, _text(claims, "authorization"), jwk, thumbprint)


def _header(text: str, kind: Binding, allowed: set[str]) -> dict[str, Any]:
    """The header of a JWS that could be one of ours; `alg` is one of those accepted."""
    if len(text) > MAX_PROOF_LENGTH or not text.isascii() or text.count(".") != 2:  # noqa: PLR2004
        raise _refusal("The proof is not a JWS.")
    head = text.partition(".")[0]
    try:
        raw = base64.b64decode(head + "=" * (-len(head) % 4), altchars=b"-_", validate=True)
        header = _object(raw)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refusal("The proof is not a JWS.") from error
    if header.get("typ") != TYPES[kind] or not header.keys() <= allowed:
        raise _refusal("The header of the proof is wrong.")
    if header.get("alg") not in ALGORITHMS[kind]:
        raise _refusal("The algorithm of the proof is not accepted.")
    return header


def _object(raw: bytes) -> dict[str, Any]:
    value = json.loads(raw, object_pairs_hook=_unique)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - what is sent, not our types
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name appears twice")
    return members


def _public(jwk: Any) -> dict[str, str]:
    """The members that make the key, and no others; refuses a private key."""
    kind = jwk.get("kty") if isinstance(jwk, dict) and not jwk.keys() & PRIVATE_MEMBERS else None
    if not isinstance(kind, str) or kind not in MEMBERS:
        raise _refusal("The proof needs a public key.")
    return {name: str(jwk.get(name)) for name in MEMBERS[kind]}


def _key(jwk: dict[str, str], alg: str) -> ECKey | RSAKey:
    """The key, if it fits the algorithm (RFC 7518 §3.1); raises ValueError and JoseError."""
    if alg == "ES256":
        if jwk.get("crv") != "P-256":
            raise ValueError("the key does not fit the algorithm")
        return ECKey.import_key({**jwk})
    if jwk["kty"] != "RSA" or len(jwk["e"]) > MAX_EXPONENT_LENGTH:
        raise ValueError("the key does not fit the algorithm")
    if len(jwk["n"]) * 6 < MIN_RSA_BITS:  # else the library warns of it
        raise ValueError("the key is too small")
    key = RSAKey.import_key({**jwk})
    if not MIN_RSA_BITS <= key.public_key.key_size <= MAX_RSA_BITS:
        raise ValueError("the key is too small or too large")
    return key


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > MAX_TEXT_LENGTH or not value.isascii():
        raise _refusal(f"The {name} of the proof is wrong.")
    return value


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_proof", detail)
