"""Whom a client's subjects belong to: its sector (OpenID Connect Core 1.0 §8.1)."""

import json
from collections.abc import Sequence

from core import outbound
from core.errors import Refusal
from core.outbound import OutboundError
from idp.metadata import ClientMetadata
from idp.tokens import subject

OK = 200


def check(registered: ClientMetadata, redirect_uris: Sequence[str]) -> None:
    """Refuses INVALID_CLIENT_METADATA for subjects that could not be told apart by sector.

    Fetches sector_identifier_uri, a JSON list that must name every redirect URI: so a client cannot
    join the sector of another and learn whom they have in common.
    """
    if registered.subject_type not in subject.SUBJECT_TYPES:
        raise _refusal("subject_type is public or pairwise.")
    if registered.sector_identifier_uri:
        _check_list(registered.sector_identifier_uri, redirect_uris)
    if registered.subject_type == subject.PAIRWISE:
        subject.sector_of(registered, redirect_uris)
        subject.salt()


def _check_list(uri: str, redirect_uris: Sequence[str]) -> None:
    try:
        answer = outbound.fetch(uri, accept="application/json")
        listed = json.loads(answer.body) if answer.status == OK else None
    except (OutboundError, ValueError, RecursionError) as error:
        raise _refusal("The sector_identifier_uri gives no JSON list.") from error
    if not isinstance(listed, list):
        raise _refusal("The sector_identifier_uri gives no JSON list.")
    if not set(redirect_uris) <= {entry for entry in listed if isinstance(entry, str)}:
        raise _refusal("The list of the sector_identifier_uri lacks a redirect URI.")


def _refusal(detail: str) -> Refusal:
    return Refusal("invalid_client_metadata", detail)
