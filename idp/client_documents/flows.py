"""A client out of its document: held in memory until somebody allows it, a row from then on."""

import hashlib
import time
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from accounts.models import Organisation
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from idp.client_documents import address, fetching
from idp.clients import logos
from idp.dynamic_registration.document import Registration
from idp.models import Client, Consent, RefreshFamily
from idp.models.token import RevokeReason

# A change of these is another client to the person who allowed the one before (§8.4).
AGREED_ON = frozenset({"redirect_uris", "scopes", "kind", "token_endpoint_auth_method"})
ROUND_SECONDS = 15.0
DESCRIBED = (
    "kind", "name", "redirect_uris", "post_logout_redirect_uris", "grant_types", "scopes",
    "signing_alg", "token_endpoint_auth_method", "metadata",
)  # fmt: skip


def find_client(client_id: str, *, asked_by: str, now: datetime) -> Client:
    """The client at this address, as its document describes it now; refuses INVALID_CLIENT.

    Its row, brought up to date, or a client without one. asked_by: the network address that makes
    us ask. One that an administrator has switched off is not asked about.
    """
    address.check(client_id)
    row = Client.unscoped.select_related("organisation").filter(client_id=client_id).first()
    organisation = row.organisation if row else _organisation()
    if organisation is None or not organisation.is_active or (row and not row.is_active):
        raise Refusal("invalid_client", "We do not know this application.")
    read = fetching.find(client_id, organisation=organisation, asked_by=asked_by, now=now)
    digest = _digest(read)
    if row is None:
        return Client(
            id=UUID(bytes=hashlib.sha256(client_id.encode()).digest()[:16]),
            client_id=client_id,
            organisation=organisation,
            kind=read.kind,
            document_digest=digest,
            created_at=now,
            changed_at=now,
            **read.values,
        )
    return row if bytes(row.document_digest or b"") == digest else _follow(row, read, digest, now)


def look_again(*, now: datetime) -> int:
    """Follow the documents of clients with live refresh tokens; returns how many were good.

    People come back seldom, so that nobody else would notice what changes there. What cannot be
    fetched or used is written down, and ends nothing by itself.
    """
    live = RefreshFamily.unscoped.filter(
        client=OuterRef("pk"), issues_refresh=True, revoked_at=None, expires_at__gt=now
    )
    rows = Client.unscoped.filter(Exists(live), document_digest__isnull=False, is_active=True)
    enough = time.monotonic() + ROUND_SECONDS
    good = 0
    for client_id in rows.order_by("id").values_list("client_id", flat=True):
        if time.monotonic() > enough:
            break
        with suppress(Refusal):
            find_client(client_id, asked_by="worker", now=now)
            good += 1
    return good


@transaction.atomic
def keep(client: Client, *, user: Any, now: datetime) -> Client:
    """The client's row, made when the first person allows it."""
    if not client.is_unkept:
        return client
    described = {name: getattr(client, name) for name in ("id", "document_digest", *DESCRIBED)}
    row, is_new = Client.objects.within_id(client.organisation_id).get_or_create(
        client_id=client.client_id,
        defaults={
            "organisation_id": client.organisation_id,
            "created_at": now,
            "changed_at": now,
            **described,
        },
    )
    if is_new:
        logos.follow(row, now=now)
        record(
            Event.CLIENT_REGISTERED,
            organisation_id=row.organisation_id,
            actor=user,
            subject=row,
            now=now,
            client_id=row.client_id,
            by_document=True,
            **{name: getattr(row, name) for name in DESCRIBED},
        )
    return row


@transaction.atomic
def _follow(client: Client, read: Registration, digest: bytes, now: datetime) -> Client:
    """Take over what the document says now.

    Where that touches what people agreed to they are asked again, and where the client would prove
    itself in another way its refresh families end.
    """
    rows = Client.objects.within_id(client.organisation_id).select_related("organisation")
    locked = rows.select_for_update(of=("self",)).get(pk=client.pk)
    if locked.document_digest is None:  # registered here under an address: not ours to change
        raise Refusal("invalid_client", "We do not know this application.")
    if bytes(locked.document_digest) == digest:  # somebody else was as far a moment ago
        return locked
    wanted = {"kind": read.kind, **read.values}
    before = {name: getattr(locked, name) for name in wanted}
    changed = {name: value for name, value in wanted.items() if before[name] != value}
    for name, value in changed.items():
        setattr(locked, name, value)
    locked.document_digest = digest
    locked.changed_at = now
    locked.save(update_fields=[*changed, "document_digest", "changed_at"])
    logos.follow(locked, now=now)
    withdrawn = ended = 0
    if AGREED_ON & changed.keys():
        consents = Consent.objects.within_id(locked.organisation_id)
        withdrawn = consents.filter(client=locked, revoked_at=None).update(revoked_at=now)
    if {"kind", "token_endpoint_auth_method"} & changed.keys():
        families = RefreshFamily.objects.within_id(locked.organisation_id)
        ended = families.filter(client=locked, revoked_at=None).update(
            revoked_at=now, revoke_reason=RevokeReason.ADMINISTRATOR
        )
    record(
        Event.CLIENT_UPDATED,
        organisation_id=locked.organisation_id,
        actor=locked,
        subject=locked,
        now=now,
        changed=changed,
        before={name: before[name] for name in changed},
        by_document=True,
        consents_withdrawn=withdrawn,
        refresh_families=ended,
    )
    return locked


def _organisation() -> Organisation | None:
    slug: str = settings.CLIENT_DOCUMENTS_ORGANISATION
    return Organisation.objects.filter(slug=slug).first()


def _digest(read: Registration) -> bytes:
    said = [read.kind, read.values]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).digest()
