"""Codes that a device shows and a person types (RFC 8628 §6.1).

No vowels, so no words; 34 bits in eight letters. Only keyed digests of them are kept, since a plain
digest of so short a code could be searched. Tries are paid for by whoever makes them, and a code
that is guessed at ends.
"""

import re
import secrets
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Case, F, Value, When
from django.utils.crypto import salted_hmac

from core import clock
from core.limits import Limit, spend

if TYPE_CHECKING:
    from django.db.models import QuerySet

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
CODE_LENGTH, HEAD_LENGTH = 8, 4
MAX_TYPED_LENGTH = 64
MAX_WRONG_TRIES = 5
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


def pay_for_try(
    limit: Limit, *, user_id: Any, session_id: Any, address: str, now: datetime
) -> None:
    """By person, by sign-in and by address (RFC 8628 §5.1); refuses TOO_MANY_ATTEMPTS."""
    for key in (f"user:{user_id}", f"session:{session_id}", f"address:{address}"):
        spend(limit, key, now=now)


def count_wrong_try(alike: "QuerySet[Any]") -> int:
    """Count a wrong code against those that begin like it, and end the ones that had too many.

    alike: rows with `wrong_tries` and `denied_at`. Returns how many there are.
    """
    return alike.update(
        wrong_tries=F("wrong_tries") + 1,
        denied_at=Case(
            When(wrong_tries__gte=MAX_WRONG_TRIES - 1, then=clock.sql_now()), default=Value(None)
        ),
    )
