"""Token status lists (draft-ietf-oauth-status-list): whether access tokens are revoked, in public.

Tokens get their places in `idp.tokens.status`. What a place says is asked of the rows that its
token stands on whenever the list is made, so that whatever ends a token says so here without a
write. A list is made and signed at most every ten seconds, for all processes.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from core import clock
from core.errors import Refusal
from idp.storage import database
from idp.storage.status_lists import FIND_STATUS_LIST, FIND_STATUS_LISTS
from idp.tokens import mint
from idp.tokens.status import KEPT_FOR, OPEN_FOR, SIZE, uri_of

TYPE = "statuslist+jwt"
MEDIA_TYPE = "application/statuslist+jwt"
MADE_EVERY = timedelta(seconds=10)
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Made:
    """A signed list. until: seconds, when the next one is made."""

    text: str
    etag: str
    until: float


def find(list_id: UUID, *, now: datetime) -> Made:
    """The list as it is served now; refuses NOT_FOUND for one that is gone."""
    key = f"status-list:{list_id}"
    known = _known(key)
    if known is not None and known.until > now.timestamp():
        return known
    made = _make(list_id, now)
    with suppress(RedisError):  # without a cache each request makes it anew
        cache.set(key, orjson.dumps(asdict(made)), timeout=MADE_EVERY.total_seconds())
    return made


def uris() -> list[str]:
    """Every list that a live token may stand in, the oldest first (§9.3)."""
    params = {"kept_for": KEPT_FOR, "open_for": OPEN_FOR, "clock_offset": clock.offset()}
    row = database.one(FIND_STATUS_LISTS, params)
    return [uri_of(list_id) for list_id in (row["ids"] if row else ())]


def encode(revoked: Iterable[int]) -> str:
    """One bit for each place, the lowest bit of a byte first, compressed (§4.1, §4.2)."""
    places = bytearray(SIZE // 8)
    for idx in revoked:
        places[idx // 8] |= 1 << idx % 8
    return base64.urlsafe_b64encode(zlib.compress(bytes(places), 9)).rstrip(b"=").decode()


def _make(list_id: UUID, now: datetime) -> Made:
    params = {"list": list_id, "clock_offset": clock.offset()}
    row = database.one(FIND_STATUS_LIST, params)
    if row is None:
        raise Refusal.not_found("There is no such list, or nothing in it lives any more.")
    issued_at = int(row["now"].timestamp())
    claims = {
        "iss": settings.ISSUER,
        "sub": uri_of(list_id),
        "iat": issued_at,
        "exp": issued_at + int(LIFETIME.total_seconds()),
        "ttl": int(settings.STATUS_LIST_LIFETIME.total_seconds()),
        "status_list": {"bits": 1, "lst": encode(row["revoked"])},
    }
    text = mint.sign(claims, typ=TYPE, alg=row["alg"])
    etag = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Made(text, f'"{etag}"', (now + MADE_EVERY).timestamp())


def _known(key: str) -> Made | None:
    try:
        raw = cache.get(key)
    except RedisError:
        return None
    return None if raw is None else Made(**orjson.loads(raw))
