"""Who may register what: by an initial access token, or where it is open (RFC 7591 §3)."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import F

from accounts.models import Organisation
from core import clock
from core.errors import Refusal
from core.ids import digest
from idp.dynamic_registration import ways
from idp.models import Client, InitialAccessToken
from idp.models.client import SCOPES

# Roles tell how an organisation is built: only an administrator opens them.
DEFAULT_SCOPES = tuple(scope for scope in SCOPES if scope != "roles")


@dataclass(frozen=True)
class Permission:
    """token: the row of the initial access token, None where registration is open."""

    organisation: Organisation
    grant_types: frozenset[str]
    scopes: tuple[str, ...]
    requires_pkce: bool
    token: InitialAccessToken | None = None


def by_token(text: str, *, now: datetime) -> Permission:
    """What this initial access token permits; refuses INVALID_TOKEN. It is not used yet."""
    token = find_token(text)
    if (
        token is None
        or token.uses_left < 1
        or token.expires_at <= now
        or not token.organisation.is_active
    ):
        raise _refusal()
    return _permission(token.organisation, token)


def where_open() -> Permission | None:
    """What anybody may register, or None, since the default is closed."""
    if not settings.REGISTRATION_OPEN_FOR:
        return None
    organisation = Organisation.objects.filter(
        slug=settings.REGISTRATION_OPEN_FOR, is_active=True
    ).first()
    return _permission(organisation, None) if organisation else None


def of_client(client: Client) -> Permission:
    """What a registered client may become: as much as it is, or less."""
    return Permission(
        client.organisation,
        frozenset(ways.of_client(client)[0]),
        tuple(client.scopes),
        client.metadata.get("require_pkce", True),
    )


def use(permission: Permission) -> None:
    """Take one use of the token, in the transaction of the registration; one statement decides."""
    token = permission.token
    if token is None:
        return
    rows = InitialAccessToken.objects.within_id(token.organisation_id)
    usable = rows.filter(pk=token.pk, uses_left__gt=0, expires_at__gt=clock.sql_now())
    if not usable.update(uses_left=F("uses_left") - 1):
        raise _refusal()


def find_token(text: str) -> InitialAccessToken | None:
    rows = InitialAccessToken.unscoped.select_related("organisation")
    return rows.filter(digest=digest(text)).first()


def _permission(organisation: Organisation, token: InitialAccessToken | None) -> Permission:
    grant_types = (token.grant_types if token else None) or settings.REGISTRATION_GRANT_TYPES
    scopes = (token.scopes if token else None) or DEFAULT_SCOPES
    return Permission(
        organisation,
        frozenset(grant_types),
        tuple(scopes),
        settings.REGISTRATION_REQUIRE_PKCE,
        token,
    )


def _refusal() -> Refusal:
    return Refusal.invalid_token("The initial access token is unknown, used up or expired.")
