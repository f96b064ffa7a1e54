"""The questions to policy: may this session go on, what follows from this, and any other.

`decide(facts)` is about a session, `respond(signal)` about what happened, and
`evaluate(path, document)` about anything else that the bundle has a rule for. Wiring hands in the
folder of the bundle.
"""

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from policy import bundle
from policy.decision import Decision
from policy.evaluator import PolicyUnavailable
from policy.facts import Facts
from policy.rego import RegoEvaluator
from policy.response import Response, Signal

logger = logging.getLogger(__name__)

DECISION, RESPONSE = "sallyport/decision", "sallyport/response/actions"
PATH = re.compile(r"[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)+")


class _Engine:
    evaluator: RegoEvaluator | None = None


def configure(folder: Path) -> None:
    """Load the bundle; raises ValueError if there is none. Called once at start."""
    _Engine.evaluator = RegoEvaluator(bundle.load(folder))


def revision() -> str:
    """The revision of the active bundle, or "none"."""
    return _Engine.evaluator.bundle.revision if _Engine.evaluator else "none"


def decide(facts: Facts) -> Decision:
    """Judge facts. No policy, an error or an undefined answer is a denial."""
    if _Engine.evaluator is None:
        return Decision.denied("policy_missing", "none")
    try:
        answer = evaluate(DECISION, facts.document())
    except PolicyUnavailable:
        logger.exception("policy failed; denying")
        return Decision.denied("policy_unavailable", revision())
    return Decision.from_answer(answer, revision())


def respond(signal: Signal) -> Response:
    """What follows from a signal. Rules that fail are answered by the strictest consequence."""
    if _Engine.evaluator is None:
        return Response.failed("policy_missing", "none")
    try:
        answer = evaluate(RESPONSE, signal.document())
    except PolicyUnavailable:
        logger.exception("the rules of response failed; ending sessions")
        return Response.failed("policy_unavailable", revision())
    return Response.from_answer(answer, revision())


def evaluate(path: str, document: Mapping[str, Any]) -> Any:
    """The value of a rule for this input, as parsed JSON, or UNDEFINED where it has none.

    path: of the rule, as OPA's data API has it: `sallyport/authzen/decision`. Raises
    PolicyUnavailable where policy cannot be asked; whoever asks then says no. So it does where the
    answer is UNDEFINED, or of another shape than it expects.
    """
    evaluator = _Engine.evaluator
    if evaluator is None:
        raise PolicyUnavailable("there is no policy")
    if not PATH.fullmatch(path):
        raise PolicyUnavailable("this is no path of a rule")
    try:
        text = orjson.dumps(document)
    except TypeError as failure:
        raise PolicyUnavailable("the facts are no JSON") from failure
    return evaluator.evaluate(path, text)
