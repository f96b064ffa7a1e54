"""Questions put to policy with the facts that belong to them, and searches as many of them."""

from collections.abc import Sequence
from functools import partial

from core.prepared import Row
from idp.authzen import knowledge
from idp.authzen.asker import Asker
from policy import engine
from policy.authzen import deciding
from policy.authzen.deciding import Verdict
from policy.authzen.model import Question, Search
from policy.journal import About

SCAN = 500  # candidates that one search looks at
SLICE = 100  # of them asked about at a time


def ask(asker: Asker, questions: Sequence[Question], row: Row) -> list[Verdict]:
    """What policy says. row: the facts about what the questions name."""
    if not questions:
        return []
    known = knowledge.document(asker, questions, row)
    evaluate = partial(
        engine.evaluate, active=row["policy_revision"], about=About(client=asker.client_id)
    )
    return deciding.decide(questions, known, evaluate)


def permitted(
    asker: Asker, search: Search, row: Row, names: Sequence[str], *, after: str, limit: int
) -> tuple[list[str], str]:
    """Those of the candidates that policy says yes to, and the last one that was looked at."""
    found: list[str] = []
    last = after
    for begin in range(0, len(names), SLICE):
        some = names[begin : begin + SLICE]
        questions = [search.with_candidate(name) for name in some]
        for name, verdict in zip(some, ask(asker, questions, row), strict=True):
            if verdict.decision and len(found) == limit:
                return found, last
            if verdict.decision:
                found.append(name)
            last = name
    return found, last


def all_permitted(asker: Asker, search: Search, *, most: int) -> list[str] | None:
    """All that policy says yes to; None where they, or the candidates, are too many to be told."""
    row = knowledge.collect_candidates(asker, search, after="", most=SCAN + 1)
    if row is None or not row["client_is_active"]:
        return None
    names = knowledge.candidates(search, row, after="", most=SCAN + 1)
    if len(names) > SCAN:
        return None
    found, _ = permitted(asker, search, row, names, after="", limit=most + 1)
    return found if len(found) <= most else None
