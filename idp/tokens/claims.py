"""What tokens say: registered claims come from here alone, whatever users may edit."""

import base64
import hashlib
import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from core.assurance import Level
from core.ids import base64url, new_token
from core.prepared import Row
from idp.algorithms import ED25519
from idp.models.client import AUTHZEN, POLICY_READ
from idp.tokens import standard_claims
from idp.tokens.encryption import Recipient
from sessions.evaluation import Resource

OURS = frozenset({"openid", AUTHZEN, POLICY_READ})  # scopes of resources that are ours
BASIC_ACR = frozenset({"aal1", "aal2"})
JTI_ID_SIZE, JTI_RANDOM_SIZE = 16, 8
LOGOUT_TOKEN_LIFETIME = timedelta(minutes=2)
_NOTHING: Mapping[str, Any] = {}


class Authorization(NamedTuple):
    """What a grant type has proven, and the only thing that tokens are made from.

    resource: `aud` of the access token where the client asked for one (RFC 8707).
    cnf: what the access token is bound to (RFC 7800): {"jkt": …} or {"x5t#S256": …}.
    act: who acts for the subject (RFC 8693 §4.1).
    person: claims about the user that go into the ID token; never over a registered one.
    mapped: further claims of the access token, neither.
    is_listed: whether the access token gets a place in a status list (`idp.tokens.status`).
    recipient: whom the ID token is encrypted to, if it is.
    grants: the ids of those that elevated any of the roles; grants_end_at: the first end of them.
    ends_at: no token outlives this (session, family, and the roles that it carries).
    """

    client_id: str
    audience: str
    alg: str
    scope: str
    now: datetime
    ends_at: datetime
    stem: UUID
    subject: str
    session_id: UUID | None = None
    acr: str = ""
    amr: tuple[str, ...] = ()
    auth_time: datetime | None = None
    nonce: str = ""
    roles: tuple[str, ...] | None = None
    grants: tuple[str, ...] = ()
    grants_end_at: datetime | None = None
    organisation: str = ""
    resource: tuple[str, ...] = ()
    authorization_details: tuple[dict[str, Any], ...] = ()
    cnf: dict[str, str] | None = None
    act: dict[str, Any] | None = None
    recipient: Recipient | None = None
    person: Mapping[str, Any] | None = None
    is_listed: bool = False
    mapped: Mapping[str, Any] = _NOTHING

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()


def grants_of(token_claims: Mapping[str, Any]) -> set[str]:
    """The grants that elevated what the token carries."""
    named = token_claims.get("grant_id", [])
    return {named} if isinstance(named, str) else set(named)


def session_end(row: Row) -> datetime:
    """When the session is over if this is its last use, or the family, whichever is first."""
    idle: timedelta = settings.SESSION_IDLE_LIFETIME
    end: datetime = min(row["session_expires_at"], row["now"] + idle, row["family_expires_at"])
    return end


def make_jti(stem: UUID) -> str:
    """A token id that begins with the row the token stands on: its family, or its client."""
    return _encode(stem.bytes + os.urandom(JTI_RANDOM_SIZE))


def stem_of(jti: str) -> UUID | None:
    """The row that a token of this id stands on."""
    try:
        raw = base64.urlsafe_b64decode(jti + "=" * (-len(jti) % 4))
        return UUID(bytes=raw[:JTI_ID_SIZE]) if len(raw) == JTI_ID_SIZE + JTI_RANDOM_SIZE else None
    except ValueError:
        return None


def access_token(authorization: Authorization) -> dict[str, Any]:
    """The claims of an access token (RFC 9068 §2.2)."""
    lifetime: timedelta = settings.ACCESS_TOKEN_LIFETIME
    issuer: str = settings.ISSUER
    wanted = list(authorization.resource) or [authorization.audience or issuer]
    if OURS & {*authorization.scopes} and issuer not in wanted:
        wanted.append(issuer)  # userinfo, or policy, is an audience of its own
    audience: Any = wanted if len(wanted) > 1 else wanted[0]
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": authorization.subject,
        "aud": audience,
        "client_id": authorization.client_id,
        "iat": _seconds(authorization.now),
        "exp": _seconds(min(authorization.now + lifetime, authorization.ends_at)),
        "jti": make_jti(authorization.stem),
        "scope": authorization.scope,
    }
    if authorization.authorization_details:
        claims["authorization_details"] = list(authorization.authorization_details)
    if authorization.cnf is not None:
        claims["cnf"] = authorization.cnf
    if authorization.act is not None:
        claims["act"] = authorization.act
    return {**authorization.mapped} | claims | _authentication(authorization)


