"""Discovery documents (OpenID Connect Discovery 1.0 §3, RFC 8414 §2): what we do, and no more."""

from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

from core.assurance import ACR_VALUES
from idp.models import Client
from idp.models.client import SCOPES
from idp.tokens import encryption, standard_claims, subject


def metadata() -> dict[str, Any]:
    """The provider's metadata. Every value is one that the endpoints really accept."""
    issuer: str = settings.ISSUER
    methods = ["client_secret_basic", "client_secret_post", "none"]
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "require_pushed_authorization_requests": False,
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "end_session_endpoint": f"{issuer}/oauth/end-session",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": list(subject.SUBJECT_TYPES),
        "id_token_signing_alg_values_supported": Client.SigningAlg.values,
        "id_token_encryption_alg_values_supported": list(encryption.ALGORITHMS),
        "id_token_encryption_enc_values_supported": list(encryption.ENCRYPTIONS),
        "userinfo_signing_alg_values_supported": Client.SigningAlg.values,
        "userinfo_encryption_alg_values_supported": list(encryption.ALGORITHMS),
        "userinfo_encryption_enc_values_supported": list(encryption.ENCRYPTIONS),
        "token_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods[:2],
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": list(ACR_VALUES[1:]),
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "at_hash",
            "azp", *standard_claims.NAMES,
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip


@lru_cache(maxsize=4)
def document(issuer: str) -> bytes:  # noqa: ARG001 - the key of the cache
    return orjson.dumps(metadata())
