"""The place of an access token in a status list (draft-ietf-oauth-status-list §6).

Only for clients that have switched it on: one more statement, and one row that is never changed.
"""

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from core import clock
from core.errors import Refusal
from core.ids import new_id
from idp.storage import database
from idp.storage.status_lists import CLOSE_STATUS_LIST, ENLIST_TOKEN, OPEN_STATUS_LIST

PATH = "/oauth/status-lists"
SIZE = 65_536  # places: what two random bytes can name
CANDIDATES = 8
ATTEMPTS = 4
OPEN_FOR = timedelta(days=1)
KEPT_FOR = timedelta(hours=2)  # after a list was closed; access tokens live an hour at most


def uri_of(list_id: UUID) -> str:
    return f"{settings.ISSUER}{PATH}/{list_id}"


def enlist(
    *, jti: str, stem: UUID, grants: Sequence[str], client_id: str, alg: str, expires: int
) -> dict[str, Any]:
    """Give a new token a place; the claim `status` that tells of it.

    stem: the family or the client that it stands on. grants: that elevated what it carries.
    client_id: the public name. expires: seconds.
    Places are random, so that they say nothing of who came when. When all that were drawn are
    taken, the list is about half full and another is begun.
    """
    for _ in range(ATTEMPTS):
        place = {"alg": alg, "candidates": _draw(), "open_for": OPEN_FOR}
        now = {"clock_offset": clock.offset()}
        token = {
            "jti": jti,
            "stem": stem,
            "grants": list(grants) or None,
            "client_id": client_id,
            "expires": expires,
        }
        row = database.one(ENLIST_TOKEN, place | token | now)
        if row is not None:
            return {"status_list": {"idx": row["idx"], "uri": uri_of(row["list_id"])}}
        database.one(CLOSE_STATUS_LIST, place | now)
        database.one(OPEN_STATUS_LIST, {"list": new_id(), "alg": alg} | now)
    raise Refusal.unavailable()


def _draw() -> list[int]:
    """Some places, each of them once."""
    return list({int.from_bytes(os.urandom(2)) for _ in range(CANDIDATES)})
