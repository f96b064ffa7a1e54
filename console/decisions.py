"""What policy answered lately, for those who may see it: by pages and by the API.

Staff of one organisation see answers about its people and applications; the others are not there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from accounts.models import User
from idp.models import Client
from policy import engine
from policy.bundle import Bundle
from policy.decision_log import Logged, find, logged
from policy.evaluator import PolicyUnavailable
from policy.explaining import Explained, explain
from policy.simulation import settled
from policy.versions import Published

ON_A_PAGE = 50
# How many answers are looked at for a page of those that are asked for.
MOST_LOOKED_AT, AT_ONCE = 10_000, 500
MOST_DAYS = 14
QUESTIONS = {
    engine.DECISION: "a session",
    engine.RESPONSE: "what follows from a signal",
    engine.ACCESS: "access for a time",
    "sallyport/authzen/decisions": "AuthZEN",
}
OUTCOMES = ("allow", "restrict", "step_up", "deny", "revoke", "refuse", "no answer")


@dataclass(frozen=True, slots=True)
class Row:
    """An answer as the list tells it. who: an address, "" where nobody is known.

    organisation: the slug of whose people or applications it is about, "" where that is nobody.
    """

    one: Logged
    who: str
    organisation: str
    question: str
    word: str
    reasons: tuple[str, ...]


class Place(NamedTuple):
    """An answer that a list goes on after."""

    at: datetime
    decision_id: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.decision_id}"

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """What `str` made of a place; None for anything else."""
        at, _, decision_id = text.partition("~")
        try:
            moment = datetime.fromisoformat(at)
            return cls(moment, UUID(decision_id)) if moment.tzinfo else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Found:
    """rows: the newest first. older: after which the next page goes on. looked_at: how many."""

    rows: list[Row]
    older: Place | None
    looked_at: int


@dataclass(frozen=True, slots=True)
class One:
    """One answer asked again. explained: None where no rules can be had to ask.

    is_same_revision: whether those are the rules that answered; is_same_answer: whether they say
    the same again, for which what was masked may make a difference.
    """

    row: Row
    explained: Explained | None
    is_same_revision: bool
    is_same_answer: bool


class Reach:
    """Whose answers may be seen: those of an organisation, or all (None).

    Asked of the rows by the hundred.
    """

    def __init__(self, organisation_id: UUID | None) -> None:
        self._organisation_id = organisation_id
        self._people: dict[UUID, tuple[str, str] | None] = {}
        self._clients: dict[str, str] = {}

    def learn(self, some: list[Logged]) -> None:
        ids = {each.about.user_id for each in some if each.about.user_id} - self._people.keys()
        names = {each.about.client for each in some if each.about.client} - self._clients.keys()
        people, clients = (
            User.unscoped.filter(pk__in=ids),
            Client.unscoped.filter(client_id__in=names),
        )
        if self._organisation_id is not None:
            people = people.filter(organisation_id=self._organisation_id)
            clients = clients.filter(organisation_id=self._organisation_id)
        known = people.values_list("pk", "email", "organisation__slug")
        self._people |= dict.fromkeys(ids) | {pk: (email, slug) for pk, email, slug in known}
        slugs = dict(clients.values_list("client_id", "organisation__slug"))
        self._clients |= {name: slugs.get(name, "") for name in names}

    def holds(self, one: Logged) -> bool:
        """By the person that it is about; by the application where it is about nobody."""
        if self._organisation_id is None:
            return True
        if one.about.user_id:
            return self._people.get(one.about.user_id) is not None
        return bool(self._clients.get(one.about.client))

    def row(self, one: Logged) -> Row:
        """As the list tells it; learn of it first."""
        user_id, client = one.about.user_id, one.about.client
        person = self._people.get(user_id) if user_id else ("", self._clients.get(client, ""))
        return _row(one, *(person or ("", "")))


def look(
    *,
    reach: Reach,
    until: datetime,
    after: Place | None = None,
    since: datetime | None = None,
    person: UUID | None = None,
    client: str = "",
    path: str = "",
    outcome: str = "",
    limit: int = ON_A_PAGE,
) -> Found:
    """The latest answers before `until` that are asked for and may be seen, from `after` on.

    since: 14 days before where it begins unless said. A page may have fewer rows than there are.
    """
    rows, looked_at = list[Row](), 0
    if after is not None:
        until = min(until, after.at + timedelta(microseconds=1))
    asked = logged(
        since=since or until - timedelta(days=MOST_DAYS),
        until=until,
        path=path,
        user_id=person,
        client=client,
    )
    last: Logged | None = None
    for some in _by_the_hundred(asked):
        reach.learn(some)
        for one in some:
            if after is not None and (one.at, one.decision_id) >= after:
                continue
            if len(rows) == limit:
                return Found(rows, _place(last), looked_at)
            looked_at, last = looked_at + 1, one
            if not reach.holds(one):
                continue
            row = reach.row(one)
            if not outcome or row.word == outcome:
                rows.append(row)
        if looked_at >= MOST_LOOKED_AT:
            return Found(rows, _place(last), looked_at)
    return Found(rows, None, looked_at)


def look_at(decision_id: UUID, reach: Reach) -> One | None:
    """One answer, asked again of the rules that gave it; None where there is none to be seen."""
    one = find(decision_id)
    if one is None:
        return None
    reach.learn([one])
    if not reach.holds(one):
        return None
    bundle, is_same = _bundle(one.revision)
    explained = explain(bundle, one.path, one.input) if bundle else None
    return One(reach.row(one), explained, is_same, _is_same_answer(one, explained))


def _place(one: Logged | None) -> Place | None:
    return None if one is None else Place(one.at, one.decision_id)


def _by_the_hundred(asked: Iterator[Logged]) -> Iterator[list[Logged]]:
    while some := list(islice(asked, AT_ONCE)):
        yield some


def _row(one: Logged, who: str, organisation: str) -> Row:
    question = QUESTIONS.get(one.path, one.path)
    if one.error:
        return Row(one, who, organisation, question, "no answer", ())
    made = settled(one.path, one.result)
    return Row(one, who, organisation, question, made.word, made.reasons)


def _is_same_answer(one: Logged, explained: Explained | None) -> bool:
    if explained is None or one.error:
        return False
    return bool(settled(one.path, one.result).rest == settled(one.path, explained.result).rest)


def _bundle(revision: str) -> tuple[Bundle | None, bool]:
    """The rules that answered, or else those that count now; and whether they are the same."""
    try:
        shipped = engine.shipped()
        if revision == shipped.revision:
            return shipped, True
        published = Published()
        try:
            return published.load(revision), True
        except PolicyUnavailable:
            active = published.active()
            return (published.load(active) if active else shipped), False
    except PolicyUnavailable:
        return None, False
