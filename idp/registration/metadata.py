"""What a client registers beyond the columns of its row: client metadata (RFC 7591 §2).

Names are those of the IANA registry "OAuth Dynamic Client Registration Metadata". Only what differs
from the default is kept, as JSON beside the row; every hot path reads it parsed, from the cache of
clients.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any, Self, get_type_hints

from core.errors import Refusal

MAX_TEXT_LENGTH = 2_000
MAX_ITEMS = 50
FAPI2 = "fapi2"


@dataclass(frozen=True)
class ClientMetadata:
    """Lists are tuples; an absent text is empty. Seconds are whole.

    security_profile: "" or "fapi2", which turns on all rules of that profile together.
    require_pkce: ours; only for clients that certify against plain OpenID Connect Core.
    access_token_status_list: ours; each access token gets a place in a public list of the revoked.
    may_sign_people_out: ours; lets the client end everything that somebody of its organisation is
    signed in to (`idp.endpoints.global_revocation`).
    authzen_subject_id: ours; how questions to policy name people: `sub`, `email` or
    `preferred_username`.
    claim_mappings: ours; further claims of its tokens (`idp.registration.claim_mappings`).
    jwks: public keys by value, a JWK Set; jwks_uri: by reference. Never both.
    tls_client_auth_*: at most one, the name that the client's certificate must carry (RFC 8705 §2).
    """

    response_types: tuple[str, ...] = ("code",)
    application_type: str = "web"
    require_pkce: bool = True
    security_profile: str = ""
    may_sign_people_out: bool = False
    contacts: tuple[str, ...] = ()
    client_uri: str = ""
    logo_uri: str = ""
    policy_uri: str = ""
    tos_uri: str = ""
    initiate_login_uri: str = ""
    software_id: str = ""
    software_version: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    token_endpoint_auth_signing_alg: str = ""
    tls_client_auth_subject_dn: str = ""
    tls_client_auth_san_dns: str = ""
    tls_client_auth_san_uri: str = ""
    tls_client_auth_san_ip: str = ""
    tls_client_auth_san_email: str = ""
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str = ""
    request_object_encryption_alg: str = ""
    request_object_encryption_enc: str = ""
    request_uris: tuple[str, ...] = ()
    subject_type: str = "public"
    sector_identifier_uri: str = ""
    id_token_encrypted_response_alg: str = ""
    id_token_encrypted_response_enc: str = ""
    userinfo_signed_response_alg: str = ""
    userinfo_encrypted_response_alg: str = ""
    userinfo_encrypted_response_enc: str = ""
    introspection_signed_response_alg: str = ""
    introspection_encrypted_response_alg: str = ""
    introspection_encrypted_response_enc: str = ""
    authorization_signed_response_alg: str = ""
    default_max_age: int | None = None
    require_auth_time: bool = False
    default_acr_values: tuple[str, ...] = ()
    backchannel_logout_uri: str = ""
    backchannel_logout_session_required: bool = False
    frontchannel_logout_uri: str = ""
    frontchannel_logout_session_required: bool = False
    backchannel_token_delivery_mode: str = ""
    backchannel_client_notification_endpoint: str = ""
    backchannel_authentication_request_signing_alg: str = ""
    backchannel_user_code_parameter: bool = False
    authorization_details_types: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    access_token_status_list: bool = False
    authzen_subject_id: str = "sub"
    claim_mappings: dict[str, Any] | None = None

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What was kept; unknown names, of a later release, are passed over."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in stored.items()
            if name in _TYPES
        }
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Only what differs from the default."""
        default = asdict(DEFAULT)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if value != default[name]
        }

    @cached_property
    def is_fapi2(self) -> bool:
        return self.security_profile == FAPI2

    def may_omit_pkce(self, *, is_confidential: bool) -> bool:
        """Only where a secret or key stands in for it, and the client has registered so."""
        return is_confidential and not self.require_pkce and not self.is_fapi2


_TYPES = get_type_hints(ClientMetadata)
NAMES = tuple(field.name for field in fields(ClientMetadata))
DEFAULT = ClientMetadata()


def parse(values: Mapping[str, Any]) -> ClientMetadata:
    """Read metadata that somebody sent; refuses INVALID_CLIENT_METADATA for a wrong name or type.

    What the values may be is judged by `rules.py`.
    """
    for name, value in values.items():
        if name not in _TYPES:
            raise _refusal(f"{name[:64]} is not metadata that we know.")
        if not _fits(_TYPES[name], value):
            raise _refusal(f"{name} has the wrong type or size.")
    return ClientMetadata.from_json(values)


def _fits(wanted: Any, value: Any) -> bool:
    if wanted is bool:
        return isinstance(value, bool)
    if wanted is str:
        return isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH and value.isprintable()
    if wanted == tuple[str, ...]:
        return (
            isinstance(value, list | tuple)
            and len(value) <= MAX_ITEMS
            and all(_fits(str, item) for item in value)
        )
    if wanted == int | None:
        return value is None or (isinstance(value, int) and not isinstance(value, bool))
    return value is None or isinstance(value, dict)


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
