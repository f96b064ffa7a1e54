"""Clients and consent: registering, changing, allowing, withdrawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import models, transaction
from django.db.models import Max, Q
from django.db.models.functions import Coalesce

from accounts.models import Organisation
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from core.ids import digest, new_token
from idp.authorization.initiation import start_url
from idp.clients import logos
from idp.forward_auth import withdrawal
from idp.models import (
    AuthorizationCode,
    BackchannelAuthentication,
    Client,
    Consent,
    DeviceAuthorization,
    RefreshFamily,
)
from idp.models.client import SECRET_METHODS
from idp.models.token import RevokeReason
from idp.registration import addresses, credentials, rules, sectors
from idp.registration.metadata import ClientMetadata
from idp.registration.sectors import SectorList

DEFAULT_GRANT_TYPES = ("authorization_code", "refresh_token")
DEFAULT_SCOPES = ("openid", "profile", "email")
MAX_OVERLAP = timedelta(days=30)
# Who takes back what an application was allowed has proven to be there not longer ago.
WITHDRAW_MAX_AGE = timedelta(minutes=15)
SECRET_FIELDS = (
    "secret_digest", "previous_secret_digest", "previous_secret_expires_at", "secret_sealed",
)  # fmt: skip
CHANGEABLE = frozenset(
    {
        "name", "redirect_uris", "post_logout_redirect_uris", "grant_types", "scopes",
        "signing_alg", "is_first_party", "required_acr", "required_tier", "scope_tiers", "audience",
        "token_endpoint_auth_method", "metadata",
    }
)  # fmt: skip
# What a document of its own says nothing about (`idp.client_documents`).
OURS = frozenset({"required_acr", "required_tier", "scope_tiers", "audience"})


@dataclass(frozen=True)
class RegisteredClient:
    """secret: shown once, never kept; None for a public client. 43 base64url characters."""

    client: Client
    secret: str | None


@dataclass(frozen=True)
class ConnectedApplication:
    """A client that holds something of a user: a consent, a live refresh token, or both.

    Or a proxied one, where a browser of theirs has a cookie; origins: where. id: the client's.
    granted_at: when it was first allowed, or the browser signed in. last_used_at: when it last got
    tokens, or a page was asked for.
    """

    id: UUID
    client: Client
    scopes: tuple[str, ...]
    granted_at: datetime
    last_used_at: datetime | None
    origins: tuple[str, ...] = ()

    @property
    def start_url(self) -> str:
        """Where the application lets a sign-in begin, or is; "" for most."""
        return self.origins[0] + "/" if self.origins else start_url(self.client)


def register_client(
    *,
    organisation: Organisation,
    name: str,
    kind: str,
    now: datetime,
    redirect_uris: Sequence[str] = (),
    post_logout_redirect_uris: Sequence[str] = (),
    grant_types: Sequence[str] = DEFAULT_GRANT_TYPES,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    signing_alg: str = "ES256",
    is_first_party: bool = False,
    required_acr: str = "",
    required_tier: int = 0,
    scope_tiers: Mapping[str, int] | None = None,
    audience: str = "",
    token_endpoint_auth_method: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    actor: models.Model | None = None,
    sector: SectorList | None = None,
) -> RegisteredClient:
    """Register an application; one that authenticates by a secret gets one of 256 bits.

    metadata: what `idp.registration.metadata.ClientMetadata` knows beyond the rest.
    actor: the administrator; None at the command line. sector: the list of its sector, from whoever
    begins a transaction around this; else it is fetched here, before ours. Refuses INVALID_REQUEST
    for values that cannot be registered, with a sentence for the administrator.
    """
    kind = rules.check_kind(kind)
    values = rules.check(
        {
            "name": name,
            "redirect_uris": redirect_uris,
            "post_logout_redirect_uris": post_logout_redirect_uris,
            "grant_types": grant_types,
            "scopes": scopes,
            "signing_alg": signing_alg,
            "is_first_party": is_first_party,
            "required_acr": required_acr,
            "required_tier": required_tier,
            "scope_tiers": scope_tiers or {},
            "audience": audience,
            "token_endpoint_auth_method": token_endpoint_auth_method,
            "metadata": metadata or {},
        },
        kind=kind,
    )
    known = ClientMetadata.from_json(values["metadata"])
    rules.check_way_back(values["grant_types"], values["redirect_uris"])
    rules.check_fit(values["grant_types"], known)
    method = values["token_endpoint_auth_method"]
    credentials.check_method(method, known)
    addresses.check_front_channel(known, values["redirect_uris"])
    sector = sector or sectors.sector_list(known)
    secret = new_token() if method in SECRET_METHODS else None
    with transaction.atomic():
        sectors.check(known, values["redirect_uris"], sector)
        client = Client.objects.create(
            client_id=f"app_{new_token(16)}",
            organisation=organisation,
            kind=kind,
            secret_digest=digest(secret) if secret else None,
            secret_sealed=_to_seal(secret, method),
            created_at=now,
            changed_at=now,
            **values,
        )
        logos.follow(client, now=now)
        record(
            Event.CLIENT_REGISTERED,
            organisation_id=organisation.id,
            actor=actor,
            subject=client,
            now=now,
            client_id=client.client_id,
            kind=kind,
            **values,
        )
    return RegisteredClient(client, secret)


def update_client(
    *, client: Client, now: datetime, actor: models.Model | None = None, **changes: Any
) -> Client:
    """Change what was registered, but never id, kind or organisation.

    Scopes and grant types taken away are in no token that is issued from now on, whatever was
    granted before; access tokens that are out keep theirs until they end. A secret goes with the
    last method that uses it; client_secret_jwt needs a new one, which is kept sealed.
    """
    sector = sector_after(client, changes)
    return change_client(client=client, changes=changes, sector=sector, actor=actor, now=now)


def sector_after(client: Client, changes: Mapping[str, Any]) -> SectorList | None:
    """The list of the sector that a client will have; None where nothing about it changes."""
    values = {name: changes[name] for name in ("metadata", "redirect_uris") if name in changes}
    if not values:
        return None
    current = Client.objects.within_id(client.organisation_id).get(pk=client.pk)
    checked = rules.check(values, kind=current.kind)
    if all(getattr(current, name) == value for name, value in checked.items()):
        return None
    known = checked.get("metadata", current.metadata)
    return sectors.sector_list(ClientMetadata.from_json(known))


@transaction.atomic
def change_client(
    *,
    client: Client,
    changes: Mapping[str, Any],
    sector: SectorList | None,
    actor: models.Model | None,
    now: datetime,
) -> Client:
    """What `update_client` does, for who has asked for `sector_after` before he locked anything."""
    unknown = changes.keys() - CHANGEABLE
    if unknown:
        raise TypeError(f"these cannot be changed: {', '.join(sorted(unknown))}")
    locked = _lock(client)
    checked = rules.check(changes, kind=locked.kind)
    before = {name: getattr(locked, name) for name in checked}
    changed = {name: value for name, value in checked.items() if before[name] != value}
    if not changed:
        return locked
    if locked.is_by_document and not changed.keys() <= OURS:
        raise Refusal.invalid_request("Its own document says this: it is changed there.")
    for name, value in changed.items():
        setattr(locked, name, value)
    rules.check_way_back(locked.grant_types, locked.redirect_uris)
    rules.check_fit(locked.grant_types, ClientMetadata.from_json(locked.metadata))
    if {"metadata", "token_endpoint_auth_method"} & changed.keys():
        method = locked.token_endpoint_auth_method
        credentials.check_method(method, ClientMetadata.from_json(locked.metadata))
        if method in SECRET_METHODS and locked.secret_digest is None:
            raise Refusal.invalid_request("This client has no secret: register it anew.")
        if method not in SECRET_METHODS:
            locked.secret_digest = locked.previous_secret_digest = None
        if method != Client.AuthMethod.SECRET_JWT:
            locked.secret_sealed = None
    if {"metadata", "redirect_uris"} & changed.keys():
        known = ClientMetadata.from_json(locked.metadata)
        addresses.check_front_channel(known, locked.redirect_uris)
        sectors.check(known, locked.redirect_uris, sector)
    locked.changed_at = now
    locked.save(update_fields=[*changed, *SECRET_FIELDS, "changed_at"])
    logos.follow(locked, now=now)
    record(
        Event.CLIENT_UPDATED,
        organisation_id=locked.organisation_id,
        actor=actor,
        subject=locked,
        now=now,
        changed=changed,
        before={name: before[name] for name in changed},
    )
    return locked


@transaction.atomic
def rotate_client_secret(
    *,
    client: Client,
    now: datetime,
    keep_old_for: timedelta = timedelta(0),
    actor: models.Model | None = None,
) -> RegisteredClient:
    """Give a confidential client a new secret. The old one stops working at once, or later.

    keep_old_for: how long the old one stays good beside it, at most 30 days; a secret before that
    ends now. Not for client_secret_jwt, whose secret has to be known to verify.
    """
    locked = _lock(client)
    method = locked.token_endpoint_auth_method
    if method not in SECRET_METHODS:
        raise Refusal.invalid_request("This client does not authenticate by a secret.")
    if not timedelta(0) <= keep_old_for <= MAX_OVERLAP:
        raise Refusal.invalid_request("An old secret is kept for 0 to 30 days.")
    if keep_old_for and method == Client.AuthMethod.SECRET_JWT:
        raise Refusal.invalid_request("An old secret of client_secret_jwt cannot be kept.")
    secret = new_token()
    until = now + keep_old_for if keep_old_for else None
    locked.previous_secret_digest = locked.secret_digest if until else None
    locked.previous_secret_expires_at = until
    locked.secret_digest = digest(secret)
    locked.secret_sealed = _to_seal(secret, method)
    locked.changed_at = now
    locked.save(update_fields=[*SECRET_FIELDS, "changed_at"])
    record(
        Event.CLIENT_SECRET_ROTATED,
        organisation_id=locked.organisation_id,
        actor=actor,
        subject=locked,
        now=now,
        previous_until=until.isoformat() if until else None,
    )
    return RegisteredClient(locked, secret)


@transaction.atomic
def deactivate_client(
    *, client: Client, now: datetime, actor: models.Model | None = None
) -> Client:
    """Stop an application: it gets nothing any more, and its refresh families end."""
    locked = _lock(client)
    if not locked.is_active:
        return locked
    locked.is_active = False
    locked.changed_at = now
    locked.save(update_fields=["is_active", "changed_at"])
    families = RefreshFamily.objects.within_id(locked.organisation_id).filter(client=locked)
    ended = _revoke(families, RevokeReason.ADMINISTRATOR, now)
    record(
        Event.CLIENT_DEACTIVATED,
        organisation_id=locked.organisation_id,
        actor=actor,
        subject=locked,
        now=now,
        refresh_families=ended,
    )
    return locked


@transaction.atomic
def grant_consent(
    *, user: Any, client: Client, scopes: Sequence[str], session_id: UUID | None, now: datetime
) -> Consent:
    """Remember what a user allows a client; scopes allowed before stay allowed.

    Two answers at once end in one row: the database keeps one live consent for each pair.
    """
    if user.organisation_id != client.organisation_id:
        raise Refusal.access_denied("This application belongs to another organisation.")
    consent, is_new = Consent.objects.within_id(client.organisation_id).get_or_create(
        user=user,
        client=client,
        revoked_at=None,
        defaults={
            "organisation_id": client.organisation_id,
            "scopes": list(scopes),
            "granted_at": now,
        },
    )
    if not is_new:
        mine = Consent.objects.within_id(client.organisation_id).select_for_update()
        consent = mine.get(pk=consent.pk)
        consent.scopes = list(dict.fromkeys([*consent.scopes, *scopes]))
        consent.save(update_fields=["scopes"])
    record(
        Event.CONSENT_GRANTED,
        organisation_id=client.organisation_id,
        actor=user,
        subject=client,
        session_id=session_id,
        now=now,
        scopes=list(scopes),
    )
    return consent


@transaction.atomic
def revoke_consent(*, user: Any, client: Client, session_id: UUID | None, now: datetime) -> int:
    """Withdraw what a user allowed, and end the refresh families and codes that rest on it.

    Whoever issues a code looks at the consent last, and whoever redeems one holds it until the
    family stands: so the consent goes first, then codes, and families last. What browsers have at a
    proxied application ends as well, at the next request. Returns how many families ended. Access
    tokens already out are refused by introspection and userinfo, and die by themselves within their
    15 minutes elsewhere.
    """
    consents = Consent.objects.within_id(user.organisation_id).filter(
        user=user, client=client, revoked_at=None
    )
    withdrawn = consents.update(revoked_at=now)
    AuthorizationCode.objects.within_id(user.organisation_id).filter(
        user=user, client=client, used_at=None, expires_at__gt=now
    ).update(expires_at=now)
    for polled in (DeviceAuthorization, BackchannelAuthentication):
        polled.objects.within_id(user.organisation_id).filter(
            user=user, client=client, used_at=None, expires_at__gt=now
        ).update(expires_at=now)
    families = RefreshFamily.objects.within_id(user.organisation_id).filter(
        user=user, client=client
    )
    ended = _revoke(families, RevokeReason.CONSENT_REVOKED, now)
    left = withdrawal.withdraw(client=client, user=user, now=now)
    if withdrawn or ended or left:
        record(
            Event.CONSENT_REVOKED,
            organisation_id=user.organisation_id,
            actor=user,
            subject=client,
            session_id=session_id,
            now=now,
            refresh_families=ended,
            forward_sessions=left,
        )
    return ended


def connected_applications(user: Any, *, now: datetime) -> list[ConnectedApplication]:
    """What holds something of this user, the longest known first; four statements."""
    consents = {
        consent.client_id: consent
        for consent in Consent.objects.within_id(user.organisation_id).filter(
            user=user, revoked_at=None
        )
    }
    mine = RefreshFamily.objects.within_id(user.organisation_id).filter(user=user)
    families = {
        row["client_id"]: row
        for row in mine.values("client_id").annotate(
            first=models.Min("created_at"),
            last=Max(Coalesce("rotated_at", "created_at")),
            live=models.Count(
                "id", filter=Q(revoked_at=None, expires_at__gt=now, issues_refresh=True)
            ),
            live_scopes=models.functions.Coalesce(
                models.Max("scope", filter=Q(revoked_at=None, expires_at__gt=now)), models.Value("")
            ),
        )
    }
    browsers = withdrawal.live_at(user.organisation_id, now).filter(session__user=user)
    proxied = {
        row["client_id"]: row
        for row in browsers.values("client_id").annotate(
            first=models.Min("created_at"),
            last=Max(Coalesce("last_used_at", "created_at")),
            origins=ArrayAgg("origin", distinct=True),
        )
    }
    wanted = {*consents, *proxied, *(key for key, row in families.items() if row["live"])}
    clients = (
        Client.objects.within_id(user.organisation_id)
        .filter(id__in=wanted)
        .select_related("organisation", "logo")
        .defer("logo__content")
    )
    applications = []
    for client in clients:
        if client.id in proxied:
            row = proxied[client.id]
            applications.append(
                ConnectedApplication(
                    client.id, client, (), row["first"], row["last"], tuple(row["origins"])
                )
            )
            continue
        consent, family = consents.get(client.id), families.get(client.id)
        scopes = consent.scopes if consent else (family["live_scopes"].split() if family else [])
        started = consent.granted_at if consent else family["first"] if family else now
        applications.append(
            ConnectedApplication(
                client.id, client, tuple(scopes), started, family["last"] if family else None
            )
        )
    return sorted(applications, key=lambda application: application.granted_at)


def _to_seal(secret: str | None, method: str) -> bytes | None:
    """The secret itself, where verifying needs it (HS256); else its digest is all that is kept."""
    if secret is None or method != Client.AuthMethod.SECRET_JWT:
        return None
    return secret.encode()


def _lock(client: Client) -> Client:
    return Client.objects.within_id(client.organisation_id).select_for_update().get(id=client.id)


def _revoke(families: "models.QuerySet[RefreshFamily]", reason: RevokeReason, now: datetime) -> int:
    return families.filter(revoked_at=None).update(revoked_at=now, revoke_reason=reason)
