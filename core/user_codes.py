"""Codes that a device shows and a person types (RFC 8628 §6.1).

No vowels, so no words; 34 bits in eight letters. Only keyed digests of them are kept, since a plain
digest of so short a code could be searched; who accepts them counts the tries.
"""

import re
import secrets

from django.utils.crypto import salted_hmac

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH, HEAD_LENGTH = 8, 4
MAX_TYPED_LENGTH = 64
_OTHER_LETTERS = re.compile(f"[^{ALPHABET}]")


def new_user_code() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))


def read(typed: str) -> str:
    """The user code in what somebody typed, or "" if there is none."""
    letters = _OTHER_LETTERS.sub("", typed[:MAX_TYPED_LENGTH].upper())
    return letters if len(letters) == CODE_LENGTH else ""


def shown(user_code: str) -> str:
    return f"{user_code[:HEAD_LENGTH]}-{user_code[HEAD_LENGTH:]}"


def head(user_code: str) -> str:
    """The first half: wrong codes that begin like a live one are counted against that."""
    return user_code[:HEAD_LENGTH]


def keyed_digest(user_code: str, *, purpose: str) -> bytes:
    """32 bytes; the same code for another purpose has another."""
    return salted_hmac(f"sallyport.{purpose}", user_code, algorithm="sha256").digest()
