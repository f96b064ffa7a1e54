"""Registering, changing and removing clients by their own hand, and the tokens that let them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import Organisation
from audit.events import Event
from audit.recorder import record, ref
from core.errors import Refusal
from core.ids import digest, equal, new_token
from idp.dynamic_registration import document, permission, statements, ways
from idp.dynamic_registration.permission import Permission
from idp.flows import change_client, deactivate_client, register_client, sector_after
from idp.models import Client, InitialAccessToken
from idp.models.client import GRANT_TYPES, KEY_METHODS, SECRET_METHODS
from idp.registration import rules
from idp.registration.metadata import ClientMetadata
from idp.registration.sectors import sector_list

MAX_USES = 1_000
MAX_LIFETIME = timedelta(days=365)
# What an answer of ours says of a registration; a client may not set it (RFC 7592 §2.2).
NOT_FOR_UPDATES = {
    "registration_access_token", "registration_client_uri", "client_secret_expires_at",
    "client_id_issued_at",
}  # fmt: skip
NOBODYS_DIGEST = bytes(32)


@dataclass(frozen=True)
class SelfRegistered:
    """secret, registration_token: told once, only digests are kept. secret: None without one."""

    client: Client
    secret: str | None
    registration_token: str


@dataclass(frozen=True)
class MadeToken:
    """text: 43 base64url characters, shown once and kept only as a digest."""

    token: InitialAccessToken
    text: str


@transaction.atomic
def make_initial_access_token(
    *,
    organisation: Organisation,
    now: datetime,
    name: str = "",
    uses: int = 1,
    lifetime: timedelta = timedelta(days=1),
    grant_types: Sequence[str] = (),
    scopes: Sequence[str] = (),
    created_by: Any = None,
) -> MadeToken:
    """Let somebody register `uses` clients in this organisation.

    grant_types, scopes: what they may ask for; empty means the installation's defaults.
    created_by: the administrator; None at the command line. Refuses INVALID_REQUEST.
    """
    if not 1 <= uses <= MAX_USES:
        raise Refusal.invalid_request(f"A token has 1 to {MAX_USES} uses.")
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise Refusal.invalid_request(f"A token lives {MAX_LIFETIME.days} days at most.")
    if unknown := set(grant_types) - {*GRANT_TYPES, ways.IMPLICIT}:
        raise Refusal.invalid_request(f"{min(unknown)} is not a grant type of this server.")
    text = new_token()
    token = InitialAccessToken.objects.create(
        organisation=organisation,
        name=rules.check_name(name) if name.strip() else "",
        digest=digest(text),
        uses_left=uses,
        grant_types=list(grant_types),
        scopes=rules.check_scopes(scopes),
        created_by=created_by,
        created_at=now,
        expires_at=now + lifetime,
    )
    record(
        Event.INITIAL_ACCESS_TOKEN_CREATED,
        organisation_id=organisation.pk,
        actor=created_by,
        subject=token,
        now=now,
        uses=uses,
        grant_types=list(grant_types),
        scopes=token.scopes,
        expires_at=token.expires_at,
    )
    return MadeToken(token, text)


@transaction.atomic
def withdraw_initial_access_token(
    *, token: InitialAccessToken, now: datetime, actor: Any = None
) -> bool:
    """Take a token's remaining uses away; what it registered stays. Whether this call did it."""
    rows = InitialAccessToken.objects.within_id(token.organisation_id)
    locked = rows.select_for_update().get(pk=token.pk)
    if not locked.uses_left:
        return False
    unused, locked.uses_left = locked.uses_left, 0
    locked.save(update_fields=["uses_left"])
    record(
        Event.INITIAL_ACCESS_TOKEN_REVOKED,
        organisation_id=locked.organisation_id,
        actor=actor,
        subject=locked,
        now=now,
        unused=unused,
    )
    return True


def register(*, members: Mapping[str, Any], allowed: Permission, now: datetime) -> SelfRegistered:
    """Register what an application says of itself, in the organisation that let it.

    It is never first-party: people are asked. Refuses as RFC 7591 §3.2.2 says, and INVALID_TOKEN
    when the token's last use went to somebody else meanwhile.
    """
    wanted = document.read(statements.apply(members, now=now), allowed)
    registration_token = new_token()
    sector = sector_list(ClientMetadata.from_json(wanted.values["metadata"]))
    with transaction.atomic(), _as_metadata():
        registered = register_client(
            organisation=allowed.organisation,
            kind=wanted.kind,
            now=now,
            actor=allowed.token,
            sector=sector,
            **wanted.values,
        )
        permission.use(allowed)  # afterwards, since others wait for the token's row
        client = registered.client
        client.registration_digest = digest(registration_token)
        client.save(update_fields=["registration_digest"])
    return SelfRegistered(client, registered.secret, registration_token)


