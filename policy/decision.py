"""What policy answered."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.assurance import Level
from core.ids import new_id


class Outcome(StrEnum):
    """allow; step_up: prove more, then ask again; deny: not this; revoke: the session is over."""

    ALLOW = "allow"
    STEP_UP = "step_up"
    DENY = "deny"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Decision:
    """required_level and max_age (whole seconds) say what a step-up must reach."""

    outcome: Outcome
    reasons: tuple[str, ...]
    revision: str
    decision_id: UUID
    required_level: Level = Level.NONE
    max_age: int | None = None

    @property
    def is_allowed(self) -> bool:
        return self.outcome is Outcome.ALLOW

    @classmethod
    def denied(cls, reason: str, revision: str) -> "Decision":
        return cls(Outcome.DENY, (reason,), revision, new_id())

    @classmethod
    def from_answer(cls, answer: Any, revision: str) -> "Decision":
        """Read the policy's answer; any shape but the expected object is a denial."""
        try:
            max_age = answer["max_age"]
            return cls(
                outcome=Outcome(answer["outcome"]),
                reasons=tuple(sorted(str(reason) for reason in answer["reasons"])),
                revision=revision,
                decision_id=new_id(),
                required_level=Level(answer["required_level"]),
                max_age=None if max_age < 0 else int(max_age),
            )
        except (TypeError, KeyError, ValueError):
            return cls.denied("policy_undefined", revision)
