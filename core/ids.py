"""Random identifiers of stated entropy, their digests, and comparison in constant time."""

import hashlib
import hmac
import os
import secrets
import time
import uuid

_VERSION_AND_VARIANT = 0xF << 76 | 0b11 << 62


def new_id() -> uuid.UUID:
    """A UUID of version 7 (RFC 9562 §5.7): time-ordered, 74 random bits. A name, never a secret."""
    milliseconds = time.time_ns() // 1_000_000 & 0xFFFFFFFFFFFF
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return uuid.UUID(int=value & ~_VERSION_AND_VARIANT | 0x7 << 76 | 0b10 << 62)


def new_token(size_bytes: int = 32) -> str:
    """A secret of `size_bytes` random bytes, as base64url text without padding."""
    return secrets.token_urlsafe(size_bytes)


def digest(secret: str) -> bytes:
    """SHA-256 of a high-entropy secret, 32 bytes. Never for passwords or short codes."""
    return hashlib.sha256(secret.encode()).digest()


def equal(left: bytes | str, right: bytes | str) -> bool:
    """Compare in constant time; text is compared as UTF-8."""
    left_bytes = left.encode() if isinstance(left, str) else left
    right_bytes = right.encode() if isinstance(right, str) else right
    return hmac.compare_digest(left_bytes, right_bytes)
