"""Whether an elevated role counts in a session by its conditions, judged at this very use.

What they ask about who asked, and which address the session is of, comes with the role
(`sessions.rights.DATED`), and only where one has conditions; the rest was read for policy anyway.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core.assurance import Level
from devices.models import State
from devices.score import tier_at
from policy.conditions import SessionSeen, failing


def hold(rules: Mapping[str, Any] | None, row: Mapping[str, Any], dated: Mapping[str, Any]) -> bool:
    """rules: of the assignment (`accounts.models.RoleAssignment.rules`). row: of the session."""
    if rules is None:
        return True
    who = dated["dated_requester"] or {}
    return not failing(
        rules["conditions"],
        requester={**who, "workload": rules["workload"]},
        request=rules["request"],
        session=_seen(row, dated["dated_address"]),
    )


def device_tier(row: Mapping[str, Any]) -> int:
    """0 to 4, as of now: each tier has an end of its own. 0 without a device."""
    state, _, tier_ends_at = row["device"] or ("", None, ())
    if state != State.ENROLLED:
        return 0
    return tier_at(tuple(map(datetime.fromisoformat, tier_ends_at)), row["now"])


def _seen(row: Mapping[str, Any], address: str | None) -> SessionSeen:
    age = int((row["now"] - row["auth_time"]).total_seconds())
    return SessionSeen(
        level=Level.from_acr(row["acr"]),
        methods=tuple(row["amr"]),
        authentication_age=max(0, age),
        binding=row["binding"],
        tier=device_tier(row),
        address=address or "",
    )
