"""What a workload holds now, by standing and by grants, those with conditions judged at this use.

Statements find roles that nothing hangs on but rows (`idp.storage.parts.held`); a condition is
policy's to judge, and costs nobody anything who has none.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from core.prepared import Row
from policy.conditions import SessionSeen, failing


class Held(NamedTuple):
    """roles: by name. ends_at: the first instant at which one of them ends.

    grants, grants_end_at: of those that grants give. live_grants: all that count, also where the
    role is held by another way.
    """

    roles: tuple[str, ...] = ()
    ends_at: datetime | None = None
    grants: tuple[str, ...] = ()
    grants_end_at: datetime | None = None
    live_grants: frozenset[str] = frozenset()


class _Conditional(NamedTuple):
    role: str
    grant: str
    ends_at: datetime


def held_of(row: Row, *, address: str | None) -> Held:
    """Of a row with `parts.HELD_COLUMNS`. address: from where it acts, "" where that is unknown.

    None where it acted before: then it is the one that the grant was begun from.
    """
    held = Held(
        tuple(row["roles"] or ()),
        row["roles_end_at"],
        tuple(sorted(set(row["grants"] or ()))),
        row["grants_end_at"],
        frozenset(row["live_grants"] or ()),
    )
    if row["conditional"] is None:
        return held
    more: dict[str, _Conditional] = {}
    for each in _holding(row["conditional"], address):
        held = held._replace(live_grants=held.live_grants | {each.grant})
        longest = more.setdefault(each.role, each)
        if each.ends_at > longest.ends_at:
            more[each.role] = each
    return _with(held, [each for role, each in more.items() if role not in held.roles])


def names_held(
    roles: Iterable[str], conditional: Iterable[Mapping[str, Any]] | None, *, address: str
) -> list[str]:
    """The names alone. roles: that are held without a condition, and from anywhere.

    conditional: also what counts from one address only. address: from where it acts, "" where that
    is unknown: then none of those counts.
    """
    here = [each for each in conditional or () if each["address"] in {None, address}]
    return sorted({*roles, *(each.role for each in _holding(here, address))})


def _with(held: Held, more: list[_Conditional]) -> Held:
    if not more:
        return held
    ends = min(each.ends_at for each in more)
    return held._replace(
        roles=tuple(sorted((*held.roles, *(each.role for each in more)))),
        ends_at=min(ends, held.ends_at or ends),
        grants=tuple(sorted({*held.grants, *(each.grant for each in more)})),
        grants_end_at=min(ends, held.grants_end_at or ends),
    )


def _holding(
    conditional: Iterable[Mapping[str, Any]], address: str | None
) -> Iterable[_Conditional]:
    """Those whose conditions hold, if they have any."""
    for each in conditional:
        rules = each["rules"]
        failed = rules and failing(
            rules["conditions"],
            requester={**(each["requester"] or {}), "workload": rules["workload"]},
            request=rules["request"],
            session=SessionSeen(address=rules["address"] if address is None else address),
        )
        if not failed:
            ends_at = datetime.fromisoformat(each["ends_at"])
            yield _Conditional(each["role"], each["grant"], ends_at)
