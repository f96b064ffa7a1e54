"""The one question to policy: `decide(facts)`. Wiring hands in the folder of the bundle."""

import logging
from pathlib import Path

from policy import bundle
from policy.decision import Decision
from policy.facts import Facts
from policy.rego import PolicyUnavailable, RegoEvaluator

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
