"""Signs request objects as a client would."""

import base64
import json
from functools import cache
from typing import Any

from django.conf import settings
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from accounts.models import Organisation
from core import clock
from idp.models import Client
from tests import cast
from tests.support.authorize import parameters


class AnyHeader(jws.JWSRegistry):
    """Signs whatever header it is given."""

    max_payload_length = 1_000_000

    def check_header(self, header: Any) -> None:
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


def unsigned(payload: Any, alg: str = "none") -> str:
    return f"{encode({'alg': alg})}.{encode(payload)}."


def encode(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
