"""Makes DPoP proofs, good and bad, as a client would (RFC 9449 §4.2)."""

import base64
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey, OKPKey, RSAKey

from core import clock
from core.ids import new_token
from idp.models import Client
from tests.support import oauth

ISSUER = "http://localhost:8000"
TOKEN, USERINFO = "/oauth/token", "/oauth/userinfo"


def new_key() -> ECKey:
    return ECKey.generate_key("P-256")


def jkt(key: ECKey | OKPKey | RSAKey) -> str:
    return key.thumbprint()


def proof(
    key: ECKey | OKPKey | RSAKey,
    *,
    method: str = "POST",
    path: str = TOKEN,
    token: str | None = None,
    header: dict[str, Any] | None = None,
    signed_by: ECKey | OKPKey | RSAKey | None = None,
    **claims: Any,
) -> str:
    """A proof; `header` and `claims` replace or (None) drop members."""
    from django.conf import settings

    heads = {
        "typ": "dpop+jwt",
        "alg": {"EC": "ES256", "OKP": "Ed25519", "RSA": "PS256"}[key.key_type],
        "jwk": key.as_dict(private=False),
    }
    values: dict[str, Any] = {
        "jti": new_token(12),
        "htm": method,
        "htu": settings.ISSUER + path,
        "iat": int(clock.now().timestamp()),
        "ath": ath(token) if token else None,
    }
    heads = {name: value for name, value in (heads | (header or {})).items() if value is not None}
    values = {name: value for name, value in (values | claims).items() if value is not None}
    parts = [json.dumps(part) for part in (heads, values)]
    return signed(signed_by or key, *parts, alg=heads.get("alg"))


def signed(key: ECKey | OKPKey | RSAKey, header: str, claims: str, *, alg: Any = None) -> str:
    """A JWT out of two texts of JSON, as they stand."""
    parts = [_encode(text.encode()) for text in (header, claims)]
    return ".".join([*parts, _encode(_sign(key, alg, ".".join(parts).encode()))])


def _sign(key: ECKey | OKPKey | RSAKey, alg: Any, data: bytes) -> bytes:
    """By whatever the key can do, so that a header that claims otherwise is all that is wrong."""
    if isinstance(key, ECKey):
        r, s = decode_dss_signature(key.private_key.sign(data, ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)
    if isinstance(key, OKPKey):
        return key.private_key.sign(data)  # type: ignore[union-attr]
    padding = PKCS1v15() if alg == "RS256" else PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH)
    return key.private_key.sign(data, padding, SHA256())


def ath(token: str) -> str:
    return _encode(hashlib.sha256(token.encode()).digest())


def token(client: Client, form: dict[str, Any], shown: str | None, **environ: Any) -> oauth.Reply:
    """A token request with a proof."""
    extra = environ if shown is None else {"HTTP_DPOP": shown} | environ
    return oauth.token(client, form, **extra)


def redeem(client: Client, code: str, shown: str | None, **environ: Any) -> oauth.Reply:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": "https://app.acme.example/callback",
        "code_verifier": oauth.VERIFIER,
    }
    return token(client, form, shown, **environ)


def refresh(client: Client, text: str, shown: str | None, **environ: Any) -> oauth.Reply:
    form = {"grant_type": "refresh_token", "refresh_token": text}
    return token(client, form, shown, **environ)


def userinfo(text: str, shown: str | None, *, scheme: str = "DPoP", **environ: Any) -> oauth.Reply:
    extra = environ if shown is None else {"HTTP_DPOP": shown} | environ
    return oauth.send("GET", USERINFO, authorization=f"{scheme} {text}", **extra)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
