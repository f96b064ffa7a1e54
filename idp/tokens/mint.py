"""The one mint: every token of the product is signed here."""

import hashlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

from core import clock
from core.errors import Refusal
from core.ids import base64url
from idp import keys
from idp.keys import LoadedKey
from idp.tokens import claims, encryption, status
from idp.tokens.claims import Authorization
from idp.tokens.refresh_token import RefreshToken

ACCESS_TOKEN_TYPE = "at+jwt"  # RFC 9068 §2.1
ID_TOKEN_TYPE = "JWT"
LOGOUT_TOKEN_TYPE = "logout+jwt"  # Back-Channel Logout 1.0 §2.4


def mint(authorization: Authorization, refresh_token: RefreshToken | None) -> dict[str, Any]:
    """The token endpoint's answer (RFC 6749 §5.1). Lifetimes in whole seconds."""
    key = _key(authorization.alg)
    answer = _with_access_token(authorization, key)
    if authorization.authorization_details:  # RFC 9396 §7
        answer["authorization_details"] = list(authorization.authorization_details)
    if refresh_token is not None:
        answer["refresh_token"] = refresh_token.text
    if authorization.session_id is not None and "openid" in authorization.scopes:
        payload = claims.id_token(authorization, answer["access_token"])
        answer["id_token"] = _id_token(payload, authorization, key)
    return answer


def mint_at_front(
    authorization: Authorization, *, words: AbstractSet[str], code: str | None
) -> dict[str, str]:
    """The tokens of the authorization endpoint (Core §3.2.2.5, §3.3.2.5), as its parameters.

    words: those of response_type. code: the one that goes along.
    """
    key = _key(authorization.alg)
    answer: dict[str, str] = {}
    if "token" in words:
        given = _with_access_token(authorization, key)
        answer = {name: str(value) for name, value in given.items()}
    if "id_token" in words:
        payload = claims.id_token(authorization, answer.get("access_token"), code)
        answer["id_token"] = _id_token(payload, authorization, key)
    return answer


def _id_token(payload: dict[str, Any], authorization: Authorization, key: LoadedKey) -> str:
    """Signed, and then encrypted where the client wants that (Core §2)."""
    text = _sign(payload, ID_TOKEN_TYPE, key)
    recipient = authorization.recipient
    return text if recipient is None else encryption.encrypt(text, recipient)


def _with_access_token(authorization: Authorization, key: LoadedKey) -> dict[str, Any]:
    payload = claims.access_token(authorization)
    if authorization.is_listed:
        payload["status"] = status.enlist(
            jti=payload["jti"],
            stem=authorization.stem,
            grants=authorization.grants,
            client_id=authorization.client_id,
            alg=authorization.alg,
            expires=payload["exp"],
        )
    return {
        "access_token": _sign(payload, ACCESS_TOKEN_TYPE, key),
        "token_type": token_type(authorization.cnf),
        "expires_in": payload["exp"] - payload["iat"],
        "scope": authorization.scope,
    }


def sign(payload: dict[str, Any], *, typ: str, alg: str) -> str:
    """Any other JWT of ours, by the active key of an algorithm."""
    return _sign(payload, typ, _key(alg))


def token_type(cnf: Mapping[str, str] | None) -> str:
    """How the access token is shown (RFC 9449 §5); a certificate changes nothing about it."""
    return "DPoP" if cnf and "jkt" in cnf else "Bearer"


def _key(alg: str) -> LoadedKey:
    """What signs now. Refuses UNAVAILABLE in a process whose clock is off: a worker's, too."""
    if clock.is_off():
        raise Refusal.unavailable()
    return keys.signing_key(alg)


def _sign(payload: dict[str, Any], kind: str, key: LoadedKey) -> str:
    """A compact JWS (RFC 7515 §3.1); the header is encoded once for each key."""
    signing_input = _head(key.alg, key.kid, kind) + base64url(orjson.dumps(payload))
    signature = _SIGNERS[key.alg](key.private, signing_input)
    return (signing_input + b"." + base64url(signature)).decode()


def _es256(key: Any, data: bytes) -> bytes:
    """RFC 7518 §3.4: both numbers of the signature, 32 bytes each."""
    r, s = decode_dss_signature(key.sign(hashlib.sha256(data).digest(), _ECDSA))
    return r.to_bytes(32) + s.to_bytes(32)


def _rs256(key: Any, data: bytes) -> bytes:
    signature: bytes = key.sign(data, PKCS1v15(), SHA256())
    return signature


def _ps256(key: Any, data: bytes) -> bytes:
    """RFC 7518 §3.5: the salt is as long as the hash."""
    signature: bytes = key.sign(data, PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH), SHA256())
    return signature


def _ed25519(key: Any, data: bytes) -> bytes:
    """RFC 8037 §3.1."""
    signature: bytes = key.sign(data)
    return signature


_ECDSA = ECDSA(Prehashed(SHA256()))  # sooner told what the bytes are than made to hash them
_SIGNERS: dict[str, Callable[[Any, bytes], bytes]] = {
    "ES256": _es256,
    "RS256": _rs256,
    "PS256": _ps256,
    "Ed25519": _ed25519,
    "EdDSA": _ed25519,
}


@lru_cache(maxsize=16)
def _head(alg: str, kid: str, kind: str) -> bytes:
    return base64url(orjson.dumps({"alg": alg, "kid": kid, "typ": kind})) + b"."
