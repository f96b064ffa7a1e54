"""Client metadata as it is sent and answered (RFC 7591 §2, OpenID Connect Registration 1.0 §2).

What is not understood is left out (RFC 7591 §2), and the answer shows what was kept. Algorithms and
features are those that discovery announces, so the two cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from core.errors import Refusal
from idp.dynamic_registration import ways
from idp.dynamic_registration.permission import Permission
from idp.machine import discovery
from idp.models import Client
from idp.registration import metadata, rules
from idp.registration.metadata import ClientMetadata

# Ours, and none of an application's own business.
KEPT_FROM_CLIENTS = {
    "require_pkce", "security_profile", "resources", "access_token_status_list",
    "may_sign_people_out", "authzen_subject_id", "claim_mappings",
}  # fmt: skip
# Rules that a client may bring upon itself and never shake off, whoever brought them upon it: so
# none that an administrator has set is gone with the client's next PUT.
NEVER_DROPPED = {
    "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens",
    "require_pushed_authorization_requests", "require_signed_request_object",
}  # fmt: skip
COLUMNS = {
    "client_name": "name",
    "redirect_uris": "redirect_uris",
    "post_logout_redirect_uris": "post_logout_redirect_uris",
    "grant_types": "grant_types",
    "scope": "scopes",
    "id_token_signed_response_alg": "signing_alg",
    "token_endpoint_auth_method": "token_endpoint_auth_method",
}
# A member's value is one of those that this member of discovery lists.
ANNOUNCED = {
    "subject_type": "subject_types_supported",
    "id_token_signed_response_alg": "id_token_signing_alg_values_supported",
    "id_token_encrypted_response_alg": "id_token_encryption_alg_values_supported",
    "id_token_encrypted_response_enc": "id_token_encryption_enc_values_supported",
    "userinfo_signed_response_alg": "userinfo_signing_alg_values_supported",
    "userinfo_encrypted_response_alg": "userinfo_encryption_alg_values_supported",
    "userinfo_encrypted_response_enc": "userinfo_encryption_enc_values_supported",
    "introspection_signed_response_alg": "introspection_signing_alg_values_supported",
    "introspection_encrypted_response_alg": "introspection_encryption_alg_values_supported",
    "introspection_encrypted_response_enc": "introspection_encryption_enc_values_supported",
    "authorization_signed_response_alg": "authorization_signing_alg_values_supported",
    "request_object_signing_alg": "request_object_signing_alg_values_supported",
    "request_object_encryption_alg": "request_object_encryption_alg_values_supported",
    "request_object_encryption_enc": "request_object_encryption_enc_values_supported",
    "token_endpoint_auth_method": "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg": "token_endpoint_auth_signing_alg_values_supported",
    "backchannel_token_delivery_mode": "backchannel_token_delivery_modes_supported",
    "backchannel_authentication_request_signing_alg": (
        "backchannel_authentication_request_signing_alg_values_supported"
    ),
}
# Rules that an application sets itself: refused where they would not be kept.
PROMISES = {
    "dpop_bound_access_tokens": "dpop_signing_alg_values_supported",
    "tls_client_certificate_bound_access_tokens": "tls_client_certificate_bound_access_tokens",
    "require_pushed_authorization_requests": "pushed_authorization_request_endpoint",
    "require_signed_request_object": "request_parameter_supported",
}
# Left out where the feature does not exist.
FEATURES = {
    "backchannel_logout_uri": "backchannel_logout_supported",
    "backchannel_logout_session_required": "backchannel_logout_supported",
    "frontchannel_logout_uri": "frontchannel_logout_supported",
    "frontchannel_logout_session_required": "frontchannel_logout_supported",
    "request_uris": "request_uri_parameter_supported",
    "authorization_details_types": "authorization_details_types_supported",
    "backchannel_client_notification_endpoint": "backchannel_authentication_endpoint",
}
APPLICATION_TYPES = {"web", "native"}
DEFAULT_METHOD = "client_secret_basic"
DEFAULT_ALGORITHM = "RS256"


@dataclass(frozen=True)
class Registration:
    """kind: as in `Client.Kind`. values: by the name of their column, all judged."""

    kind: str
    values: Mapping[str, Any]


def read(members: Mapping[str, Any], permission: Permission) -> Registration:
    """What an application wants to be, if it may be that.

    Refuses INVALID_REDIRECT_URI and INVALID_CLIENT_METADATA (RFC 7591 §3.2.2).
    """
    sent = {name: value for name, value in members.items() if value is not None}
    announced = discovery.metadata()
    _check_announced(sent, announced)
    method = _text(sent, "token_endpoint_auth_method") or DEFAULT_METHOD
    kind = Client.Kind.PUBLIC if method == "none" else Client.Kind.CONFIDENTIAL
    redirect_uris = _texts(sent, "redirect_uris") or []
    grant_types, response_types = ways.fit(
        _texts(sent, "grant_types"),
        _texts(sent, "response_types"),
        supported=announced["response_types_supported"],
    )
    if forbidden := set(grant_types) - permission.grant_types:
        raise _refusal(f"The grant type {min(forbidden)} is not open to this registration.")
    known = {
        name: value
        for name, value in sent.items()
        if name in metadata.NAMES and name not in KEPT_FROM_CLIENTS and _exists(name, announced)
    }
    known["response_types"] = response_types or list(metadata.DEFAULT.response_types)
    if not permission.requires_pkce and kind == Client.Kind.CONFIDENTIAL:
        known["require_pkce"] = False
    values = {
        "name": _text(sent, "client_name") or _name_for(redirect_uris),
        "redirect_uris": redirect_uris,
        "post_logout_redirect_uris": _texts(sent, "post_logout_redirect_uris") or [],
        "grant_types": ways.to_column(grant_types),
        "scopes": _scopes(sent, permission),
        "signing_alg": _text(sent, "id_token_signed_response_alg") or DEFAULT_ALGORITHM,
        "token_endpoint_auth_method": method,
        "metadata": known,
    }
    checked = {name: _checked(name, value, kind=kind.value) for name, value in values.items()}
    if response_types:
        if not redirect_uris:
            raise Refusal("invalid_redirect_uri", "At least one redirect URI is needed.")
        _check_application_type(
            ClientMetadata.from_json(checked["metadata"]), redirect_uris, response_types
        )
    return Registration(kind.value, checked)


def write(client: Client) -> dict[str, Any]:
    """All that is registered, by the names of RFC 7591; no secret."""
    known = ClientMetadata.from_json(client.metadata)
    kept = known.to_json()
    grant_types, response_types = ways.of_client(client)
    answer: dict[str, Any] = {
        name: value for name, value in kept.items() if name not in KEPT_FROM_CLIENTS
    }
    answer |= {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "grant_types": grant_types,
        "response_types": response_types,
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "scope": " ".join(client.scopes),
        "id_token_signed_response_alg": client.signing_alg,
        "application_type": known.application_type,
        "subject_type": known.subject_type,
    }
    if client.post_logout_redirect_uris:
        answer["post_logout_redirect_uris"] = client.post_logout_redirect_uris
    return answer


def with_ours(wanted: Mapping[str, Any], *, client: Client) -> dict[str, Any]:
    """The metadata that a client asks for, but for what stays as it is.

    That is all of KEPT_FROM_CLIENTS, and what is on of NEVER_DROPPED.
    """
    kept = KEPT_FROM_CLIENTS | {name for name in NEVER_DROPPED if client.metadata.get(name)}
    return {name: value for name, value in wanted.items() if name not in kept} | {
        name: value for name, value in client.metadata.items() if name in kept
    }


def _checked(column: str, value: Any, *, kind: str) -> Any:
    try:
        return rules.check({column: value}, kind=kind)[column]
    except Refusal as refusal:
        if refusal.status != 400:  # noqa: PLR2004 - not about what was sent
            raise
        code = "invalid_redirect_uri" if column == "redirect_uris" else "invalid_client_metadata"
        raise Refusal(code, refusal.detail) from refusal


def _check_announced(sent: Mapping[str, Any], announced: Mapping[str, Any]) -> None:
    for name, member in ANNOUNCED.items():
        value = _text(sent, name)
        if value and value not in announced.get(member, []):
            raise _refusal(f"{name} may not have this value: see {member} of discovery.")
    for name, member in PROMISES.items():
        if sent.get(name) is True and not announced.get(member):
            raise _refusal(f"{name} is not supported.")


def _exists(name: str, announced: Mapping[str, Any]) -> bool:
    return name not in FEATURES or bool(announced.get(FEATURES[name]))


def _scopes(sent: Mapping[str, Any], permission: Permission) -> list[str]:
    scope = _text(sent, "scope")
    if scope is None:
        return list(permission.scopes)
    wanted = scope.split()
    if set(wanted) - set(permission.scopes):
        raise _refusal("A scope is unknown, or not open to this registration.")
    return wanted


def _check_application_type(
    known: ClientMetadata, redirect_uris: list[str], response_types: list[str]
) -> None:
    """OpenID Connect Registration 1.0 §2, application_type; RFC 8252 §7.2 for https and native."""
    if known.application_type not in APPLICATION_TYPES:
        raise _refusal("application_type is web or native.")
    if known.application_type == "native":
        return
    is_implicit = any({"id_token", "token"} & set(name.split()) for name in response_types)
    for uri in redirect_uris:
        parts = urlsplit(uri)
        if parts.scheme not in {"https", "http"}:
            raise Refusal("invalid_redirect_uri", "A scheme of its own is for native applications.")
        if is_implicit and (parts.scheme != "https" or parts.hostname in rules.LOOPBACK_HOSTS):
            raise Refusal(
                "invalid_redirect_uri", "A web application without the code uses https addresses."
            )


def _name_for(redirect_uris: list[str]) -> str:
    """What to call an application that gave no name: the place it lives."""
    try:
        host = urlsplit(redirect_uris[0]).hostname if redirect_uris else None
    except ValueError:
        host = None
    return (host or "Unnamed application")[: rules.MAX_NAME_LENGTH]


def _text(sent: Mapping[str, Any], name: str) -> str | None:
    value = sent.get(name)
    if value is not None and not isinstance(value, str):
        raise _refusal(f"{name} is a text.")
    return value


def _texts(sent: Mapping[str, Any], name: str) -> list[str] | None:
    value = sent.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        code = "invalid_redirect_uri" if name == "redirect_uris" else "invalid_client_metadata"
        raise Refusal(code, f"{name} is a list of texts.")
    return value


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
