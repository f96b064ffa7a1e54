"""What answers add up to. Pure: counts, thresholds and stages; nothing is looked up.

Thresholds decide a request as a whole, wherever it stands: whichever is met first. A denial that
meets one wins over approvals that meet another. Without thresholds one denial is final. Stages are
passed one after the other, each by as many approvals as it needs.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from access.models import Approval, Verdict
from policy import bodies

Holds = Callable[[str, Mapping[str, Any]], bool]


class Outcome(StrEnum):
    OPEN = "open"
    STAGE_PASSED = "stage_passed"
    APPROVED = "approved"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Answer:
    """One approver's answer. reviewer: `{name, roles, groups}` of that moment."""

    verdict: str
    stage: int
    reason: str
    reviewer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """thresholds: `[{approve, deny, filter}]`; needed: approvals by the position of a stage.

    request: what filters see of it: `{reason, roles, ticket}`.
    """

    thresholds: Sequence[Mapping[str, Any]]
    needed: Sequence[int]
    request: Mapping[str, Any]

    @classmethod
    def of_terms(cls, terms: Mapping[str, Any]) -> "Rules":
        return cls(
            thresholds=terms["thresholds"],
            needed=[stage["approvals_needed"] for stage in terms["stages"]],
            request={
                "reason": terms["reason"],
                "ticket": terms["ticket"],
                "roles": [role["name"] for role in terms["roles"]],
                "workload": (terms.get("workload") or {"name": ""})["name"],
            },
        )

    @property
    def ask_nobody(self) -> bool:
        return not self.needed


def answers_of(
    approvals: Iterable[Approval], reviewers: Mapping[UUID, Mapping[str, Any]] | None = None
) -> list[Answer]:
    """In their order. reviewers: the approvers as they are now, by id; else as they were then."""
    return [
        Answer(
            each.verdict,
            each.stage,
            each.reason,
            each.reviewer if reviewers is None else reviewers[each.approver_id],
        )
        for each in sorted(approvals, key=lambda each: (each.at, each.pk))
    ]


def decide(
    rules: Rules, answers: Sequence[Answer], *, stage: int, holds: Holds = bodies.holds
) -> Outcome:
    """What the answers so far mean for a request that stands at this stage."""
    if rules.ask_nobody:
        return Outcome.APPROVED
    if _is_met(rules, answers, Verdict.DENY, "deny", holds):
        return Outcome.DENIED
    if not rules.thresholds and any(each.verdict == Verdict.DENY for each in answers):
        return Outcome.DENIED
    if _is_met(rules, answers, Verdict.APPROVE, "approve", holds):
        return Outcome.APPROVED
    if not _is_passed(rules, answers, stage):
        return Outcome.OPEN
    return Outcome.APPROVED if stage == len(rules.needed) - 1 else Outcome.STAGE_PASSED


def is_approved(rules: Rules, answers: Sequence[Answer], *, holds: Holds = bodies.holds) -> bool:
    """Whether these answers, all of them together, approve the request."""
    if rules.ask_nobody or _is_met(rules, answers, Verdict.APPROVE, "approve", holds):
        return True
    return all(_is_passed(rules, answers, stage) for stage in range(len(rules.needed)))


def _is_met(
    rules: Rules, answers: Iterable[Answer], verdict: Verdict, count: str, holds: Holds
) -> bool:
    same = [each for each in answers if each.verdict == verdict]
    return any(
        threshold[count] and _counted(rules, same, threshold["filter"], holds) >= threshold[count]
        for threshold in rules.thresholds
    )


def _counted(rules: Rules, answers: Iterable[Answer], body: str, holds: Holds) -> int:
    return sum(
        not body
        or holds(
            body,
            {
                "reviewer": each.reviewer,
                "approval": {"reason": each.reason},
                "request": rules.request,
            },
        )
        for each in answers
    )


def _is_passed(rules: Rules, answers: Iterable[Answer], stage: int) -> bool:
    needed = rules.needed[stage]
    approvals = sum(each.verdict == Verdict.APPROVE and each.stage == stage for each in answers)
    return 0 < needed <= approvals
