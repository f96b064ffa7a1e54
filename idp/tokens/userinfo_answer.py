"""Userinfo as a JWT, for clients that registered so (OpenID Connect Core 1.0 §5.3.2)."""

from datetime import datetime
from typing import Any

import orjson
from django.conf import settings

from core.errors import Refusal
from idp.clients import authentication
from idp.tokens import encryption, mint

USERINFO_TYPE = "JWT"


def as_jwt(claims: dict[str, Any], *, client_id: str, changed_at: datetime) -> str:
    """The claims signed, encrypted, or signed and then encrypted; for this client alone.

    changed_at: of the client's row. Refuses INVALID_TOKEN when the client is gone, INVALID_REQUEST
    when it has no key for us; raises StaleClient.
    """
    client = authentication.find_client(client_id)
    if client is None:
        raise Refusal.invalid_token("The access token is no longer good.")
    authentication.same_client(client, changed_at)
    recipient = encryption.userinfo_recipient(client)
    said = {"iss": settings.ISSUER, "aud": client_id, **claims}
    alg = client.metadata.userinfo_signed_response_alg
    if recipient is None:
        return mint.sign(said, typ=USERINFO_TYPE, alg=alg or client.signing_alg)
    text = mint.sign(said, typ=USERINFO_TYPE, alg=alg) if alg else orjson.dumps(said).decode()
    return encryption.encrypt(text, recipient, is_jwt=bool(alg))
