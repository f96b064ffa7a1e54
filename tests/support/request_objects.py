"""Signs request objects as a client would."""

import base64
import json
from functools import cache
from typing import Any

from django.conf import settings
from joserfc import jwe, jws
from joserfc.jwk import ECKey, RSAKey

from accounts.models import Organisation
from core import clock
from idp.models import Client
from tests import cast
from tests.support import oauth
from tests.support.authorize import parameters


class AnyHeader(jws.JWSRegistry):
    """Signs whatever header it is given."""

    max_payload_length = 1_000_000

    def check_header(self, header: Any) -> None:
        return None


class AnyHeaderOfJWE(jwe.JWERegistry):
    """Encrypts under whatever header it is given."""

    def check_header(self, header: Any, check_more: bool = False) -> None:
        return None


def key(alg: str = "ES256", owner: str = "client") -> ECKey | RSAKey:
    """The one key of this owner for this algorithm."""
    return _key(alg, owner)


@cache
def _key(alg: str, owner: str) -> ECKey | RSAKey:
    kid = {"kid": f"{owner}-{alg}"}
    if alg == "ES256":
        return ECKey.generate_key("P-256", kid)
    return RSAKey.generate_key(2048, kid)


def jwks(owner: str = "client") -> dict[str, Any]:
    keys = [key(alg, owner) for alg in ("ES256", "PS256", "RS256")]
    return {"keys": [each.as_dict(private=False) for each in keys]}


def signing_client(client_id: str, of: Organisation, **metadata: Any) -> Client:
    """A confidential first-party client whose public keys are registered."""
    values = {"jwks": jwks(), "dpop_bound_access_tokens": False} | metadata
    return cast.client(client_id, of, is_first_party=True, metadata=values)


def claims(client: Client | str, **changes: Any) -> dict[str, Any]:
    """A correct request with the claims of its JWT; `changes` replace or (None) drop some."""
    client_id = client if isinstance(client, str) else client.client_id
    now = int(clock.now().timestamp())
    times = {"nbf": now, "exp": now + 300}
    whole = parameters(client_id) | {"iss": client_id, "aud": settings.ISSUER} | times
    return {name: value for name, value in (whole | changes).items() if value is not None}


def sign(
    payload: Any, *, alg: str = "ES256", by: Any = None, header: dict[str, Any] | None = None
) -> str:
    signer = by or key(alg)
    head = {"alg": alg, "kid": signer.kid, "typ": "oauth-authz-req+jwt"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    body = payload if isinstance(payload, bytes | str) else json.dumps(payload)
    registry = AnyHeader(algorithms=["ES256", "PS256", "RS256", "HS256"])
    return jws.serialize_compact(head, body, signer, registry=registry)


def published(alg: str = "ECDH-ES+A256KW") -> dict[str, Any]:
    """The server's key for this way of encrypting, out of its JWKS."""
    found = oauth.send("GET", "/oauth/jwks").json["keys"]
    (jwk,) = [jwk for jwk in found if jwk["use"] == "enc" and jwk["alg"] == alg]
    return dict(jwk)


def encrypt(
    text: str | bytes,
    *,
    alg: str = "ECDH-ES+A256KW",
    enc: str = "A128CBC-HS256",
    to: Any = None,
    header: dict[str, Any] | None = None,
) -> str:
    """A compact JWE to the server's published key; `header` adds members or (None) drops some.

    to: another key to encrypt to, as a JWK.
    """
    jwk = to or published(alg)
    head = {"alg": alg, "enc": enc, "kid": jwk["kid"], "cty": "JWT"} | (header or {})
    head = {name: value for name, value in head.items() if value is not None}
    public = (RSAKey if jwk["kty"] == "RSA" else ECKey).import_key(
        {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
    )
    registry = AnyHeaderOfJWE(algorithms=[alg, enc, "DEF"])
    return jwe.encrypt_compact(head, text, public, registry=registry)


def unsigned(payload: Any, alg: str = "none") -> str:
    return f"{encode({'alg': alg})}.{encode(payload)}."


def encode(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
