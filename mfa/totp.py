"""Time-based one-time passwords (RFC 6238: SHA-1, six digits, steps of 30 s). Pure arithmetic.

A code is good for its own step and the two beside it. The clock of the authenticator is never
followed: a drift that walks widens what a guesser may hit.
"""

import base64
import io
import secrets
from datetime import datetime
from urllib.parse import quote, urlencode

import segno
from django_otp.oath import hotp

from core.ids import equal

STEP_SECONDS = 30
DIGITS = 6
TOLERANCE_STEPS = 1
SEED_SIZE_BYTES = 20  # RFC 4226 §4, R6 recommends 160 bits
KEY_GROUP_LENGTH = 4


def new_seed() -> bytes:
    """20 random bytes."""
    return secrets.token_bytes(SEED_SIZE_BYTES)


def is_code(text: str) -> bool:
    """Whether this is six ASCII digits; `int` alone would take "12_3456" and full-width digits."""
    return len(text) == DIGITS and text.isascii() and text.isdigit()


def step_at(now: datetime) -> int:
    """The number of the time step (RFC 6238 §4.2)."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(*, seed: bytes, code: str, now: datetime, after: int) -> int | None:
    """The time step that `code` belongs to, or None.

    after: the last step that was accepted; neither it nor an earlier one matches again (RFC 6238
    §5.2). All steps are compared, whether one has matched or not.
    """
    if not is_code(code):
        return None
    current = step_at(now)
    found = None
    for step in range(current - TOLERANCE_STEPS, current + TOLERANCE_STEPS + 1):
        is_match = equal(f"{hotp(seed, step, DIGITS):0{DIGITS}d}", code)
        if is_match and step > after and found is None:
            found = step
    return found


def key_for_people(seed: bytes) -> str:
    """The seed in base32, in groups of four letters, for typing."""
    key = _base32(seed)
    return " ".join(
        key[start : start + KEY_GROUP_LENGTH] for start in range(0, len(key), KEY_GROUP_LENGTH)
    )


def provisioning_uri(*, seed: bytes, account: str, issuer: str) -> str:
    """The `otpauth:` address that authenticator apps read."""
    label = quote(f"{issuer}:{account}", safe=":@")
    query = urlencode(
        {
            "secret": _base32(seed),
            "issuer": issuer,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": STEP_SECONDS,
        },
        quote_via=quote,
    )
    return f"otpauth://totp/{label}?{query}"


def qr_svg(text: str) -> str:
    """The text as an inline SVG with a viewBox, without any style attribute (CSP)."""
    drawing = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawing, kind="svg", border=2, omitsize=True, xmldecl=False, svgns=False, nl=False
    )
    return drawing.getvalue().decode()


def _base32(seed: bytes) -> str:
    return base64.b32encode(seed).decode().rstrip("=")
