"""Asks for a document, once for everybody, and keeps what it says in the shared cache (§5).

Kept as long as its HTTP headers say, within the bounds of the settings (RFC 9111 §4.2). What cannot
be fetched or used is not kept (§5.2), but not asked for again for half a minute either. Whoever
comes while somebody asks waits a moment for that answer.
"""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from django.conf import settings
from django.core.cache import cache
from redis.exceptions import RedisError

from accounts.models import Organisation
from core import outbound
from core.errors import Refusal
from core.limits import spend
from core.outbound import OutboundBusy, OutboundError, Response
from core.strict_json import parse_object
from idp.client_documents import address, document
from idp.dynamic_registration.document import Registration
from idp.dynamic_registration.flows import note_refusal
from idp.limits import CLIENT_DOCUMENT_HOSTS, CLIENT_DOCUMENTS

OK = 200
ACCEPT = "application/json, */*;q=0.1"  # any `application/…+json` is good (§4)
JSON_TYPE = re.compile(r"application/([a-z0-9!#$&^_.+-]+\+)?json")
LIMIT_BYTES = 5_120  # §8.7
TIMEOUT_SECONDS = 3.0
PAUSE = timedelta(seconds=30)
FLIGHT_SECONDS = 10
WAIT_SECONDS, LOOK_EVERY_SECONDS = 1.0, 0.05
DELTA = re.compile(r'(?:^|,)\s*(s-maxage|max-age)\s*=\s*"?([0-9]{1,9})"?\s*(?=,|$)', re.IGNORECASE)
NOT_KEPT = re.compile(r"(?:^|,)\s*(no-store|no-cache|private)\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Kept:
    """What the cache holds of an address. until: seconds. fault: why it was not usable."""

    until: float
    kind: str = ""
    values: Mapping[str, Any] | None = None
    fault: str = ""


def find(
    client_id: str, *, organisation: Organisation, asked_by: str, now: datetime
) -> Registration:
    """What the document at this address says, no older than it may be.

    client_id: judged by `address.check`. asked_by: the network address that makes us ask. Refuses
    INVALID_CLIENT when there is no usable document, TEMPORARILY_UNAVAILABLE and TOO_MANY_ATTEMPTS.
    """
    try:
        known = _known(client_id, now)
        if known is not None:
            return _answer(known)
        if not cache.add(_key(client_id, "flight"), 1, timeout=FLIGHT_SECONDS):
            return _answer(_wait(client_id, now))
        try:
            known = _known(client_id, now) or _ask(client_id, organisation, asked_by, now)
        finally:
            cache.delete(_key(client_id, "flight"))
    except RedisError as error:
        raise Refusal.unavailable() from error
    return _answer(known)


def lifetime_of(response: Response, now: datetime) -> timedelta:
    """How long an answer is kept: what its headers say, within our bounds."""
    least: timedelta = settings.CLIENT_DOCUMENTS_MIN_LIFETIME
    most: timedelta = settings.CLIENT_DOCUMENTS_MAX_LIFETIME
    control = response.headers.get("cache-control", "")
    if NOT_KEPT.search(control):
        return least
    ages = {name.lower(): int(seconds) for name, seconds in DELTA.findall(control)}
    seconds = ages.get("s-maxage", ages.get("max-age"))
    said = _until_expiry(response, now) if seconds is None else timedelta(seconds=seconds)
    age = response.headers.get("age", "")
    if said and re.fullmatch(r"[0-9]{1,9}", age):
        said -= timedelta(seconds=int(age))
    return max(least, min(said, most))


def _until_expiry(response: Response, now: datetime) -> timedelta:
    try:
        return parsedate_to_datetime(response.headers.get("expires", "")) - now
    except (ValueError, TypeError, OverflowError):  # none, or none that can be read
        return timedelta(0)


def _ask(client_id: str, organisation: Organisation, asked_by: str, now: datetime) -> _Kept:
    spend(CLIENT_DOCUMENTS, asked_by, now=now)
    spend(CLIENT_DOCUMENT_HOSTS, address.host_of(client_id), now=now)
    try:
        response = outbound.fetch(
            client_id, accept=ACCEPT, limit_bytes=LIMIT_BYTES, timeout=TIMEOUT_SECONDS
        )
        read = document.read(client_id, _members(response), organisation)
        lifetime = lifetime_of(response, now)
        kept = _Kept((now + lifetime).timestamp(), read.kind, read.values)
    except OutboundBusy as error:
        raise Refusal.unavailable() from error
    except (OutboundError, ValueError) as error:
        lifetime = PAUSE
        kept = _Kept((now + PAUSE).timestamp(), fault="Its document cannot be fetched.")
        refusal = Refusal("invalid_client_metadata", f"{error}"[:200])
        note_refusal(refusal, now=now, organisation=organisation, client_id=client_id)
    except Refusal as refusal:
        lifetime = PAUSE
        kept = _Kept((now + PAUSE).timestamp(), fault=refusal.detail)
        note_refusal(refusal, now=now, organisation=organisation, client_id=client_id)
    cache.set(_key(client_id), orjson.dumps(asdict(kept)), timeout=lifetime.total_seconds())
    return kept


def _members(response: Response) -> dict[str, Any]:
    if response.status != OK:
        raise OutboundError(f"the answer has status {response.status}")
    if not JSON_TYPE.fullmatch(response.content_type):
        raise OutboundError("the answer is not JSON by its type")
    return parse_object(response.body)


def _wait(client_id: str, now: datetime) -> _Kept:
    """What somebody else is asking for just now."""
    enough = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < enough:
        time.sleep(LOOK_EVERY_SECONDS)
        known = _known(client_id, now)
        if known is not None:
            return known
    raise Refusal.unavailable()


def _known(client_id: str, now: datetime) -> _Kept | None:
    raw = cache.get(_key(client_id))
    kept = None if raw is None else _Kept(**orjson.loads(raw))
    return kept if kept is not None and kept.until > now.timestamp() else None


def _answer(kept: _Kept) -> Registration:
    if kept.values is None:
        raise Refusal(
            "invalid_client", f"The application's description of itself is not usable. {kept.fault}"
        )
    return Registration(kept.kind, kept.values)


def _key(client_id: str, part: str = "says") -> str:
    return f"client-document:{part}:{hashlib.sha256(client_id.encode()).hexdigest()}"
