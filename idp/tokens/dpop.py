"""DPoP proofs: that whoever asks holds a key (RFC 9449 §4), each proof once.

A proof is good for one method and one address of ours, by the settings and never by the Host
header, for a minute. Nonces (§8) are an HMAC over the time, so nothing is kept for them.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from core import clock, strict_json
from core.errors import Refusal
from core.ids import digest, equal
from idp.algorithms import ALGORITHMS, ED25519, FAPI2_ALGORITHMS
from idp.machine import addresses
from idp.machine.wire import Request
from idp.storage import database
from idp.storage.proofs import SPEND_PROOF

MAX_PROOF_LENGTH = 8192
MAX_HEADER_LENGTH = 4096  # an RSA key of 4096 bits takes about 1,000
MAX_JTI_LENGTH = 512
MAX_URL_LENGTH = 2000
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096
ALLOWED_HEADERS = {"typ", "alg", "jwk", "kid"}
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
MAX_AGE, MAX_AHEAD = timedelta(seconds=60), timedelta(seconds=10)
MAX_IAT = 2**53
NONCE_WINDOW = timedelta(minutes=5)
NONCE_SIZE_BYTES = 16
DEFAULT_PORTS = {"https": 443, "http": 80}
ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class ProofRegistry(jws.JWSRegistry):
    """joserfc's own limit of 512 bytes is less than an RSA key takes."""

    max_header_length = MAX_HEADER_LENGTH
    max_payload_length = MAX_PROOF_LENGTH


@dataclass(frozen=True, slots=True)
class Proof:
    """jkt: the SHA-256 thumbprint of the key (RFC 7638), 43 base64url characters."""

    jkt: str
    claims: dict[str, Any]


def prove(request: Request, *, is_fapi2: bool = False, access_token: str | None = None) -> str:
    """The thumbprint of the key that the request's proof was made by; the proof is spent.

    access_token: what `ath` must be the hash of, at a resource. Refuses invalid_dpop_proof and
    use_dpop_nonce (RFC 9449 §5, §8), both with status 400.
    """
    now = clock.now()
    if not request.dpop:
        raise _refusal("A DPoP proof is needed.")
    proof = read(request.dpop, algorithms=algorithms(is_fapi2=is_fapi2))
    _check_claims(proof.claims, request, now)
    if access_token is not None:
        wanted = _encode(hashlib.sha256(access_token.encode()).digest())
        if not equal(_text(proof.claims, "ath"), wanted):
            raise _refusal("The proof is for another access token.")
    _check_nonce(proof.claims.get("nonce"), now)
    _spend(request, proof)
    return proof.jkt


def algorithms(*, is_fapi2: bool = False) -> tuple[str, ...]:
    """By which of them a proof may be signed."""
    return FAPI2_ALGORITHMS if is_fapi2 else ALGORITHMS


def read(text: str, *, algorithms: Sequence[str]) -> Proof:
    """A proof under a good signature by the public key that it names; refuses invalid_dpop_proof.

    Several DPoP headers are one text with a comma by the time that it comes here (PEP 3333).
    """
    if "," in text:
        raise _refusal("More than one DPoP header.")
    head, _, rest = text.partition(".")
    if not text.isascii() or len(text) > MAX_PROOF_LENGTH or rest.count(".") != 1:
        raise _refusal("The proof is not a JWT.")
    holder = _holder(head)
    if holder.alg not in algorithms:
        raise _refusal("The algorithm of the proof is not accepted.")
    try:
        registry = ProofRegistry(algorithms=[holder.alg])
        signed = jws.deserialize_compact(text, holder.key, registry=registry)
    except (JoseError, ValueError, TypeError) as error:
        raise _refusal("The signature of the proof is not valid.") from error
    try:
        return Proof(holder.jkt, strict_json.parse_object(signed.payload))
    except ValueError as error:
        raise _refusal("The claims of the proof are not a plain JSON object.") from error


def nonce_headers(request: Request) -> list[tuple[str, str]]:
    """What a good answer tells of the next nonce (RFC 9449 §8.2)."""
    if not request.dpop or not settings.DPOP_NONCE_REQUIRED:
        return []
    return [("DPoP-Nonce", current_nonce(clock.now()))]


def current_nonce(now: datetime) -> str:
    """The nonce to use from now on, 22 base64url characters; good for 5 to 10 minutes."""
    return _nonce(_window(now), settings.SECRET_KEY)


