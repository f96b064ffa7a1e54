"""Recovery codes: how they look, and what is kept of them. No request, no database, no audit.

Sixteen letters of Crockford's base32, 80 random bits (NIST SP 800-63B-4 §3.1.2 asks for 64). They
are shown once; what is kept is a keyed digest, bound to the sheet that they belong to.
"""

import secrets
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

CODES_PER_SHEET = 10
CODE_LENGTH = 16
GROUP_LENGTH = 4
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_READ_AS = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})


def new_codes() -> tuple[str, ...]:
    """A sheet of codes as people see them: `k7mq-x2ra-9fte-w3pn`."""
    return tuple(_new_code() for _ in range(CODES_PER_SHEET))


def normalised(typed: str) -> str:
    """A code as typed by somebody: any case, with or without dashes, O for 0, I and L for 1."""
    return typed.strip().lower().translate(_READ_AS)


def is_code(typed: str) -> bool:
    code = normalised(typed)
    return len(code) == CODE_LENGTH and all(letter in ALPHABET for letter in code)


def digest_of(code: str, *, sheet: UUID) -> bytes:
    """What is kept of a code, 32 bytes."""
    return digests_of(code, sheet=sheet)[0]


def digests_of(code: str, *, sheet: UUID) -> list[bytes]:
    """What may have been kept of it: under the present secret key, and under earlier ones."""
    return [
        salted_hmac(
            "mfa.recovery_codes", f"{sheet}|{normalised(code)}", secret=key, algorithm="sha256"
        ).digest()
        for key in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    ]


def _new_code() -> str:
    groups = range(CODE_LENGTH // GROUP_LENGTH)
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in groups)
