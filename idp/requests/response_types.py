"""What an authorization request may ask for (OpenID Connect Core 1.0 §3; RFC 6749 §3.1.1).

`code` is for everybody. Tokens out of the authorization endpoint travel through the browser, so a
client has to register each such type; an access token alone is not to be had at all (RFC 9700
§2.1.2).
"""

from core.errors import Refusal
from idp.models.client import Client
from idp.registration.metadata import ClientMetadata

WORDS = ("code", "id_token", "token")
RESPONSE_TYPES = (
    "code",
    "code id_token",
    "code token",
    "code id_token token",
    "id_token",
    "id_token token",
)


def canonical(response_type: str) -> str:
    """The name with its words in our order; "" if a word is unknown or stands there twice."""
    words = response_type.split()
    named = " ".join(word for word in WORDS if word in words)
    return named if sorted(words) == sorted(named.split()) else ""


def check_registered(metadata: ClientMetadata) -> None:
    """What may be registered about answers; refuses INVALID_CLIENT_METADATA."""
    for name in metadata.response_types:
        if canonical(name) not in RESPONSE_TYPES:
            raise _refusal(f"{name[:64]} is not a response type of this server.")
    if not metadata.response_types:
        raise _refusal("Give at least one response type.")
    has_more = any(canonical(name) != "code" for name in metadata.response_types)
    if metadata.is_fapi2 and has_more:
        raise _refusal("The profile fapi2 has the response type code alone.")
    if metadata.is_fapi2 and not metadata.require_pkce:
        raise _refusal("The profile fapi2 requires PKCE.")
    if is_bound(metadata) and any("token" in name.split() for name in metadata.response_types):
        raise _refusal("Bound access tokens cannot come from the authorization endpoint.")
    if metadata.default_max_age is not None and metadata.default_max_age < 0:
        raise _refusal("default_max_age is a number of seconds from 0.")
    alg = metadata.authorization_signed_response_alg
    if alg and alg not in Client.SigningAlg.values:
        raise _refusal("authorization_signed_response_alg is not one of ours.")


def is_bound(metadata: ClientMetadata) -> bool:
    """Whether each access token of the client is bound to a key, which a browser cannot show."""
    return metadata.dpop_bound_access_tokens or metadata.tls_client_certificate_bound_access_tokens


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
