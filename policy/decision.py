"""What policy answered."""

from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from core.assurance import Level
from core.ids import new_id


class Outcome(StrEnum):
    """allow; restrict: yes, without what is withheld; step_up: prove more, then ask again.

    deny: not this; revoke: the session is over.
    """

    ALLOW = "allow"
    RESTRICT = "restrict"
    STEP_UP = "step_up"
    DENY = "deny"
    REVOKE = "revoke"


class Decision(NamedTuple):
    """required_level and max_age (whole seconds) say what a step-up must reach.

    withheld_scopes, withheld_roles: what whoever is let through does not get all the same.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    revision: str
    decision_id: UUID
    required_level: Level = Level.NONE
    max_age: int | None = None
    withheld_scopes: frozenset[str] = frozenset()
    withheld_roles: frozenset[str] = frozenset()

    @property
    def is_allowed(self) -> bool:
        return self.outcome is Outcome.ALLOW or self.outcome is Outcome.RESTRICT

    def scope_of(self, scope: str) -> str:
        """What is left of a scope, words parted by spaces."""
        if not self.withheld_scopes:
            return scope
        return " ".join(word for word in scope.split() if word not in self.withheld_scopes)

    @classmethod
    def denied(cls, reason: str, revision: str) -> "Decision":
        return cls(Outcome.DENY, (reason,), revision, new_id())

    @classmethod
    def from_answer(cls, answer: Any, revision: str) -> "Decision":
        """Read the policy's answer; any shape but the expected object is a denial."""
        try:
            if answer.keys() != _MEMBERS:
                raise ValueError
            max_age = _whole(answer["max_age"])
            return cls(
                outcome=_OUTCOMES[answer["outcome"]],
                reasons=tuple(sorted(_names(answer["reasons"]))),
                revision=revision,
                decision_id=new_id(),
                required_level=_LEVELS[_whole(answer["required_level"])],
                max_age=None if max_age < 0 else max_age,
                withheld_scopes=_names(answer["withheld_scopes"]),
                withheld_roles=_names(answer["withheld_roles"]),
            )
        except (AttributeError, LookupError, TypeError, ValueError):
            return cls.denied("policy_undefined", revision)


_MEMBERS = {
    "outcome", "reasons", "required_level", "max_age", "withheld_scopes", "withheld_roles",
}  # fmt: skip
# An enum asked by value takes longer than the rest of the answer.
_OUTCOMES = {outcome.value: outcome for outcome in Outcome}
_LEVELS = {level.value: level for level in Level}
_NOTHING: frozenset[str] = frozenset()


def _names(answer: Any) -> frozenset[str]:
    """A list of names; anything else would withhold nothing by accident."""
    if answer == []:
        return _NOTHING
    if not isinstance(answer, list) or not all(isinstance(name, str) for name in answer):
        raise TypeError
    return frozenset(answer)


def _whole(answer: Any) -> int:
    """A whole number, which true and false are not."""
    if type(answer) is not int:
        raise TypeError
    return answer
