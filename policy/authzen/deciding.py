"""Questions to policy, and what its answers become.

Policy gets a whole batch at once, in one document:

    {"evaluations": [{subject, action, resource, context}, …],
     "subjects": {type: {id: facts}}, "resources": {type: {id: facts}},
     "sessions": {id: facts}, "roles": {name: {type: [action, …]}}, …}

and answers a list of the same length: {"decision": bool, "reasons": [text, …], "context": {…}}.
Whatever else it answers is a denial.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from policy.authzen.model import Batch, Malformed, Question, Semantic
from policy.evaluator import PolicyUnavailable

logger = logging.getLogger(__name__)

RULE = "sallyport/authzen/decisions"
EXPLANATIONS = {
    "subject_unknown": "We do not know this subject.",
    "subject_inactive": "The account is closed.",
    "organisation_inactive": "The organisation is closed.",
    "subject_locked": "The subject is locked.",
    "account_at_risk": "The account has to be proven again before this is possible.",
    "permission_missing": "This needs a permission that the subject does not hold.",
    "session_unknown": "The session is over, or not this subject's.",
    "session_refused": "The session is no longer good enough.",
    "session_needed": "For this, it has to be known which session asks.",
    "stronger_authentication_needed": "This needs a stronger sign-in.",
    "device_trusted_too_little": "This needs a device that is trusted more.",
    "person_needed": "This is for people only.",
    "policy_undefined": "This cannot be decided.",
    "policy_unavailable": "This cannot be decided now.",
}
UNEXPLAINED = "The policy does not allow this."


@dataclass(frozen=True, slots=True)
class Verdict:
    """reasons: why not, by the words of the policy. hints: what would help, as context tells it."""

    decision: bool
    reasons: tuple[str, ...] = ()
    hints: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_answer(cls, answer: Any) -> "Verdict":
        """Read policy's answer to one question; any shape but the expected one is a denial."""
        try:
            decision, reasons, hints = answer["decision"], answer["reasons"], answer["context"]
        except (TypeError, KeyError, IndexError):
            return UNDEFINED
        if (
            not isinstance(decision, bool)
            or not isinstance(hints, dict)
            or not isinstance(reasons, list)
            or not all(isinstance(reason, str) for reason in reasons)
        ):
            return UNDEFINED
        return cls(decision, tuple(sorted(reasons)), hints)

    def document(self) -> dict[str, Any]:
        """The Access Evaluation response (§6.2), with reasons as it proposes them."""
        if self.decision:
            return {"decision": True, "context": self.hints} if self.hints else {"decision": True}
        told = EXPLANATIONS.get(self.reasons[0], UNEXPLAINED) if self.reasons else UNEXPLAINED
        return {
            "decision": False,
            "context": {
                "reason_admin": {"en": ", ".join(self.reasons)},
                "reason_user": {"en": told},
                **self.hints,
            },
        }


UNDEFINED = Verdict(decision=False, reasons=("policy_undefined",))
UNAVAILABLE = Verdict(decision=False, reasons=("policy_unavailable",))

Evaluate = Callable[[str, dict[str, Any]], Any]


def decide(
    questions: Sequence[Question], known: Mapping[str, Any], evaluate: Evaluate
) -> list[Verdict]:
    """What policy says to each question, in their order.

    known: the facts beside the questions. evaluate: asks the engine for a rule by its path.
    """
    if not questions:
        return []
    document = {**known, "evaluations": [question.document() for question in questions]}
    try:
        answers = evaluate(RULE, document)
    except PolicyUnavailable:
        logger.exception("policy failed; denying")
        return [UNAVAILABLE] * len(questions)
    if not isinstance(answers, list) or len(answers) != len(questions):
        return [UNDEFINED] * len(questions)
    return [Verdict.from_answer(answer) for answer in answers]


def answer_batch(batch: Batch, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The Access Evaluations response (§7.2), as far as the semantic wants it.

    verdicts: one for each question of the batch. What could not be read is denied, and says why.
    """
    left = iter(verdicts)
    told = []
    for item in batch.items:
        one = _fault(item) if isinstance(item, Malformed) else next(left).document()
        told.append(one)
        if batch.semantic is Semantic.DENY_ON_FIRST_DENY and not one["decision"]:
            break
        if batch.semantic is Semantic.PERMIT_ON_FIRST_PERMIT and one["decision"]:
            break
    return {"evaluations": told}


def _fault(fault: Malformed) -> dict[str, Any]:
    return {"decision": False, "context": {"error": {"status": 400, "message": str(fault)}}}
