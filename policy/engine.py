"""The questions to policy: may this session go on, what follows from this, and any other.

`decide(facts)` is about a session, `respond(signal)` about what happened, `permit(facts)` about
access for a time, and `evaluate(path, document)` about anything else that the bundle has a rule
for. Wiring hands in the folder of the bundle.
"""

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson

from core.assurance import Level
from core.ids import new_id
from policy import bundle
from policy.access import AccessFacts, Verdict
from policy.bundle import Bundle
from policy.decision import Decision
from policy.evaluator import PolicyUnavailable
from policy.facts import Facts, SessionFacts, Trigger, UserFacts
from policy.journal import NOBODY, About, Entry, Journal
from policy.opa import OpaServer, OpaSettings
from policy.rego import RegoEvaluator
from policy.response import Response, Signal

logger = logging.getLogger(__name__)

DECISION, RESPONSE = "sallyport/decision", "sallyport/response/actions"
ACCESS = "sallyport/access/answer"
PATH = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)+")


# What `works` asks about: nothing speaks against it, whatever the answer is.
_SAMPLE = Facts(
    trigger=Trigger.REFRESH,
    organisation_is_active=True,
    user=UserFacts(is_active=True, email_verified=True, stamp_matches=True),
    session=SessionFacts(
        is_ended=False, idle_remaining=60, absolute_remaining=60, level=Level.AAL2,
        authentication_age=1,
    ),
)  # fmt: skip


MAX_LOADED = 4  # the active one, and what a process still finishes by


class Versions(Protocol):
    """What is published. Wiring hands it in, since it stands in the database."""

    def active(self) -> str:
        """The revision that counts now, "" for the shipped one."""

    def load(self, revision: str) -> Bundle:
        """Its bundle, verified; raises PolicyUnavailable."""


class _Engine:
    """evaluator: of the shipped bundle. loaded: of published ones, by revision.

    server: who answers in place of the embedded engine, where the settings say so.
    """

    evaluator: RegoEvaluator | None = None
    server: OpaServer | None = None
    versions: Versions | None = None
    journal: Journal | None = None
    loaded: dict[str, RegoEvaluator] = {}


def configure(
    folder: Path,
    *,
    opa: OpaSettings | None = None,
    versions: Versions | None = None,
    journal: Journal | None = None,
) -> None:
    """Load the shipped bundle; raises ValueError if there is none. Called once at start.

    versions: those published in place of it; journal: where answers are kept. Both are as they were
    where none are given.
    """
    _Engine.evaluator = RegoEvaluator(bundle.load(folder))
    _Engine.server = OpaServer(opa) if opa else None
    _Engine.versions = versions or _Engine.versions
    _Engine.journal = journal or _Engine.journal


def shipped() -> Bundle:
    """The bundle that came with the program; raises PolicyUnavailable without any."""
    if _Engine.evaluator is None:
        raise PolicyUnavailable("there is no policy")
    return _Engine.evaluator.bundle


def revision(active: str | None = None) -> str:
    """The revision that counts; "none" without one, "external" where it is not ours.

    active: what `Versions.active` said, where somebody has asked already.
    """
    if _Engine.evaluator is None:
        return "none"
    if _Engine.server is not None and not _Engine.server.settings.bundle:
        return "external"
    return _active(active) or _Engine.evaluator.bundle.revision


def works() -> bool:
    """Whether policy answers a question in the expected form."""
    asked = _ask(DECISION, _SAMPLE.document(), None)
    if asked.failure:
        return False
    return Decision.from_answer(asked.value, "").reasons != ("policy_undefined",)


def decide(facts: Facts, *, active: str | None = None, about: About = NOBODY) -> Decision:
    """Judge facts. No policy, an error or an undefined answer is a denial.

    active: the revision that counted when the facts were collected (`ACTIVE_REVISION` of
    `policy/versions.py`, in the same statement); asked for here where nobody has.
    """
    asked = _ask(DECISION, facts.document(), active)
    if asked.failure:
        decision = Decision.denied(asked.failure, asked.revision)
    else:
        decision = Decision.from_answer(asked.value, asked.revision)
    _note(decision.decision_id, asked, about)
    return decision


def respond(signal: Signal, *, about: About = NOBODY) -> Response:
    """What follows from a signal. Rules that fail are answered by the strictest consequence."""
    asked = _ask(RESPONSE, signal.document(), None)
    if asked.failure:
        response = Response.failed(asked.failure, asked.revision)
    else:
        response = Response.from_answer(asked.value, asked.revision)
    _note(response.decision_id, asked, about)
    return response


