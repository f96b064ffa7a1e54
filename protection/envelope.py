"""Seal and unseal a value.

Format: version (1 byte, 0x01), suite (1 byte, 0x01 = AES-256-GCM), data key id (16 bytes),
nonce (12 random bytes), ciphertext, tag (16 bytes). The head and the caller's context are the
associated data, so a value moved to another row, column or organisation does not unseal.
"""

import os
from uuid import UUID

from cryptography.exceptions import InvalidTag

from protection import keyring
from protection.keyring import NONCE_SIZE_BYTES, KeyUnavailable

HEAD = b"\x01\x01"
ID_SIZE_BYTES = 16
HEAD_SIZE_BYTES = len(HEAD) + ID_SIZE_BYTES


def seal(plaintext: bytes, *, organisation_id: UUID | None, context: str) -> bytes:
    """Encrypt under the organisation's active data key.

    context: names the one place where the value may stand, for example `mfa.TotpFactor|seed|<id>`.
    Raises KeyUnavailable.
    """
    key_id, key = keyring.active_key(organisation_id)
    head = HEAD + key_id.bytes
    nonce = os.urandom(NONCE_SIZE_BYTES)
    return head + nonce + key.encrypt(nonce, plaintext, head + context.encode())


def unseal(sealed: bytes, *, context: str) -> bytes:
    """Decrypt; raises KeyUnavailable if the key is gone or the value does not belong here."""
    sealed = bytes(sealed)
    if sealed[: len(HEAD)] != HEAD or len(sealed) < HEAD_SIZE_BYTES + NONCE_SIZE_BYTES:
        raise KeyUnavailable("not a sealed value")
    head, rest = sealed[:HEAD_SIZE_BYTES], sealed[HEAD_SIZE_BYTES:]
    key = keyring.key_by_id(key_id_of(sealed))
    try:
        return key.decrypt(
            rest[:NONCE_SIZE_BYTES], rest[NONCE_SIZE_BYTES:], head + context.encode()
        )
    except InvalidTag as error:
        raise KeyUnavailable("the sealed value does not belong here, or was changed") from error


def key_id_of(sealed: bytes) -> UUID:
    """The data key that sealed this value."""
    return UUID(bytes=bytes(sealed[len(HEAD) : HEAD_SIZE_BYTES]))
