"""Random identifiers of stated entropy, their digests and text, and comparison in constant time."""

import binascii
import hashlib
import hmac
import os
import secrets
import struct
import time
import uuid
from collections.abc import Iterator

_MILLISECOND = 1_000_000  # in nanoseconds
_CHANCE = (1 << 62) - 1
_DRAWN_AT_ONCE = 512
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class _Drawn:
    """Chance for names: the system is asked for many at once, since each time is a system call."""

    numbers: Iterator[tuple[int]] = iter(())

    @classmethod
    def forget(cls) -> None:
        cls.numbers = iter(())


os.register_at_fork(after_in_child=_Drawn.forget)  # or both would give the same names


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562 §5.7), ordered by time to a quarter of a microsecond.

    The 12 bits below the millisecond are its fraction (§6.2, method 3), so that what one cause
    writes sorts in the order of writing; 62 bits are random. A name, never a secret.
    """
    milliseconds, rest = divmod(time.time_ns(), _MILLISECOND)
    fraction = (rest << 12) // _MILLISECOND
    drawn = next(_Drawn.numbers, None)
    if drawn is None:
        _Drawn.numbers = struct.iter_unpack("=Q", os.urandom(8 * _DRAWN_AT_ONCE))
        drawn = next(_Drawn.numbers)
    chance = drawn[0] & _CHANCE
    return uuid.UUID(
        int=(milliseconds & 0xFFFFFFFFFFFF) << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | chance
    )


def new_token(size_bytes: int = 32) -> str:
    """A secret of `size_bytes` random bytes, as base64url text without padding."""
    return secrets.token_urlsafe(size_bytes)


def base64url(raw: bytes) -> bytes:
    """Base64url without padding (RFC 7515 §2)."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=")


def digest(secret: str) -> bytes:
    """SHA-256 of a high-entropy secret, 32 bytes. Never for passwords or short codes."""
    return hashlib.sha256(secret.encode()).digest()


def equal(left: bytes | str, right: bytes | str) -> bool:
    """Compare in constant time; text is compared as UTF-8."""
    left_bytes = left.encode() if isinstance(left, str) else left
    right_bytes = right.encode() if isinstance(right, str) else right
    return hmac.compare_digest(left_bytes, right_bytes)