def permit(facts: AccessFacts, *, active: str | None = None, about: About = NOBODY) -> Verdict:
    """May they? No policy, an error or an undefined answer is a no. active: as `decide` has it."""
    asked = _ask(ACCESS, facts.document(), active)
    if asked.failure:
        verdict = Verdict.denied(asked.failure, asked.revision)
    else:
        verdict = Verdict.from_answer(asked.value, asked.revision)
    _note(verdict.decision_id, asked, about)
    return verdict


def evaluate(
    path: str,
    document: Mapping[str, Any],
    *,
    active: str | None = None,
    about: About = NOBODY,
) -> Any:
    """The value of a rule for this input, as parsed JSON, or UNDEFINED where it has none.

    path: of the rule, as OPA's data API has it: `sallyport/authzen/decision`. active: as `decide`
    has it. Raises PolicyUnavailable where policy cannot be asked; whoever asks then says no. So it
    does where the answer is UNDEFINED, or of another shape than it expects.
    """
    asked = _ask(path, document, active)
    _note(new_id(), asked, about)
    if asked.failure:
        raise PolicyUnavailable(asked.told)
    return asked.value


class _Asked(NamedTuple):
    """failure: "", or the reason that a denial gives; told: the same, for logs."""

    path: str
    text: bytes
    value: Any
    revision: str
    nanoseconds: int
    failure: str = ""
    told: str = ""


def _ask(path: str, document: Mapping[str, Any], active: str | None) -> _Asked:
    """Ask, and never fail but by what is asked for."""
    if _Engine.evaluator is None:
        return _Asked(path, b"null", None, "none", 0, "policy_missing", "there is no policy")
    active = _active(active)
    began, text = time.perf_counter_ns(), b"null"
    try:
        text = orjson.dumps(document)
        value = _value(path, text, active)
    except (PolicyUnavailable, TypeError) as failure:
        logger.exception("policy failed; the answer is no")
        told = str(failure) if isinstance(failure, PolicyUnavailable) else "the facts are no JSON"
        spent = time.perf_counter_ns() - began
        return _Asked(path, text, None, revision(active), spent, "policy_unavailable", told)
    return _Asked(path, text, value, revision(active), time.perf_counter_ns() - began)


def _note(decision_id: UUID, asked: _Asked, about: About) -> None:
    if _Engine.journal is not None:
        path, text, value, counted, nanoseconds, _, told = asked
        _Engine.journal.note(
            Entry(decision_id, path, text, value, counted, nanoseconds, about, told)
        )


def active() -> str:
    """The published revision that counts, to ask several questions by; "" for the shipped one."""
    return _Engine.versions.active() if _Engine.versions else ""


def _active(known: str | None) -> str:
    return active() if known is None else known


def _evaluator(active: str) -> RegoEvaluator:
    """The embedded engine with the revision that counts, loaded where this process has not yet."""
    if _Engine.evaluator is None:
        raise PolicyUnavailable("there is no policy")
    if not active:
        return _Engine.evaluator
    evaluator = _Engine.loaded.get(active)
    if evaluator is None:
        if _Engine.versions is None:
            raise PolicyUnavailable(f"there is no policy {active}")
        evaluator = RegoEvaluator(_Engine.versions.load(active))
        kept = list(_Engine.loaded.items())[-(MAX_LOADED - 1) :]
        _Engine.loaded = {**dict(kept), active: evaluator}
    return evaluator


def _value(path: str, text: bytes, active: str) -> Any:
    """The server's answer, where there is one and it has the active revision.

    One that follows the published bundle is a moment behind after each change. Then the embedded
    engine answers, which has the active one: what was published counts at once.
    """
    if not PATH.fullmatch(path):
        raise PolicyUnavailable("this is no path of a rule")
    evaluator, server = _evaluator(active), _Engine.server
    if server is None:
        return evaluator.evaluate(path, text)
    answer = server.ask(path, text)
    wanted = evaluator.bundle.revision
    if not server.settings.bundle or answer.revision == wanted:
        return answer.value
    if not answer.revision:
        raise PolicyUnavailable(f"the OPA server holds no bundle {server.settings.bundle}")
    logger.warning("the OPA server holds revision %s, and %s counts", answer.revision, wanted)
    return evaluator.evaluate(path, text)
