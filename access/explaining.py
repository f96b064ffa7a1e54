"""Why, and why not: every rule with what it asks and whether it passes, and who could say yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import transaction

from access.approvers import (
    Eligible,
    approvers_in,
    eligibility_of,
    has_escalated,
    some_of,
    stages_of,
)
from access.flows.answers import judge_answer, stage_at
from access.flows.publications import publication_entitlement
from access.flows.requests import judge_request, plain, reusable, roles_of
from access.judging import acting
from access.models import (
    MAX_REASON_LENGTH,
    MAX_TICKET_LENGTH,
    Approval,
    Entitlement,
    Grant,
    Stage,
    State,
    Verdict,
    Workload,
)
from access.terms import write_terms
from access.tickets import look_at
from access.words import TICKETS, told
from access.workloads import OnBehalf, why_unfit
from accounts.models import User
from policy import access as policy
from policy.access import Ticket
from policy.models import PolicyVersion


@dataclass(frozen=True, slots=True)
class RuleTold:
    """name: as in `policies/access.rego`. words: a sentence for people."""

    name: str
    passed: bool
    words: str


@dataclass(frozen=True, slots=True)
class StageTold:
    """Who may answer at a stage: at once, and once it has escalated; and how many more may."""

    position: int
    approvals_needed: int
    escalate_after: timedelta | None
    auto_deny_after: timedelta | None
    approvers: Sequence[User]
    approvers_more: int
    escalation: Sequence[User]
    escalation_more: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """May this person ask, and what would happen.

    outcome: the state that a request made so would be in, "" where it may not be made. open: what
    they have asked for already, or have. eligible_until: None for always, or not at all.
    """

    entitlement: Entitlement
    allowed: bool
    rules: Sequence[RuleTold]
    stages: Sequence[StageTold]
    outcome: str
    is_eligible: bool
    eligible_until: datetime | None
    open: Grant | None
    asks_step_up: bool
    demanded_level: int


@dataclass(frozen=True, slots=True)
class AnswerExplained:
    """May this person answer a request; what each rule says."""

    allowed: bool
    rules: Sequence[RuleTold]
    asks_step_up: bool
    demanded_level: int


def explain(
    *,
    entitlement: Entitlement,
    user: User,
    session_id: UUID | None,
    now: datetime,
    duration: timedelta | None = None,
    reason: str = "",
    ticket: str = "",
    starts_at: datetime | None = None,
    behalf: OnBehalf | None = None,
    version: PolicyVersion | None = None,
) -> Explanation:
    """What would become of a request, without making one and without asking anybody elsewhere.

    behalf: for which workload, where it is not for the user. version: of policy, that it would be
    asked to publish.
    """
    workload = None if behalf is None else behalf.workload
    stages = stages_of(entitlement)
    terms = write_terms(
        entitlement=entitlement,
        roles=roles_of(entitlement),
        stages=stages,
        requester=user,
        duration=entitlement.max_duration if duration is None else duration,
        starts_at=starts_at or now,
        reason=plain(reason, MAX_REASON_LENGTH),
        ticket=plain(ticket, MAX_TICKET_LENGTH),
        is_break_glass=False,
        extends=None,
        behalf=behalf,
        version=version,
    )
    known = look_at(entitlement, terms["ticket"])
    verdict = judge_request(
        entitlement,
        user,
        terms,
        session=acting(user=user, session_id=session_id, now=now, behalf=behalf),
        ticket=known,
        extends=None,
        now=now,
        workload=workload,
    )
    rules, allowed = _rules(verdict, known), verdict.allowed
    if workload is not None:
        against = why_unfit(entitlement)
        words = against or "It asks for nothing that only people have."
        rules.insert(0, RuleTold("for_workloads", not against, words))
        allowed = allowed and not against
    eligible: Eligible | None = eligibility_of(user, entitlement, now, workload)
    source = reusable(entitlement, user, terms, now, workload=workload)
    asks_nobody = not stages or source is not None
    outcome = State.SCHEDULED if asks_nobody else State.APPROVAL_AWAITED
    return Explanation(
        entitlement=entitlement,
        allowed=allowed,
        rules=rules,
        stages=[
            _stage(stage, user, workload, None if version is None else version.author, now)
            for stage in stages
        ],
        outcome=outcome.value if allowed else "",
        is_eligible=eligible is not None,
        eligible_until=None if eligible is None else eligible.ends_at,
        open=Grant.unscoped.going_on(now)
        .of(user, workload)
        .filter(entitlement=entitlement, extends=None)
        .first(),
        asks_step_up=verdict.asks_step_up,
        demanded_level=verdict.demanded_level,
    )


def explain_publication(
    *,
    version: PolicyVersion,
    user: User,
    session_id: UUID | None,
    now: datetime,
    reason: str = "",
    ticket: str = "",
) -> Explanation:
    """What would become of asking to publish this version, and who could agree."""
    with transaction.atomic():
        told = explain(
            entitlement=publication_entitlement(organisation=user.organisation, now=now),
            user=user,
            session_id=session_id,
            reason=reason,
            ticket=ticket,
            version=version,
            now=now,
        )
        transaction.set_rollback(True)
    return told


def explain_answer(
    *,
    grant: Grant,
    approver: User,
    session_id: UUID | None,
    now: datetime,
    reason: str = "",
    verdict: Verdict = Verdict.APPROVE,
) -> AnswerExplained:
    """Whether this person may answer so, and why not."""
    rows = Grant.objects.within_id(approver.organisation_id)
    grant = rows.select_related("entitlement", "requester", "workload").get(pk=grant.pk)
    approvals = Approval.objects.within_id(grant.organisation_id).filter(grant=grant)
    known = look_at(grant.entitlement, grant.ticket)
    judged = judge_answer(
        grant,
        approver,
        verdict,
        session_id=session_id,
        reason=reason,
        acting_for=(),
        approvals=list(approvals),
        ticket=known,
        now=now,
    )
    rules = _rules(judged.verdict, known)
    if grant.policy_version_id is None:
        rules = [rule for rule in rules if rule.name != "approver_has_not_written"]
    return AnswerExplained(
        allowed=judged.verdict.allowed and grant.state == State.APPROVAL_AWAITED,
        rules=rules,
        asks_step_up=judged.verdict.asks_step_up,
        demanded_level=judged.verdict.demanded_level,
    )


def who_may_answer(grant: Grant, *, now: datetime) -> tuple[list[User], int]:
    """Who may answer a request that waits, as it stands, and how many more may."""
    stage = stage_at(stages_of(grant.entitlement), grant.stage)
    if grant.state != State.APPROVAL_AWAITED or stage is None:
        return [], 0
    is_escalated = has_escalated(stage, grant.stage_since, now)
    people = approvers_in(
        stage, requester=grant.requester, workload=grant.workload, author=grant.author,
        is_escalated=is_escalated, now=now,
    )  # fmt: skip
    answered = Approval.objects.within_id(grant.organisation_id).filter(grant=grant)
    return some_of(people.exclude(person_id__in=answered.values("approver_person")))


def _rules(verdict: policy.Verdict, ticket: Ticket) -> list[RuleTold]:
    checks = verdict.checks or dict.fromkeys(verdict.reasons, False)
    return [
        RuleTold(
            name,
            passed,
            TICKETS[ticket]
            if name == "ticket_good" and not passed and ticket in TICKETS
            else told(name, passed=passed),
        )
        for name, passed in sorted(checks.items(), key=lambda check: (check[1], check[0]))
    ]


def _stage(
    stage: Stage, requester: User, workload: Workload | None, author: User | None, now: datetime
) -> StageTold:
    asked = partial(
        approvers_in, stage, requester=requester, workload=workload, author=author, now=now
    )
    at_once = asked(is_escalated=False)
    later = User.objects.none()
    if stage.escalate_after is not None:
        later = asked(is_escalated=True).exclude(pk__in=at_once.order_by().values("pk"))
    approvers, approvers_more = some_of(at_once)
    escalation, escalation_more = some_of(later)
    return StageTold(
        position=stage.position,
        approvals_needed=stage.approvals_needed,
        escalate_after=stage.escalate_after,
        auto_deny_after=stage.auto_deny_after,
        approvers=approvers,
        approvers_more=approvers_more,
        escalation=escalation,
        escalation_more=escalation_more,
    )
