"""The refresh token on the wire.

68 bytes as base64url: family id (16), generation (4), secret (32), tag (16). The tag is an HMAC
under a key of this installation: what we never issued is refused without a look-up, so knowing
a family's id is not enough to have it revoked, while a spent token of any age is recognised.
The database holds SHA-256 of the whole.
"""

import binascii
import hashlib
import hmac
import os
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from django.conf import settings

from core.ids import base64url, digest

ID_SIZE, GENERATION_SIZE, SECRET_SIZE, TAG_SIZE = 16, 4, 32, 16
BODY_SIZE = ID_SIZE + GENERATION_SIZE + SECRET_SIZE
TEXT_LENGTH = 91
# To the alphabet that the decoder reads. What is written in that one is none of ours.
_STANDARD = str.maketrans("-_+/", "+/  ")
LAST = frozenset("AEIMQUYcgkosw048")  # of its six bits the last two say nothing, and are zero


class RefreshToken(NamedTuple):
    text: str
    family_id: UUID
    generation: int
    digest: bytes


def make(family_id: UUID, generation: int) -> RefreshToken:
    """A new token: generation 0 is the first of its family."""
    body = family_id.bytes + generation.to_bytes(GENERATION_SIZE) + os.urandom(SECRET_SIZE)
    text = base64url(body + _tag(body, settings.SECRET_KEY)).decode()
    return RefreshToken(text, family_id, generation, digest(text))


def parse(text: str) -> RefreshToken | None:
    """Read a token, or None if it is none of ours."""
    if len(text) != TEXT_LENGTH or not text.isascii() or text[-1] not in LAST:
        return None
    try:
        raw = binascii.a2b_base64(text.translate(_STANDARD) + "=", strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    body, tag = raw[:BODY_SIZE], raw[BODY_SIZE:]
    if not hmac.compare_digest(tag, _tag(body, settings.SECRET_KEY)):
        former = settings.SECRET_KEY_FALLBACKS
        if not any(hmac.compare_digest(tag, _tag(body, key)) for key in former):
            return None
    generation = int.from_bytes(body[ID_SIZE : ID_SIZE + GENERATION_SIZE])
    return RefreshToken(text, UUID(bytes=body[:ID_SIZE]), generation, digest(text))


def _tag(body: bytes, secret_key: str) -> bytes:
    keyed = _keyed(secret_key).copy()
    keyed.update(body)
    return keyed.finalize()[:TAG_SIZE]


@lru_cache(maxsize=8)
def _keyed(secret_key: str) -> HMAC:
    """An HMAC that has taken its key and nothing else: copying it is cheaper than making one."""
    key = hashlib.sha256(b"sallyport.refresh-token|" + secret_key.encode()).digest()
    return HMAC(key, SHA256())
