"""Passwords, sign-in, enumeration and lockout (A090 to A103)."""

import os
from typing import Any

from tests.attacks.sabotage.defence import Defence, replace, wrap


def claimed(request: Any) -> str:
    """The address that a header names, whoever wrote it."""
    return str(request.META.get("HTTP_X_FORWARDED_FOR") or request.META["REMOTE_ADDR"])


DEFENCES = {
    "A093": Defence(
        "spellings of an address are one account",
        wrap(
            "risk.history:digests_of_attempt",
            lambda original, **what: original(**what) | {"account": os.urandom(16)},
        ),
    ),
    "A098": Defence(
        "what a header claims is no address", replace("risk.receivers:client_address", claimed)
    ),
    "A099": Defence(
        "tries on many accounts count by where they come from",
        replace("risk.evidence:spray", lambda **_: None),
    ),
}