def challenge(*, error: str = "", is_fapi2: bool = False) -> str:
    """The value of WWW-Authenticate at a resource (RFC 9449 §7.1)."""
    algs = f'algs="{" ".join(algorithms(is_fapi2=is_fapi2))}"'
    return f'DPoP error="{error}", {algs}' if error else f"DPoP {algs}"


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who says to hold the key, by the header of a proof."""

    alg: str
    key: ECKey | OKPKey | RSAKey
    jkt: str


@lru_cache(maxsize=1024)
def _holder(head: str) -> _Holder:
    """The header, which stays the same in all proofs of a key: only the signature is judged anew.

    What is refused is not kept.
    """
    header = _header(head)
    alg = header.get("alg")
    if header.get("typ") != "dpop+jwt" or not header.keys() <= ALLOWED_HEADERS:
        raise _refusal("The header of the proof is wrong.")
    if not isinstance(alg, str) or alg not in ALGORITHMS:
        raise _refusal("The algorithm of the proof is not accepted.")
    try:
        key = _key(header.get("jwk"), alg)
        return _Holder(alg, key, key.thumbprint())
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _refusal("The key of the proof cannot be read.") from error


def _header(head: str) -> dict[str, Any]:
    if len(head) > MAX_HEADER_LENGTH:
        raise _refusal("The header of the proof is too large.")
    try:
        return strict_json.parse_part(head)
    except ValueError as error:
        raise _refusal("The proof is not a JWT.") from error


def _key(jwk: Any, alg: str) -> ECKey | OKPKey | RSAKey:
    """A public key that fits the algorithm (RFC 7518 §3.1); refuses a private one."""
    if not isinstance(jwk, dict) or jwk.keys() & PRIVATE_MEMBERS:
        raise _refusal("The proof needs a public key in jwk.")
    if alg == "ES256":
        if jwk.get("kty") != "EC" or jwk.get("crv") != "P-256":
            raise _refusal("The key does not fit the algorithm.")
        return ECKey.import_key({name: str(jwk.get(name)) for name in ("kty", "crv", "x", "y")})
    if alg in ED25519:
        if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
            raise _refusal("The key does not fit the algorithm.")
        return OKPKey.import_key({name: str(jwk.get(name)) for name in ("kty", "crv", "x")})
    if jwk.get("kty") != "RSA":
        raise _refusal("The key does not fit the algorithm.")
    key = RSAKey.import_key({name: str(jwk.get(name)) for name in ("kty", "n", "e")})
    if not MIN_RSA_BITS <= key.public_key.key_size <= MAX_RSA_BITS:
        raise _refusal(f"An RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits.")
    return key


def _check_claims(claims: dict[str, Any], request: Request, now: datetime) -> None:
    """RFC 9449 §4.3, checks 3 and 8 to 11. `exp` and `nbf` mean nothing in a proof."""
    if not 0 < len(_text(claims, "jti")) <= MAX_JTI_LENGTH:
        raise _refusal("The proof needs a jti.")
    if _text(claims, "htm") != request.method:
        raise _refusal("The proof is for another method.")
    htu = _text(claims, "htu")
    if not any(is_same_address(htu, base + request.path) for base in addresses.bases()):
        raise _refusal("The proof is for another address.")
    iat = claims.get("iat")
    if isinstance(iat, bool) or not isinstance(iat, int | float) or not 0 <= iat <= MAX_IAT:
        raise _refusal("The proof needs an iat.")
    age = now.timestamp() - iat
    if not -MAX_AHEAD.total_seconds() <= age <= MAX_AGE.total_seconds():
        raise _refusal("The proof is too old, or of a time to come.")


def is_same_address(given: str, ours: str) -> bool:
    """Compared without query and fragment, normalised as RFC 3986 §6.2.2 and §6.2.3 say."""
    if given == ours:
        return True
    return len(given) <= MAX_URL_LENGTH and _normal(given) == _normal(ours)


def _normal(url: str) -> tuple[str, str, int | None, str] | None:
    try:
        parts = urlsplit(url)
        port = DEFAULT_PORTS.get(parts.scheme) if parts.port is None else parts.port
    except ValueError:
        return None
    if not parts.hostname or "@" in parts.netloc or parts.path.startswith("//"):
        return None
    path = ESCAPE.sub(lambda escape: _unescaped(escape.group(1)), parts.path or "/")
    return parts.scheme, parts.hostname, port, urlsplit(urljoin("https://here", path)).path


def _unescaped(hexadecimal: str) -> str:
    letter = chr(int(hexadecimal, 16))
    return letter if letter in UNRESERVED else f"%{hexadecimal.upper()}"


def _check_nonce(nonce: Any, now: datetime) -> None:
    """A nonce has to be there when the installation asks for it, and ours when it is there."""
    if nonce is None and not settings.DPOP_NONCE_REQUIRED:
        return
    if not isinstance(nonce, str) or not any(equal(nonce, good) for good in _good_nonces(now)):
        raise Refusal(
            "use_dpop_nonce",
            "The proof needs the nonce of the DPoP-Nonce header.",
            headers={"DPoP-Nonce": current_nonce(now)},
        )


def _good_nonces(now: datetime) -> Iterator[str]:
    for secret_key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        for window in (_window(now), _window(now) - 1):
            yield _nonce(window, secret_key)


def _window(now: datetime) -> int:
    return int(now.timestamp() // NONCE_WINDOW.total_seconds())


def _nonce(window: int, secret_key: str) -> str:
    tag = hmac.digest(_nonce_key(secret_key), window.to_bytes(8), "sha256")
    return _encode(tag[:NONCE_SIZE_BYTES])


@lru_cache(maxsize=8)
def _nonce_key(secret_key: str) -> bytes:
    return hashlib.sha256(b"sallyport.dpop-nonce|" + secret_key.encode()).digest()


def _spend(request: Request, proof: Proof) -> None:
    """Claim the proof by a unique row (RFC 9449 §11.1), in a transaction of its own."""
    key = digest(f"{proof.jkt}|{proof.claims['jti']}")
    if key in request.claimed:
        return
    if database.one(SPEND_PROOF, {"proof": key, "clock_offset": clock.offset()}) is None:
        raise _refusal("The proof was used before.")
    request.claimed.add(key)


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise _refusal(f"The proof needs {name}.")
    return value


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_dpop_proof", detail)
