"""What follows from a signal by itself: what happened goes in, actions come out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.ids import new_id


class Act(StrEnum):
    """What can be done by itself.

    end_session: the one at hand. end_sessions: all of the user. end_device_sessions: all on the
    device. step_up: the account counts as at high risk until somebody has proven to be its owner.
    lock: the target, by the kinds of `accounts.Lock`. notify: mail to whom it is about.
    """

    END_SESSION = "end_session"
    END_SESSIONS = "end_sessions"
    END_DEVICE_SESSIONS = "end_device_sessions"
    STEP_UP = "step_up"
    LOCK = "lock"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True)
class Signal:
    """kind: what happened, in a word that the rules know; facts: what is known of it."""

    kind: str
    facts: Mapping[str, Any]

    def document(self) -> dict[str, Any]:
        return {"kind": self.kind, "facts": dict(self.facts)}


_MEMBERS = {"act", "target", "minutes", "needs_recovery"}
_TARGETS = {"user", "session", "device"}


@dataclass(frozen=True, slots=True)
class Action:
    """target: the kind of what is locked. minutes: for how long; 0: until it is lifted."""

    act: Act
    target: str = ""
    minutes: int = 0
    needs_recovery: bool = False

    @classmethod
    def from_answer(cls, answer: Any) -> "Action":
        """Read one action; raises where it is of another shape, or says more than is known."""
        action = cls(
            act=Act(answer["act"]),
            target=answer.get("target", ""),
            minutes=answer.get("minutes", 0),
            needs_recovery=answer.get("needs_recovery", False),
        )
        types = (type(action.target), type(action.minutes), type(action.needs_recovery))
        if types != (str, int, bool) or action.minutes < 0 or answer.keys() - _MEMBERS:
            raise ValueError
        if action.act is Act.LOCK and action.target not in _TARGETS:
            raise ValueError
        return action

    def describe(self) -> dict[str, Any]:
        """What audit keeps of it."""
        told: dict[str, Any] = {"act": self.act.value}
        if self.act is Act.LOCK:
            told |= {
                "target": self.target,
                "minutes": self.minutes,
                "needs_recovery": self.needs_recovery,
            }
        return told


@dataclass(frozen=True, slots=True)
class Response:
    """actions: in a fixed order. failure: "", or why the rules could not be asked."""

    actions: tuple[Action, ...]
    revision: str
    decision_id: UUID
    failure: str = ""

    @classmethod
    def failed(cls, reason: str, revision: str) -> "Response":
        """Rules that cannot answer are no reason to do nothing: the user's sessions end."""
        return cls((Action(Act.END_SESSIONS),), revision, new_id(), reason)

    @classmethod
    def from_answer(cls, answer: Any, revision: str) -> "Response":
        """Read the rules' answer; any shape but a list of actions is a failure."""
        try:
            if not isinstance(answer, list):
                raise TypeError
            actions = {Action.from_answer(each) for each in answer}
        except (TypeError, KeyError, ValueError, AttributeError):
            return cls.failed("policy_undefined", revision)
        return cls(tuple(sorted(actions, key=_order)), revision, new_id())


# Locks first: what ends after them stays out.
_ORDER = (Act.LOCK, Act.STEP_UP, Act.END_SESSION, Act.END_DEVICE_SESSIONS, Act.END_SESSIONS,
          Act.NOTIFY)  # fmt: skip


def _order(action: Action) -> tuple[int, str]:
    return _ORDER.index(action.act), action.target
