"""Who has what, for a page and for a table to keep: people first, then applications.

Nothing here holds more than a page of it at a time. Each page takes a fixed number of statements.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from access.holdings import (
    Holding,
    Then,
    count_people,
    holdings_of,
    people_after,
    people_by_address,
)
from accounts.limited import Resources, each_named
from accounts.models import Role, User
from idp.clients.holdings import WorkloadHolding, workload_holdings_of, workloads_then
from idp.models import Client

HOLDERS_AT_ONCE = 100
# A cell that begins so would be reckoned with by a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Held:
    """One way in which somebody holds a role. is_suspended: it counted for nothing.

    resources: for which alone it counts, None for all that the role reaches.
    """

    role: Role
    group: str | None
    grant_id: UUID | None
    ends_at: datetime | None
    is_suspended: bool
    resources: Resources | None

    @classmethod
    def of(cls, holding: Holding | WorkloadHolding) -> "Held":
        group, resources = None, None
        if isinstance(holding, Holding):
            group, resources = holding.group, holding.resources
        return cls(
            role=holding.role,
            group=group,
            grant_id=holding.grant_id,
            ends_at=holding.ends_at,
            is_suspended=holding.is_suspended,
            resources=resources,
        )

    @property
    def words(self) -> str:
        if self.grant_id is None:
            return f"standing, by {self.group}" if self.group else "standing"
        limited = ", limited" if self.resources is not None else ""
        return f"elevated{limited}{', suspended' if self.is_suspended else ''}"


@dataclass(frozen=True, slots=True)
class Holder:
    """A person, or an application by its client_id, with all that they hold."""

    email: str
    name: str
    held: Sequence[Held]


@dataclass(frozen=True, slots=True)
class Line:
    """cells: for each role that is shown, how it is held."""

    holder: Holder
    cells: Sequence[Sequence[Held]]


class Holders:
    """All of them, people by their addresses first; looked up where a page needs them."""

    def __init__(self, then: Then) -> None:
        self.then = then
        self.people = count_people(then)
        self.applications = workloads_then(then).count()

    @property
    def count(self) -> int:
        return self.people + self.applications

    def between(self, begin: int, end: int) -> list[Holder]:
        """Those of a page: end is at most how many there are."""
        people: list[User] = []
        clients: list[Client] = []
        if begin < self.people:
            people = people_by_address(self.then, begin=begin, end=min(end, self.people))
        if end > self.people:
            rows = workloads_then(self.then).order_by("client_id", "pk")
            clients = list(rows[max(0, begin - self.people) : end - self.people])
        return [*_people(self.then, people), *_applications(self.then, clients)]


def roles_of(holders: Iterable[Holder]) -> list[Role]:
    """Those that any of them holds, by name."""
    found = {held.role for holder in holders for held in holder.held}
    return sorted(found, key=lambda role: role.name)


def lines_of(holders: Iterable[Holder], roles: Iterable[Role]) -> list[Line]:
    shown = list(roles)
    lines = []
    for holder in holders:
        held: dict[UUID, list[Held]] = defaultdict(list)
        for each in holder.held:
            held[each.role.pk].append(each)
        lines.append(Line(holder, [held[role.pk] for role in shown]))
    return lines


def table_of(then: Then) -> Iterator[list[str]]:
    """A line for each way in which somebody holds a role, below a heading; a page at a time."""
    yield ["email", "name", "role", "how", "resources", "group", "grant", "until", "at"]
    for holder in _all(then):
        for held in holder.held:
            yield [
                plain_cell(text)
                for text in (
                    holder.email,
                    holder.name,
                    held.role.name,
                    "standing" if held.grant_id is None else held.words,
                    _listed(held.resources),
                    held.group or "",
                    str(held.grant_id or ""),
                    held.ends_at.isoformat() if held.ends_at else "",
                    then.at.isoformat(),
                )
            ]


def plain_cell(text: str) -> str:
    """The text so that a spreadsheet takes it for text, whatever it begins with."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _all(then: Then) -> Iterator[Holder]:
    """By their ids: whoever is renamed meanwhile is told of once all the same."""
    people = people_after(then, after=None, most=HOLDERS_AT_ONCE)
    while people:
        yield from _people(then, people)
        people = people_after(then, after=people[-1].pk, most=HOLDERS_AT_ONCE)
    rows = workloads_then(then).order_by("pk")
    clients = list(rows[:HOLDERS_AT_ONCE])
    while clients:
        yield from _applications(then, clients)
        clients = list(rows.filter(pk__gt=clients[-1].pk)[:HOLDERS_AT_ONCE])


def _people(then: Then, people: Sequence[User]) -> Iterator[Holder]:
    held: dict[UUID, list[Held]] = defaultdict(list)
    if people:
        for each in holdings_of(then, people):
            held[each.user.pk].append(Held.of(each))
    return (Holder(one.email, one.name, held[one.pk]) for one in people)


def _applications(then: Then, clients: Sequence[Client]) -> Iterator[Holder]:
    held: dict[UUID, list[Held]] = defaultdict(list)
    if clients:
        for each in workload_holdings_of(then, clients):
            held[each.client_pk].append(Held.of(each))
    return (Holder(one.client_id, "an application", held[one.pk]) for one in clients)


def _listed(resources: Resources | None) -> str:
    """A JSON list, as a name may hold whatever else would part one from the next."""
    return "" if resources is None else json.dumps(each_named(resources), ensure_ascii=False)
