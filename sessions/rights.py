"""Which roles live in a session, until when, and by which grants.

Roles with an end, standing or elevated, are another statement, and asked for only where the person
has any: what they hang on is much to look at, and most people have none.
"""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple

from accounts.locks import is_locked
from accounts.models import LockTarget
from accounts.rights import SEEN_BY_CONDITIONS, counts
from core import clock, prepared
from core.assurance import ACR_VALUES, Level
from core.clock import SQL_NOW as NOW
from core.prepared import Row
from sessions import conditions

LEVELS = f"ARRAY[{', '.join(repr(acr) for acr in ACR_VALUES)}]"
# A role that is locked is nobody's. For statements with the session as `s`, and the role as `r`.
ROLE_LOCKED = is_locked(LockTarget.ROLE, "CAST(r.id AS text)", organisation="s.organisation_id")
# What is held without an end: the device's tier, the level and the name of each role, as one text;
# NULL for one that is locked, and "" for each role with an end. PostgreSQL makes one array of texts
# sooner than three that are in order; `merged` takes it apart. The session as `session` reads it.
HELD = f"""ARRAY(
    SELECT CASE WHEN h.role_id IS NULL THEN '' ELSE (
        SELECT r.required_tier || ' ' || r.required_acr || ' ' || r.name
          FROM accounts_role r
         WHERE r.id = h.role_id AND (NOT s.has_locks OR NOT sessions_is_role_locked(
                 r.id, s.organisation_id, %(clock_offset)s))) END
      FROM (
        SELECT CASE WHEN ra.ends_at IS NULL THEN ra.role_id END AS role_id
          FROM accounts_roleassignment ra
         WHERE ra.user_id = s.user_id AND ra.ended_at IS NULL
           AND (ra.ends_at IS NOT NULL OR ra.starts_at <= {NOW})
         UNION ALL
        SELECT gr.role_id FROM accounts_groupmember gm CROSS JOIN LATERAL (
          SELECT gr.role_id FROM accounts_grouprole gr
           WHERE gr.group_id = gm.group_id OFFSET 0) gr
         WHERE gm.user_id = s.user_id) h)"""
_WITH_END = ""
_COUNTS = counts(
    "ra",
    session="s.id",
    device="b.device_id",
    address="s.address",
    organisation="s.organisation_id",
)
# For statements with the session as `s` and its browser as `b`: always one row.
DATED = f"""
SELECT array_agg(r.name) AS dated_roles, array_agg(ra.ends_at) AS dated_ends,
       array_agg(CAST(ra.grant_id AS text)) AS dated_grants,
       array_agg(greatest(r.required_tier, ra.required_tier)) AS dated_tiers,
       array_agg(greatest(array_position({LEVELS}, r.required_acr),
                          array_position({LEVELS}, ra.required_acr)) - 1) AS dated_levels,
       jsonb_agg(ra.resources) AS dated_resources, jsonb_agg(ra.rules) AS dated_rules,
       CASE WHEN count(ra.rules) > 0 THEN (
         SELECT {SEEN_BY_CONDITIONS} FROM accounts_user p WHERE p.id = s.user_id)
       END AS dated_requester, host(s.address) AS dated_address
  FROM accounts_roleassignment ra
  JOIN accounts_role r ON r.id = ra.role_id
 WHERE ra.user_id = s.user_id AND ra.ended_at IS NULL AND ra.ends_at IS NOT NULL
   AND {_COUNTS}
   AND NOT {ROLE_LOCKED}
"""
FIND_DATED = f"""
SELECT dated.* FROM idp_sessions_loginsession s
  LEFT JOIN devices_browser b ON b.id = s.browser_id
 CROSS JOIN LATERAL ({DATED}) dated
 WHERE s.id = %(session)s
"""

FIND_DATED_OF_MANY = f"""
SELECT s.id AS session_id, dated.* FROM idp_sessions_loginsession s
  LEFT JOIN devices_browser b ON b.id = s.browser_id
 CROSS JOIN LATERAL ({DATED}) dated
 WHERE s.id = ANY (CAST(%(sessions)s AS uuid[]))
"""

_NONE: Mapping[str, Any] = {}


class Limited(NamedTuple):
    """A role that a grant limits to resources: what it demands, and each resource as {type, id}.

    ends_at: of the grant.
    """

    role: str
    level: int
    tier: int
    resources: Sequence[Mapping[str, str]]
    ends_at: datetime


