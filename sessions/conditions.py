"""Whether an elevated role counts in a session by its conditions, judged at this very use.

What they ask about who asked, and which address the session is of, comes with the role
(`sessions.rights.DATED`), and only where one has conditions; the rest was read for policy anyway.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

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


class Device(NamedTuple):
    """tier_ends_at: of each tier (`devices.models.Device`)."""

    state: str
    reported_at: datetime | None
    tier_ends_at: tuple[datetime, ...]


def device_of(row: Mapping[str, Any]) -> Device | None:
    """The machine that the session's browser runs on, where it is known."""
    if row["device"] is None:
        return None
    state, reported_at, tier_ends_at = row["device"]
    return Device(
        state,
        None if reported_at is None else datetime.fromisoformat(reported_at),
        tuple(map(datetime.fromisoformat, tier_ends_at)),
    )


def device_tier(row: Mapping[str, Any]) -> int:
    """0 to 4, as of now: each tier has an end of its own."""
    device = device_of(row)
    if device is None or device.state != State.ENROLLED:
        return 0
    return tier_at(device.tier_ends_at, row["now"])


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
