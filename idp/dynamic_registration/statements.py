"""Software statements: metadata that somebody else vouches for (RFC 7591 §2.3)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from core.errors import Refusal
from idp.tokens import verify

# What says something of the statement itself (RFC 7519 §4.1), and no more of the client.
OF_THE_STATEMENT = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "software_statement"}


def apply(members: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """The members, those of a software statement in place of the application's own.

    Refuses INVALID_SOFTWARE_STATEMENT, and UNAPPROVED_SOFTWARE_STATEMENT for an issuer that no
    setting names (RFC 7591 §3.2.2).
    """
    statement = members.get("software_statement")
    own = {name: value for name, value in members.items() if name != "software_statement"}
    if statement is None:
        return own
    if not isinstance(statement, str):
        raise Refusal("invalid_software_statement", "The software statement is a JWT.")
    claims = verify.software_statement(
        statement, issuers=settings.REGISTRATION_SOFTWARE_STATEMENT_ISSUERS, now=now
    )
    return own | {name: value for name, value in claims.items() if name not in OF_THE_STATEMENT}