class Rights(NamedTuple):
    """roles: by name. level: the strongest that any of them demands, 0 to 4.

    tiers: of those that demand one, the device's. ends: of those that have an end. grants: of those
    that are elevated, the grant's id. limited: roles for some resources alone, which are none of
    `roles`: an application that reads a role's name would take it for all of it.
    """

    roles: tuple[str, ...] = ()
    level: int = 0
    tiers: Mapping[str, int] = _NONE
    ends: Mapping[str, datetime] = _NONE
    grants: Mapping[str, str] = _NONE
    limited: tuple[Limited, ...] = ()

    def without(self, withheld: AbstractSet[str]) -> "Rights":
        """What is left when policy withholds roles; `level` and `tiers` stay."""
        if not withheld:
            return self
        return self._replace(
            roles=tuple(role for role in self.roles if role not in withheld),
            ends={role: at for role, at in self.ends.items() if role not in withheld},
            grants={role: grant for role, grant in self.grants.items() if role not in withheld},
            limited=tuple(each for each in self.limited if each.role not in withheld),
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


def rights_of(row: Row) -> Rights:
    """What a statement with FACT_COLUMNS found, and what has an end.

    It is kept in the row: what policy has judged is what tokens carry.
    """
    known: Rights | None = row.get("rights")
    if known is None:
        known = row["rights"] = merged(row, _find_dated(row) if has_dated(row) else None)
    return known


def find_rights(rows: Sequence[Row]) -> None:
    """As `rights_of`, for the rows of many sessions: by one statement for all of them."""
    dated = {row["session_id"]: row for row in rows if has_dated(row)}
    if not dated:
        return
    params = {"sessions": list(dated), "clock_offset": clock.offset()}
    for found in prepared.rows(FIND_DATED_OF_MANY, params):
        row = dated[found["session_id"]]
        row["rights"] = merged(row, found)


def has_dated(row: Row) -> bool:
    """Whether a role is held that has an end, which is looked up by a statement of its own."""
    return _WITH_END in row["held_roles"]


def _find_dated(row: Row) -> Row | None:
    params = {"session": row["session_id"], "clock_offset": clock.offset()}
    return prepared.one(FIND_DATED, params)


def merged(row: Mapping[str, Any], dated: Mapping[str, Any] | None) -> Rights:
    """Roles that are held without an end, and those with one. Who holds both has it without.

    Those whose conditions do not hold in the session of `row` are not among them.
    """
    held, level, tiers = _without_end(row["held_roles"])
    roles = tuple(sorted(held))
    if dated is None or not dated["dated_roles"]:
        return Rights(roles, level, tiers)
    ends: dict[str, datetime] = {}
    grants: dict[str, str] = {}
    limited: list[Limited] = []
    for role, demanded, least, end, grant, resources, rules in _dated(dated):
        if role in held or not conditions.hold(rules, row, dated):
            continue
        if resources is not None:
            limited.append(Limited(role, demanded, least, resources, end))
            continue
        level = max(level, demanded)
        if end < ends.get(role, end):
            continue
        ends[role] = end
        grants.pop(role, None)
        if grant is not None:
            grants[role] = grant
        tiers.pop(role, None)
        if least:
            tiers[role] = least
    carried = tuple(sorted((*roles, *ends)))
    return Rights(carried, level, tiers, ends, grants, tuple(limited))


def _without_end(texts: Sequence[str | None]) -> tuple[set[str], int, dict[str, int]]:
    """What HELD found: roles, the strongest level that any of them demands, and tiers.

    Who holds a role by several ways holds it once.
    """
    held: set[str] = set()
    level, tiers = 0, {}
    for text in filter(None, texts):
        tier, acr, role = text.split(" ", 2)
        held.add(role)
        level = max(level, Level.from_acr(acr))
        if tier != "0":
            tiers[role] = int(tier)
    return held, level, tiers


def _dated(
    row: Mapping[str, Any],
) -> Iterator[
    tuple[str, int, int, datetime, str | None, list[dict[str, str]] | None, dict[str, Any] | None]
]:
    columns = (
        "dated_roles", "dated_levels", "dated_tiers", "dated_ends", "dated_grants",
        "dated_resources", "dated_rules",
    )  # fmt: skip
    return zip(*(row[column] for column in columns), strict=True)
