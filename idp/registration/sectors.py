"""Whom a client's subjects belong to: its sector (OpenID Connect Core 1.0 §8.1)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from core import outbound
from core.errors import Refusal
from core.outbound import OutboundError
from idp.registration.metadata import ClientMetadata
from idp.tokens import subject

OK = 200


@dataclass(frozen=True)
class SectorList:
    """What stands at a sector_identifier_uri, as far as it is text."""

    uri: str
    entries: frozenset[str]


def sector_list(registered: ClientMetadata) -> SectorList | None:
    """Fetch the list of the client's sector, None where it names none.

    Somebody else answers when it pleases him: never ask while rows are locked. Refuses
    INVALID_CLIENT_METADATA.
    """
    uri = registered.sector_identifier_uri
    if not uri:
        return None
    try:
        answer = outbound.fetch(uri, accept="application/json")
        listed = json.loads(answer.body) if answer.status == OK else None
    except (OutboundError, ValueError, RecursionError) as error:
        raise _refusal("The sector_identifier_uri gives no JSON list.") from error
    if not isinstance(listed, list):
        raise _refusal("The sector_identifier_uri gives no JSON list.")
    return SectorList(uri, frozenset(entry for entry in listed if isinstance(entry, str)))


def check(
    registered: ClientMetadata, redirect_uris: Sequence[str], sector: SectorList | None
) -> None:
    """Refuses INVALID_CLIENT_METADATA for subjects that could not be told apart by sector.

    The list of the sector must name every redirect URI: so a client cannot join the sector of
    another and learn whom they have in common. Refuses CONFLICT when it is another sector's list,
    since the client was changed after it had been fetched.
    """
    if registered.subject_type not in subject.SUBJECT_TYPES:
        raise _refusal("subject_type is public or pairwise.")
    if registered.sector_identifier_uri:
        if sector is None or sector.uri != registered.sector_identifier_uri:
            raise Refusal.conflict("The application was changed meanwhile. Please try again.")
        if not set(redirect_uris) <= sector.entries:
            raise _refusal("The list of the sector_identifier_uri lacks a redirect URI.")
    if registered.subject_type == subject.PAIRWISE:
        subject.sector_of(registered, redirect_uris)
        subject.salt()


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
