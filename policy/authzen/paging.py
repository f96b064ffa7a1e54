"""Tokens for the next page of a search (§8.2.1).

A token is where the page before ended, sealed: whoever holds it reads nothing out of it, since the
candidate that a page ended at need not be one that the caller may know of. It opens for the very
search it was made for, and for an hour.
"""

import base64
import binascii
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policy.authzen.model import Malformed, Search

LIFETIME = timedelta(hours=1)
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
NONCE_SIZE = 12


@dataclass(frozen=True, slots=True)
class Place:
    """after: the candidate at which the page before ended, "" at the beginning."""

    after: str
    limit: int


def open_place(search: Search, *, key: bytes, caller: str, now: datetime) -> Place:
    """Where a search goes on; raises Malformed for a token that was made up, changed or is old.

    key: 32 bytes. caller: who asks; another's token opens nothing.
    """
    if not search.token:
        return Place("", _limit(search, DEFAULT_LIMIT))
    try:
        raw = base64.urlsafe_b64decode(search.token + "=" * (-len(search.token) % 4))
        text = AESGCM(key).decrypt(raw[:NONCE_SIZE], raw[NONCE_SIZE:], _bound_to(search, caller))
    except (binascii.Error, ValueError, InvalidTag) as error:
        raise Malformed("page.token is not one of ours, or of another search.") from error
    told = json.loads(text)
    if now.timestamp() >= told["until"]:
        raise Malformed("page.token is too old: begin the search again.")
    return Place(told["after"], _limit(search, told["limit"]))


def seal_place(place: Place, search: Search, *, key: bytes, caller: str, now: datetime) -> str:
    """The token that leads on from a place."""
    until = int((now + LIFETIME).timestamp())
    text = json.dumps({"after": place.after, "limit": place.limit, "until": until}).encode()
    nonce = os.urandom(NONCE_SIZE)
    sealed = nonce + AESGCM(key).encrypt(nonce, text, _bound_to(search, caller))
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _limit(search: Search, default: int) -> int:
    return min(default if search.limit is None else search.limit, MAX_LIMIT)


def _bound_to(search: Search, caller: str) -> bytes:
    """What the token is good for: caller, kind and question, with members in a fixed order."""
    asked = [caller, search.wanted.value, search.question.document()]
    text = json.dumps(asked, sort_keys=True)
    return hashlib.sha256(text.encode()).digest()
