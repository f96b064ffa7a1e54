"""Which roles live in a session, until when, and by which grants."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Rights:
    """roles: by name. level: the strongest that any of them demands, 0 to 4.

    tiers: of those that demand one, the device's. ends: of those that have an end. grants: of those
    that are elevated, the grant's id.
    """

    roles: tuple[str, ...] = ()
    level: int = 0
    tiers: Mapping[str, int] = field(default_factory=dict)
    ends: Mapping[str, datetime] = field(default_factory=dict)
    grants: Mapping[str, str] = field(default_factory=dict)

    def without(self, withheld: AbstractSet[str]) -> "Rights":
        """What is left when policy withholds roles; `level` and `tiers` stay."""
        if not withheld:
            return self
        return replace(
            self,
            roles=tuple(role for role in self.roles if role not in withheld),
            ends={role: at for role, at in self.ends.items() if role not in withheld},
            grants={role: grant for role, grant in self.grants.items() if role not in withheld},
        )

    @property
    def ends_at(self) -> datetime | None:
        """The first instant at which one of the roles ends."""
        return min(self.ends.values(), default=None)

    @property
    def grant_ids(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.grants.values())))

    @property
    def grants_end_at(self) -> datetime | None:
        """The first instant at which one of the grants ends."""
        return min((self.ends[role] for role in self.grants), default=None)


def rights_of(row: Mapping[str, Any]) -> Rights:
    """What a statement with FACT_COLUMNS found. A role that is held without an end has none."""
    roles = tuple(row["roles"] or ())
    tiers = {role: tier for role, tier in zip(roles, row["role_tiers"] or (), strict=True) if tier}
    if not row["dated_roles"]:
        return Rights(roles, row["role_level"], tiers)
    level: int = row["role_level"]
    ends: dict[str, datetime] = {}
    grants: dict[str, str] = {}
    for role, demanded, tier, end, grant in _dated(row):
        if role in roles:
            continue
        level = max(level, demanded)
        if end < ends.get(role, end):
            continue
        ends[role] = end
        grants.pop(role, None)
        if grant is not None:
            grants[role] = grant
        tiers.pop(role, None)
        if tier:
            tiers[role] = tier
    return Rights(tuple(sorted((*roles, *ends))), level, tiers, ends, grants)


def _dated(row: Mapping[str, Any]) -> Iterator[tuple[str, int, int, datetime, str | None]]:
    columns = ("dated_roles", "dated_levels", "dated_tiers", "dated_ends", "dated_grants")
    return zip(*(row[column] for column in columns), strict=True)
