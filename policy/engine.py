"""The questions to policy: `decide(facts)` about a session, `respond(signal)` about what happened.

Wiring hands in the folder of the bundle.
"""

import logging
from pathlib import Path

from policy import bundle
from policy.decision import Decision
from policy.facts import Facts
from policy.rego import RESPONSE_QUERY, PolicyUnavailable, RegoEvaluator
from policy.response import Response, Signal

logger = logging.getLogger(__name__)


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
    evaluator = _Engine.evaluator
    if evaluator is None:
        return Decision.denied("policy_missing", "none")
    try:
        answer = evaluator.evaluate(facts.document())
    except PolicyUnavailable:
        logger.exception("policy failed; denying")
        return Decision.denied("policy_unavailable", evaluator.bundle.revision)
    return Decision.from_answer(answer, evaluator.bundle.revision)


def respond(signal: Signal) -> Response:
    """What follows from a signal. Rules that fail are answered by the strictest consequence."""
    evaluator = _Engine.evaluator
    if evaluator is None:
        return Response.failed("policy_missing", "none")
    try:
        answer = evaluator.evaluate(signal.document(), RESPONSE_QUERY)
    except PolicyUnavailable:
        logger.exception("the rules of response failed; ending sessions")
        return Response.failed("policy_unavailable", evaluator.bundle.revision)
    return Response.from_answer(answer, evaluator.bundle.revision)
