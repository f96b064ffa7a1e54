"""Discovery documents (OpenID Connect Discovery 1.0 §3, RFC 8414 §2): what we do, and no more."""

from functools import lru_cache
from typing import Any

import orjson
from django.conf import settings

from core.assurance import ACR_VALUES
from idp import encryption_keys
from idp.algorithms import ALGORITHMS
from idp.authorization.reply import MODES
from idp.clients.assertions import SECRET_ALGORITHMS
from idp.endpoints.global_revocation import AUTH_METHODS
from idp.machine import protected_resource
from idp.models import Client
from idp.models.client import (
    ACCESS,
    ACCESS_REQUEST,
    ACCOUNT,
    ADMIN,
    AUTHZEN,
    CIBA,
    DEVICE_CODE,
    POLICY_READ,
    SCOPES,
    SECRET_METHODS,
    TOKEN_EXCHANGE,
)
from idp.registration.backchannel import DELIVERY_MODES
from idp.requests.response_types import RESPONSE_TYPES
from idp.tokens import encryption, standard_claims, status, subject

# Where browsers go, or where no client shows its certificate.
NOT_AT_THE_ALIAS = {
    "authorization_endpoint", "end_session_endpoint", "registration_endpoint",
    "status_list_aggregation_endpoint",
    "global_token_revocation_endpoint",
}  # fmt: skip


def metadata() -> dict[str, Any]:
    """The provider's metadata. Every value is one that the endpoints really accept."""
    issuer: str = settings.ISSUER
    optional: dict[str, Any] = {}
    if settings.SESSION_MANAGEMENT:
        optional["check_session_iframe"] = f"{issuer}/session/check/"
    if settings.AUTHORIZATION_DETAILS_TYPES:  # RFC 9396 §10
        optional["authorization_details_types_supported"] = settings.AUTHORIZATION_DETAILS_TYPES
    confidential, signing = _auth_methods(), [*ALGORITHMS, *SECRET_ALGORITHMS]
    methods = [*confidential, "none"]
    found: dict[str, Any] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "require_pushed_authorization_requests": False,
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "device_authorization_endpoint": f"{issuer}/oauth/device_authorization",
        "backchannel_authentication_endpoint": f"{issuer}/oauth/bc-authorize",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "end_session_endpoint": f"{issuer}/oauth/end-session",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "registration_endpoint": f"{issuer}/oauth/register",
        "status_list_aggregation_endpoint": issuer + status.PATH,
        "protected_resources": protected_resource.resources(),
        "scopes_supported": [
            *SCOPES, AUTHZEN, ACCESS, ACCESS_REQUEST, ACCOUNT, ADMIN, POLICY_READ,
        ],
        "response_types_supported": list(RESPONSE_TYPES),
        "response_modes_supported": list(MODES),
        "authorization_signing_alg_values_supported": Client.SigningAlg.values,
        "grant_types_supported": [
            "authorization_code", "refresh_token", "client_credentials", DEVICE_CODE,
            CIBA, TOKEN_EXCHANGE, "implicit",
        ],
        "subject_types_supported": list(subject.SUBJECT_TYPES),
        "id_token_signing_alg_values_supported": Client.SigningAlg.values,
        "id_token_encryption_alg_values_supported": list(encryption.ALGORITHMS),
        "id_token_encryption_enc_values_supported": list(encryption.ENCRYPTIONS),
        "userinfo_signing_alg_values_supported": Client.SigningAlg.values,
        "userinfo_encryption_alg_values_supported": list(encryption.ALGORITHMS),
        "userinfo_encryption_enc_values_supported": list(encryption.ENCRYPTIONS),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": signing,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": signing,
        "introspection_signing_alg_values_supported": Client.SigningAlg.values,
        "introspection_encryption_alg_values_supported": list(encryption.ALGORITHMS),
        "introspection_encryption_enc_values_supported": list(encryption.ENCRYPTIONS),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": signing,
        "global_token_revocation_endpoint": f"{issuer}/oauth/global-token-revocation",
        "global_token_revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "tls_client_certificate_bound_access_tokens": True,
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": list(ACR_VALUES[1:]),
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "at_hash",
            "azp", *standard_claims.NAMES,
        ],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "backchannel_token_delivery_modes_supported": list(DELIVERY_MODES),
        "backchannel_authentication_request_signing_alg_values_supported": list(ALGORITHMS),
        "backchannel_user_code_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
        "authorization_response_iss_parameter_supported": True,
        "claims_parameter_supported": True,
        "display_values_supported": ["page"],
        "ui_locales_supported": ["en-GB"],
        "request_parameter_supported": True,
        "request_uri_parameter_supported": True,
        "require_request_uri_registration": True,
        "request_object_signing_alg_values_supported": list(ALGORITHMS),
        "request_object_encryption_alg_values_supported": list(encryption_keys.ALGORITHMS),
        "request_object_encryption_enc_values_supported": list(encryption.ENCRYPTIONS),
        "client_id_metadata_document_supported": bool(
            settings.CLIENT_DOCUMENTS_ORGANISATION and settings.CLIENT_DOCUMENTS_HOSTS
        ),
        **optional,
    }  # fmt: skip
    if settings.MTLS_BASE_URL:  # RFC 8705 §5
        found["mtls_endpoint_aliases"] = {
            name: settings.MTLS_BASE_URL + value.removeprefix(issuer)
            for name, value in found.items()
            if name.endswith("_endpoint") and name not in NOT_AT_THE_ALIAS
        }
    return found


def _auth_methods() -> list[str]:
    """How confidential clients may authenticate; by certificate where the proxy hands it over."""
    methods = [*SECRET_METHODS, "private_key_jwt"]
    if settings.MTLS_HEADER:
        methods.append("self_signed_tls_client_auth")
        if settings.MTLS_VERIFY_HEADER:
            methods.append("tls_client_auth")
    return methods


@lru_cache(maxsize=4)
def document(bases: tuple[str, ...]) -> bytes:  # noqa: ARG001 - the key of the cache
    return orjson.dumps(metadata())
