"""What would have been answered otherwise: other rules, over what policy was asked before.

Both sets of rules answer each logged input anew, so that only the rules differ: what was masked,
and a revision that has gone since, change nothing. They do so elsewhere (`policy/trial.py`), for so
long and no longer: what is not looked at by then is left.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from core.errors import Refusal
from policy import bundle, checking, engine
from policy.access import Verdict
from policy.bundle import Bundle
from policy.decision import Decision, Outcome
from policy.decision_log import Logged, logged
from policy.evaluator import UNDEFINED
from policy.models import PolicyVersion
from policy.response import Response
from policy.trial import Trial, TrialOver
from policy.versions import Published

MAX_DECISIONS = 20_000
LIMIT_SECONDS = 20.0  # of the wall clock, for somebody who waits for a page
SAMPLES_OF_A_KIND = 5
WORD_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Change:
    """One answer that would be another. before, after: in a word; reasons: where it has any."""

    one: Logged
    before: str
    after: str
    reasons_before: tuple[str, ...] = ()
    reasons_after: tuple[str, ...] = ()


@dataclass
class Report:
    """looked_at: how many answers; is_cut_off: there are older ones that were not looked at.

    stopped: "slow" where its time was over before, "broken" where rules ended its process; else "".
    reached: when the oldest answer that was looked at was given.
    changed, by_user, by_client, by_path, by_change (before, after): how many would be others.
    told_otherwise: how many would be the same for other reasons. samples: the newest of each kind.
    """

    base: str
    draft: str
    looked_at: int = 0
    is_cut_off: bool = False
    stopped: str = ""
    reached: datetime | None = None
    changed: int = 0
    told_otherwise: int = 0
    by_user: Counter[UUID | None] = field(default_factory=Counter)
    by_client: Counter[str] = field(default_factory=Counter)
    by_path: Counter[str] = field(default_factory=Counter)
    by_change: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: list[Change] = field(default_factory=list)


def simulate(
    version: PolicyVersion,
    *,
    since: datetime,
    until: datetime,
    limit: int = MAX_DECISIONS,
) -> Report:
    """What this version would change of what policy was asked, against the one that counts."""
    return simulate_rules(version.modules, since=since, until=until, limit=limit)


def simulate_rules(
    modules: dict[str, str],
    *,
    since: datetime,
    until: datetime,
    limit: int = MAX_DECISIONS,
    seconds: float | None = None,
) -> Report:
    """The same for files that are no version yet; refuses what does not compile.

    seconds: how long it may take with all; LIMIT_SECONDS where nothing is said.
    """
    enough = time.monotonic() + (LIMIT_SECONDS if seconds is None else seconds)
    verdict = checking.check(modules)
    if verdict.faults:
        raise Refusal.invalid_request("\n".join(map(str, verdict.faults)))
    asked = logged(since=since, until=until)
    draft = bundle.of_modules(modules)
    with Trial(_counting(), draft, seconds=enough - time.monotonic()) as trial:
        report = compare(trial, islice(asked, limit))
    report.is_cut_off = bool(report.stopped) or next(asked, None) is not None
    return report


def compare(trial: Trial, asked: Iterable[Logged]) -> Report:
    """Ask both about each input, for as long as there are answers."""
    report = Report(trial.base, trial.draft)
    kinds: Counter[tuple[str, str, str]] = Counter()
    for one in asked:
        try:
            answers = trial.ask(one.path, orjson.dumps(one.input))
        except TrialOver as over:
            report.stopped = "slow" if over.is_late else "broken"
            break
        before, after = (settled(one.path, answer) for answer in answers)
        report.looked_at, report.reached = report.looked_at + 1, one.at
        if before.rest == after.rest:
            report.told_otherwise += before.reasons != after.reasons
            continue
        report.changed += 1
        report.by_user[one.about.user_id] += 1
        report.by_client[one.about.client] += 1
        report.by_path[one.path] += 1
        report.by_change[before.word, after.word] += 1
        kinds[one.path, before.word, after.word] += 1
        if kinds[one.path, before.word, after.word] <= SAMPLES_OF_A_KIND:
            change = Change(one, before.word, after.word, before.reasons, after.reasons)
            report.samples.append(change)
    return report


class Settled(NamedTuple):
    """An answer in a word, its reasons, and what of it has consequences."""

    word: str
    reasons: tuple[str, ...]
    rest: Any


def settled(path: str, value: Any) -> Settled:
    """What the asker makes of an answer."""
    if path == engine.DECISION:
        made = Decision.from_answer(value, "")
        rest: tuple[Any, ...] = (made.outcome,)
        if made.is_allowed:
            rest += (made.withheld_scopes, made.withheld_roles)
        elif made.outcome is Outcome.STEP_UP:
            rest += (made.required_level, made.max_age)
        return Settled(made.outcome.value, made.reasons, rest)
    if path == engine.RESPONSE:
        actions = Response.from_answer(value, "").actions
        return Settled(", ".join(action.act.value for action in actions) or "nothing", (), actions)
    if path == engine.ACCESS:
        told = Verdict.from_answer(value, "")
        flags = (told.is_final, told.asks_step_up, told.demanded_level)
        word = "allow" if told.allowed else "refuse"
        return Settled(word, told.reasons, (told.allowed, flags))
    word = "no answer" if value is UNDEFINED else orjson.dumps(value).decode()[:WORD_LENGTH]
    return Settled(word, (), value)


def _counting() -> Bundle:
    """The rules that count now."""
    published = Published()
    active = published.active()
    return published.load(active) if active else engine.shipped()
