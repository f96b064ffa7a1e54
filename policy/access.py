"""May somebody ask for access, answer, or begin: facts in, verdict out."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from core.assurance import Level
from core.ids import new_id


class Action(StrEnum):
    REQUEST = "request"
    EXTEND = "extend"
    APPROVE = "approve"
    DENY = "deny"
    ACTIVATE = "activate"
    BREAK_GLASS = "break_glass"


class Ticket(StrEnum):
    """What is known of a ticket; none: none is asked for.

    unknown: whoever keeps tickets does not know it; unavailable: was not reached, or gave no usable
    answer.
    """

    NONE = "none"
    GOOD = "good"
    MISSING = "missing"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class EntitlementFacts:
    """Durations in whole seconds. max_age: -1 for any. break_glass_duration: 0 for never."""

    is_active: bool
    max_duration: int
    start_horizon: int
    reason_required: bool
    approver_reason_required: bool
    required_level: int
    max_age: int
    required_tier: int
    binds_network: bool
    condition_holds: bool
    break_glass_duration: int


@dataclass(frozen=True, slots=True)
class RequesterFacts:
    """eligible_for: how much longer, in whole seconds; 0 for not."""

    is_active: bool
    is_locked: bool
    eligible_for: int


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """The login session that acts: the requester's, or the approver's."""

    is_allowed: bool
    level: int
    authentication_age: int
    tier: int
    has_address: bool


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """remaining: until it has to be answered or begun; stage_remaining: until it is denied.

    terms_hold: whether the entitlement still offers this. unreviewed: earlier emergencies.
    """

    duration: int
    starts_in: int = 0
    has_reason: bool = False
    ticket: Ticket = Ticket.NONE
    has_open: bool = False
    extends_live: bool = False
    terms_hold: bool = True
    remaining: int = 0
    stage_remaining: int = 0
    unreviewed: int = 0


@dataclass(frozen=True, slots=True)
class AnswerFacts:
    """has_written: the policy that it is asked to publish."""

    is_approver: bool = False
    is_own: bool = True
    is_same_person: bool = True
    acts_for_requester: bool = True
    has_answered: bool = True
    has_reason: bool = False
    has_written: bool = True


@dataclass(frozen=True, slots=True)
class ApprovalsFacts:
    """hold: whoever approved could still do so. are_of_others: none is the requester by now."""

    hold: bool = False
    are_of_others: bool = False


@dataclass(frozen=True, slots=True)
class AccessFacts:
    action: Action
    entitlement: EntitlementFacts
    requester: RequesterFacts
    session: ActorFacts
    request: RequestFacts
    answer: AnswerFacts = AnswerFacts()
    approvals: ApprovalsFacts = ApprovalsFacts()

    def document(self) -> dict[str, Any]:
        """The policy's `input`: these facts by their own names."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verdict:
    """checks: every rule by its name, and whether it passed; reasons: those that did not.

    is_final: it will not pass later either. asks_step_up: nothing is missing but a stronger
    sign-in, of demanded_level, or a fresher one.
    """

    allowed: bool
    reasons: tuple[str, ...]
    revision: str
    decision_id: UUID
    checks: Mapping[str, bool] = field(default_factory=dict)
    is_final: bool = False
    asks_step_up: bool = False
    demanded_level: int = 0

    @classmethod
    def denied(cls, reason: str, revision: str) -> "Verdict":
        return cls(allowed=False, reasons=(reason,), revision=revision, decision_id=new_id())

    @classmethod
    def from_answer(cls, answer: Any, revision: str) -> "Verdict":
        """Read the policy's answer; any shape but the expected object is a denial."""
        try:
            checks, allowed = answer["checks"], answer["allowed"]
            flags = (answer["final"], answer["step_up"])
            if not isinstance(checks, dict) or not checks:
                raise TypeError
            if not all(each is True or each is False for each in (*checks.values(), *flags)):
                raise TypeError
            if allowed is not all(checks.values()):
                raise ValueError
            return cls(
                allowed=allowed,
                reasons=tuple(sorted(name for name, passed in checks.items() if not passed)),
                revision=revision,
                decision_id=new_id(),
                checks=checks,
                is_final=flags[0],
                asks_step_up=flags[1],
                demanded_level=Level(answer["demanded_level"]),
            )
        except (TypeError, KeyError, ValueError):
            return cls.denied("policy_undefined", revision)

    def describe(self) -> dict[str, Any]:
        """What audit and the timeline keep of it."""
        return {
            "reasons": self.reasons,
            "decision_id": self.decision_id,
            "policy_revision": self.revision,
        }
