"""Clients that authenticate by keys, and what they sign."""

import base64
import json
from functools import cache
from typing import Any

from django.conf import settings
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

from core import clock
from core.ids import new_token
from idp.models import Client
from tests import cast
from tests.support import oauth
from tests.support.oauth import Reply

ISSUER = "http://localhost:8000"
TOKEN_URL = f"{ISSUER}/oauth/token"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MACHINE = {"grant_types": ["client_credentials"], "scopes": ["reports"]}


@cache
def ec_key(name: str = "first", curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": name})


@cache
def rsa_key(name: str = "rsa", bits: int = 2048) -> RSAKey:
    return RSAKey.generate_key(bits, {"kid": name})


def jwks(*keys: Any, kid: bool = True) -> dict[str, Any]:
    """A JWK Set of the public halves."""
    public = [key.as_dict(private=False) for key in keys]
    if not kid:
        public = [{name: part for name, part in jwk.items() if name != "kid"} for jwk in public]
    return {"keys": public}


def client(of: Any, *keys: Any, client_id: str = "acme-keys", **metadata: Any) -> Client:
    """A client that authenticates by private_key_jwt, for itself; a new one replaces the cached."""
    known = {"jwks": jwks(*(keys or (ec_key(), rsa_key())))} if "jwks_uri" not in metadata else {}
    return cast.client(
        client_id,
        of,
        token_endpoint_auth_method="private_key_jwt",
        secret_digest=None,
        metadata=known | metadata,
        **MACHINE,
    )


def claims(client_id: str = "acme-keys", **changes: Any) -> dict[str, Any]:
    """The claims of a good assertion; `changes` replace or (None) drop."""
    now = int(clock.now().timestamp())
    good = {
        "iss": client_id,
        "sub": client_id,
        "aud": settings.ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": new_token(),
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def sign(payload: Any, key: Any = None, alg: str = "ES256", **header: Any) -> str:
    """A compact JWS; the kid is the key's own unless the header says otherwise (None: without)."""
    key = key or ec_key()
    kid = {} if isinstance(key, OctKey) else {"kid": key.kid}
    head = {
        name: value for name, value in ({"alg": alg} | kid | header).items() if value is not None
    }
    text = payload if isinstance(payload, str) else json.dumps(payload)
    registry = jws.JWSRegistry(algorithms=[alg], strict_check_header=False)
    return jws.serialize_compact(head, text, key, registry=registry)


def forge(header: Any, payload: Any, signature: bytes = b"x" * 64) -> str:
    """What looks like a JWS and is signed by nobody. Text goes in as it is."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload)
    ]
    return ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature)
    )


def present(assertion: str | None, path: str = "/oauth/token", **fields: Any) -> Reply:
    """Ask the token endpoint, or another, with an assertion."""
    form = {"grant_type": "client_credentials"} if path == "/oauth/token" else {"token": "x"}
    form |= {"client_assertion_type": TYPE, "client_assertion": assertion} | fields
    form = {name: value for name, value in form.items() if value is not None}
    return oauth.send("POST", path, form=form)
