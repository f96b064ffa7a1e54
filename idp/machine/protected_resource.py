"""What our own protected resources say of themselves (RFC 9728): userinfo, and the API.

Tokens for userinfo name us, those for the API name it. Challenges lead to the document, and the
document to the authorization server.
"""

from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

from core.errors import Refusal
from idp.algorithms import ALGORITHMS
from idp.machine.wire import Request
from idp.models import Client
from idp.models.client import ACCESS, ACCESS_REQUEST, ACCOUNT, ADMIN
from idp.tokens import standard_claims

WELL_KNOWN = "/.well-known/oauth-protected-resource"
USERINFO = "/oauth/userinfo"
API = "/api/v1"
PATHS = ("", USERINFO, API)  # of the resource identifiers, below the issuer


def resources() -> list[str]:
    """The resource identifiers (§1.2)."""
    return [f"{settings.ISSUER}{path}" for path in PATHS]


def api() -> str:
    """The identifier of the API, which is `aud` of the tokens that are meant for it."""
    return f"{settings.ISSUER}{API}"


def base_of(request: Request) -> str:
    """Where the client sees us: `resource` is the very address that it asked (§3.3)."""
    base: str = settings.MTLS_BASE_URL if request.is_at_alias else settings.ISSUER
    return base


def metadata(path: str, base: str) -> dict[str, Any]:
    """The metadata (§2) of the resource at a path below one of our addresses."""
    issuer: str = settings.ISSUER
    is_api = path == API
    return {
        "resource": f"{base}{path}",
        "authorization_servers": [issuer],
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": [ACCESS, ACCESS_REQUEST, ACCOUNT, ADMIN]
        if is_api
        else ["openid", *standard_claims.NAMES_OF_SCOPE],
        "bearer_methods_supported": ["header"] if is_api else ["header", "body"],
        "resource_signing_alg_values_supported": Client.SigningAlg.values,
        "resource_name": "Sallyport API" if is_api else "Sallyport userinfo",
        "tls_client_certificate_bound_access_tokens": True,
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
    }


@lru_cache(maxsize=8)
def document(path: str, base: str) -> bytes:
    return orjson.dumps(metadata(path, base))


def pointer(request: Request, path: str = USERINFO) -> str:
    """The parameter of a challenge at a resource (§5.1)."""
    return f'resource_metadata="{base_of(request)}{WELL_KNOWN}{path}"'


def pointed(refusal: Refusal, request: Request, path: str = USERINFO) -> Refusal:
    """A refusal whose challenge, if it has one, leads to the metadata of the resource."""
    challenge = refusal.headers.get("WWW-Authenticate")
    if challenge is None:
        return refusal
    headers = {**refusal.headers, "WWW-Authenticate": f"{challenge}, {pointer(request, path)}"}
    return Refusal(refusal.code, refusal.detail, refusal.status, headers)
