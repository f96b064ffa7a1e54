"""Passwords, sign-in, enumeration and lockout (A090 to A103)."""

import os
from typing import Any

from tests.attacks.sabotage.defence import Defence, Patch, replace, wrap


def claimed(request: Any) -> str:
    """The address that a header names, whoever wrote it."""
    return str(request.META.get("HTTP_X_FORWARDED_FOR") or request.META["REMOTE_ADDR"])


def one_lock_for_all(patch: Patch) -> None:
    from django.conf import settings

    patch.setattr(settings, "AXES_LOCKOUT_PARAMETERS", ["username"])
    patch.setattr("axes.conf.settings.AXES_LOCKOUT_PARAMETERS", ["username"])


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
    "A094": Defence(
        "a guess is paid for before it is judged",
        replace("accounts.budget:reserve", lambda *_, **__: None),
    ),
    "A096": Defence("patience has an end", replace("accounts.budget:TOTAL_FAILURES", 10**9)),
    "A097": Defence("failures shut out where they come from, not the account", one_lock_for_all),
    "A100": Defence(
        "forms carry a token of the browser",
        replace("django.middleware.csrf:CsrfViewMiddleware.process_view", lambda *_: None),
    ),
}