def find_registered(*, client_id: str, registration_token: str) -> Client:
    """The live client that this registration access token belongs to; refuses INVALID_TOKEN.

    Whether a client exists cannot be told from the answer (RFC 7592 §2.1).
    """
    rows = Client.unscoped.select_related("organisation")
    live = rows.filter(is_active=True, organisation__is_active=True)
    client = live.filter(client_id=client_id).first() if client_id.isprintable() else None
    known = client.registration_digest if client else None
    is_right = equal(digest(registration_token), bytes(known or NOBODYS_DIGEST))
    if client is None or known is None or not is_right:
        raise Refusal.invalid_token("The registration access token is not good for this client.")
    return client


def replace(*, client: Client, members: Mapping[str, Any], now: datetime) -> Client:
    """Put what is sent in place of all that was registered (RFC 7592 §2.2).

    A client stays within what it was given: it may drop grant types and scopes, never add any. How
    it authenticates may change, but not between a secret, a key and nothing. What administrators
    alone set stays as it is, and so do the rules that a client cannot shake off.
    """
    with _as_metadata():
        sector = sector_after(client, _values(client, members, now))
    with transaction.atomic(), _as_metadata():
        rows = Client.objects.within_id(client.organisation_id).select_related("organisation")
        locked = rows.select_for_update(of=("self",)).get(pk=client.pk)
        if not locked.is_active or locked.registration_digest is None:
            raise Refusal.invalid_token(
                "The registration access token is not good for this client."
            )
        values = _values(locked, members, now)
        return change_client(client=locked, changes=values, sector=sector, actor=locked, now=now)


@transaction.atomic
def remove(*, client: Client, now: datetime) -> None:
    """Deactivate the client (RFC 7592 §2.3): its tokens end, and so does its registration token."""
    removed = deactivate_client(client=client, now=now, actor=client)
    removed.registration_digest = None
    removed.save(update_fields=["registration_digest"])


def note_refusal(
    refusal: Refusal,
    *,
    now: datetime,
    organisation: Organisation | None = None,
    actor: InitialAccessToken | Client | None = None,
    client_id: str = "",
) -> None:
    """Write down that a registration, or a change of one, was refused."""
    record(
        Event.REGISTRATION_REFUSED,
        organisation_id=organisation.pk if organisation else None,
        actor=ref(actor) if actor else None,
        now=now,
        error=refusal.code,
        detail=refusal.detail,
        client_id=client_id[:64] if client_id.isprintable() else "",
    )


@contextmanager
def _as_metadata() -> Iterator[None]:
    """What a flow refuses of the values, by the code of RFC 7591 §3.2.2."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code != "invalid_request":
            raise
        raise Refusal("invalid_client_metadata", refusal.detail) from refusal


def _values(client: Client, members: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What would stand in place of all that is registered for the client, if it may."""
    _check_identity(client, members)
    wanted = document.read(statements.apply(members, now=now), permission.of_client(client))
    method = wanted.values["token_endpoint_auth_method"]
    if _way(method) != _way(client.token_endpoint_auth_method):
        raise Refusal(
            "invalid_client_metadata",
            "A client that authenticates in another way is another client: register it anew.",
        )
    known = document.with_ours(wanted.values["metadata"], client=client)
    return {**wanted.values, "metadata": known}


def _check_identity(client: Client, members: Mapping[str, Any]) -> None:
    if NOT_FOR_UPDATES & members.keys():
        raise Refusal("invalid_client_metadata", "Leave out what only the server says.")
    if members.get("client_id") != client.client_id:
        raise Refusal("invalid_client_metadata", "client_id is not the registered one.")
    secret = members.get("client_secret")
    if secret is not None and not (isinstance(secret, str) and client.has_secret(secret)):
        raise Refusal("invalid_client_metadata", "client_secret is not the current one.")


def _way(method: str) -> str:
    if method == "client_secret_jwt":  # its secret is sealed beside the digest
        return method
    for name, methods in (("secret", SECRET_METHODS), ("key", KEY_METHODS)):
        if method in methods:
            return name
    return "none"