def id_token(
    authorization: Authorization, access_token_text: str | None, code: str | None = None
) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core 1.0 §2, §3.1.3.6, §3.3.2.11).

    code: the one that it is given out with, at the authorization endpoint.
    """
    lifetime: timedelta = settings.ID_TOKEN_LIFETIME
    claims: dict[str, Any] = {
        "iss": settings.ISSUER,
        "sub": authorization.subject,
        "aud": authorization.client_id,
        "azp": authorization.client_id,
        "iat": _seconds(authorization.now),
        "exp": _seconds(min(authorization.now + lifetime, authorization.ends_at)),
    }
    if access_token_text is not None:
        claims["at_hash"] = _half_hash(access_token_text, authorization.alg)
    if code is not None:
        claims["c_hash"] = _half_hash(code, authorization.alg)
    if authorization.nonce:
        claims["nonce"] = authorization.nonce
    return {**(authorization.person or {}), **claims, **_authentication(authorization)}


def logout_token(
    *, client_id: str, subject: str, session_id: UUID, now: datetime
) -> dict[str, Any]:
    """The claims of a logout token (Back-Channel Logout 1.0 §2.4).

    No nonce: by that it could pass for an ID token.
    """
    return {
        "iss": settings.ISSUER,
        "sub": subject,
        "aud": client_id,
        "iat": _seconds(now),
        "exp": _seconds(now + LOGOUT_TOKEN_LIFETIME),
        "jti": new_token(16),
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        "sid": str(session_id),
    }


def userinfo(row: Row, scopes: list[str], *, subject: str, roles: Sequence[str]) -> dict[str, Any]:
    """The claims that the scopes allow (OpenID Connect Core 1.0 §5.4). subject: the token's.

    roles: what policy leaves of them.
    """
    wanted = standard_claims.names_of(scopes)
    asked = row["terms"].get("claims")
    if asked:
        wanted += asked.get("userinfo", ())
    return {"sub": subject, **standard_claims.of_row(row, wanted, roles=roles)}


def acr_of(row: Row) -> str:
    """The `acr` that tokens carry: what the client asked for as long as the session meets it.

    Who did not ask hears aal1 or aal2: resistance to phishing is a class that clients ask for.
    """
    asked, held = row["terms"].get("acr", ""), row["acr"]
    if not asked and held in BASIC_ACR:
        return str(held)
    level = Level.from_acr(held)
    if Level.NONE < Level.from_acr(asked) <= level:
        return str(asked)
    return min(level, Level.AAL2).acr


def resource_of(row: Row) -> Resource:
    """What a client asks of the session behind a token, as its row says."""
    return Resource(
        client_is_active=row["client_is_active"],
        required_level=Level.from_acr(row["required_acr"]),
        required_tier=row["required_tier"],
        scope_tiers=row["scope_tiers"],
    )


def _authentication(authorization: Authorization) -> dict[str, Any]:
    claims: dict[str, Any] = {}
    if authorization.session_id is not None:
        claims["sid"] = str(authorization.session_id)
    if authorization.auth_time is not None:
        claims |= {
            "auth_time": _seconds(authorization.auth_time),
            "acr": authorization.acr,
            "amr": list(authorization.amr),
        }
    if authorization.roles is not None:
        claims["roles"] = list(authorization.roles)
    if authorization.grants_end_at is not None:
        grants = authorization.grants
        claims["grant_id"] = grants[0] if len(grants) == 1 else list(grants)
        claims["grant_exp"] = _seconds(authorization.grants_end_at)
    return claims


def _half_hash(text: str, alg: str) -> str:
    """Core §3.1.3.6: the left half of the hash that the signature uses.

    That is SHA-512 for Ed25519 (RFC 8032 §5.1), SHA-256 for all the others.
    """
    hashed = (hashlib.sha512 if alg in ED25519 else hashlib.sha256)(text.encode()).digest()
    return _encode(hashed[: len(hashed) // 2])


def _seconds(instant: datetime) -> int:
    """Whole seconds, rounded down: a token may end a moment early, never late."""
    return int(instant.timestamp())


def _encode(raw: bytes) -> str:
    return base64url(raw).decode()
