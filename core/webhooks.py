"""Signed messages to servers of others, as Standard Webhooks 1.0.0 has them.

webhook-id stays the same however often a message is repeated, webhook-timestamp is of this try, and
webhook-signature is `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

SECRET_PREFIX = "whsec_"  # how the specification marks what follows
SECRET_BYTES = 32


def new_secret() -> tuple[bytes, str]:
    """A key, and how whoever receives is told it."""
    key = secrets.token_bytes(SECRET_BYTES)
    return key, written(key)


def written(key: bytes) -> str:
    """A key as libraries of Standard Webhooks read it."""
    return SECRET_PREFIX + base64.b64encode(key).decode()


def signed(key: bytes, message_id: str, body: bytes, *, now: datetime) -> dict[str, str]:
    """The three headers."""
    timestamp = str(int(now.timestamp()))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": signature(key, message_id, timestamp, body),
    }


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    content = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
