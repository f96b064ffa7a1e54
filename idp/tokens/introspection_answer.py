"""What introspection tells as a JWT, for who asks for it by Accept (RFC 9701).

It says what a token is, and is none: `typ`, no `sub` and no `exp` keep it from being taken for an
access or ID token (§8.1).
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from core import clock
from idp.clients.authentication import MachineClient
from idp.tokens import encryption, mint

TYPE = "token-introspection+jwt"
MEDIA_TYPE = f"application/{TYPE}"
INACTIVE = {"active": False}


def is_wanted(accept: str) -> bool:
    """Whether an Accept header names the media type. `*/*` means JSON."""
    if TYPE not in accept.lower():
        return False
    for media_range in accept.lower().split(","):
        name, *parameters = (part.replace(" ", "") for part in media_range.split(";"))
        if name == MEDIA_TYPE:
            weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            return bool(weight.strip("0."))
    return False


def as_jwt(told: Mapping[str, Any], client: MachineClient) -> str:
    """Signed for the resource server that asks, and then encrypted where it registered so (§5).

    Of an access token that is not for this resource server nothing is told. Refuses
    INVALID_REQUEST when the answer has to be encrypted, and there is no key.
    """
    recipient = encryption.introspection_recipient(client)
    payload = {
        "iss": settings.ISSUER,
        "aud": client.client_id,
        "iat": int(clock.now().timestamp()),
        "token_introspection": told if _is_for(client, told) else INACTIVE,
    }
    alg = client.metadata.introspection_signed_response_alg or client.signing_alg
    text = mint.sign(payload, typ=TYPE, alg=alg)
    return text if recipient is None else encryption.encrypt(text, recipient)


def _is_for(client: MachineClient, told: Mapping[str, Any]) -> bool:
    """Whether the token's audience is this resource server, by its id or its audience (§5).

    A refresh token has no audience: it was told to nobody but the client that it is of.
    """
    audience = told.get("aud")
    if audience is None:
        return True
    named = audience if isinstance(audience, list) else [audience]
    return not {client.client_id, client.audience or settings.ISSUER}.isdisjoint(named)
