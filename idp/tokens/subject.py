"""`sub`: by which name a client knows a person (OpenID Connect Core 1.0 §8).

Public, it is the user's id. Pairwise, it is base64url(HMAC-SHA-256(salt, sector "|" user id)): the
same for all clients of a sector, and unrelated to the person's name anywhere else. Whatever says or
hears a `sub` asks here.
"""

import base64
import hmac
import os
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from django.db import connection

from accounts.models import User
from core import clock
from core.errors import Refusal
from idp.clients.authentication import MachineClient
from idp.models import Client
from idp.models.subject import ONLY, PairwiseSalt
from idp.registration.metadata import ClientMetadata

PAIRWISE = "pairwise"
SUBJECT_TYPES = ("public", PAIRWISE)
SALT_SIZE_BYTES = 32


class _Cache:
    salt: bytes | None = None


def subject_of(client: Client | MachineClient, user_id: UUID) -> str:
    """The `sub` that this client knows the user by, at most 43 characters.

    Refuses INVALID_CLIENT_METADATA for a pairwise client without a sector: registration lets none
    pass.
    """
    registered = client.metadata
    if not isinstance(registered, ClientMetadata):
        registered = ClientMetadata.from_json(registered)
    if registered.subject_type != PAIRWISE:
        return str(user_id)
    sector = sector_of(registered, client.redirect_uris)
    return pairwise(salt(), sector=sector, user_id=user_id)


def user_of(client: MachineClient, subject: str) -> UUID | None:
    """Whom of its organisation this client knows by that `sub`; None for nobody.

    A pairwise name leads back to nobody by itself: all people of the organisation are tried.
    """
    people = User.objects.within_id(client.organisation_id)
    if client.metadata.subject_type != PAIRWISE:
        try:
            user_id = UUID(subject)
        except ValueError:
            return None
        return user_id if str(user_id) == subject and people.filter(pk=user_id).exists() else None
    secret, sector = salt(), sector_of(client.metadata, client.redirect_uris)
    for user_id in people.values_list("pk", flat=True).iterator():
        if pairwise(secret, sector=sector, user_id=user_id) == subject:
            return user_id
    return None


def pairwise(secret: bytes, *, sector: str, user_id: UUID) -> str:
    """43 base64url characters (Core §8.1)."""
    image = hmac.digest(secret, f"{sector}|{user_id}".encode(), "sha256")
    return base64.urlsafe_b64encode(image).rstrip(b"=").decode()


def sector_of(registered: ClientMetadata, redirect_uris: Sequence[str]) -> str:
    """The host that a client's subjects belong to; refuses INVALID_CLIENT_METADATA without one."""
    if registered.sector_identifier_uri:
        return urlsplit(registered.sector_identifier_uri).hostname or ""
    hosts = {urlsplit(uri).hostname or "" for uri in redirect_uris}
    if len(hosts) != 1 or "" in hosts:
        raise Refusal(
            "invalid_client_metadata",
            "Pairwise subjects need redirect URIs of one host, or a sector_identifier_uri.",
        )
    return hosts.pop()


def salt() -> bytes:
    """The installation's salt, made on first use.

    Making it needs a transaction of Django's own, so registration of a pairwise client calls this.
    """
    if _Cache.salt is not None:
        return _Cache.salt
    row, _ = PairwiseSalt.objects.get_or_create(
        pk=ONLY, defaults={"salt": os.urandom(SALT_SIZE_BYTES), "created_at": clock.now()}
    )
    found: bytes = row.salt
    if not connection.in_atomic_block:  # else not committed yet: nothing to remember
        _Cache.salt = found
    return found


def forget() -> None:
    """Drop what this process has cached."""
    _Cache.salt = None
