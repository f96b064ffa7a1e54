"""Answering a request: each approver once, and the answers decide together."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from access import notices
from access.approvers import (
    Standing,
    eligibility_of,
    has_escalated,
    named_in,
    stages_of,
    standing_of,
)
from access.deciding import Outcome, Rules, answers_of, decide
from access.flows.requests import max_age_of, plain, schedule
from access.flows.timeline import Locked, lock, move, settle, tell
from access.judging import (
    acting,
    facts_of_answer,
    facts_of_entitlement,
    facts_of_pending,
    facts_of_requester,
    stricter_of,
)
from access.models import (
    MAX_REASON_LENGTH,
    Approval,
    EventKind,
    Grant,
    Stage,
    StageApprover,
    State,
    Verdict,
)
from access.tickets import check_ticket, look_at
from access.words import refusal_of
from accounts.models import User
from core.errors import Refusal
from policy import access as policy
from policy import engine
from policy.access import AccessFacts, Action, Ticket
from policy.journal import About


def approve_grant(
    *,
    grant: Grant,
    approver: User,
    session_id: UUID | None,
    now: datetime,
    reason: str = "",
    acting_for: Iterable[UUID] = (),
) -> Grant:
    """Say yes to a request; once the answers suffice, its owner may begin.

    acting_for: on whose behalf the approver acts, where a client does. Said twice it is said once.
    Not inside a transaction: a ticket may be asked for elsewhere. Refuses not_found across
    organisations, insufficient_user_authentication where a stronger sign-in would do, conflict
    where it is decided or over, temporarily_unavailable where whoever keeps tickets is away,
    not_allowed else.
    """
    return _answer(grant, approver, Verdict.APPROVE, session_id, reason, tuple(acting_for), now)


def deny_grant(
    *,
    grant: Grant,
    approver: User,
    session_id: UUID | None,
    now: datetime,
    reason: str = "",
    acting_for: Iterable[UUID] = (),
) -> Grant:
    """Say no to a request. Refuses as `approve_grant` does."""
    return _answer(grant, approver, Verdict.DENY, session_id, reason, tuple(acting_for), now)


def _answer(
    grant: Grant,
    approver: User,
    verdict: Verdict,
    session_id: UUID | None,
    reason: str,
    acting_for: tuple[UUID, ...],
    now: datetime,
) -> Grant:
    if approver.organisation_id != grant.organisation_id:
        raise Refusal.not_found()
    reason = plain(reason, MAX_REASON_LENGTH)
    ticket = _ticket_of(grant, approver, now) if verdict == Verdict.APPROVE else Ticket.NONE
    with transaction.atomic():
        locked = lock(grant, now)
        late = settle(locked.grant, now=locked.now) or _deny_in_time(locked)
        if not late:
            _take(locked, approver, verdict, session_id, reason, acting_for, ticket)
    if late:  # what time has done stays written
        raise Refusal.conflict("It is too late: this request is over.")
    return locked.grant


def _ticket_of(grant: Grant, approver: User, now: datetime) -> Ticket:
    """Whether the ticket is good still. Whoever could not answer has nobody asked."""
    is_open = grant.state == State.APPROVAL_AWAITED
    stage = stage_at(stages_of(grant.entitlement), grant.stage)
    if not is_open or _named(stage, grant, standing_of(approver, now), now) is None:
        return look_at(grant.entitlement, grant.ticket)
    return check_ticket(
        entitlement=grant.entitlement, requester=grant.requester, workload=grant.workload,
        ticket=grant.ticket, now=now,
    )  # fmt: skip


def _deny_in_time(locked: Locked) -> bool:
    """Deny what nobody answered in the time of its stage; returns whether it did."""
    grant = locked.grant
    if grant.state != State.APPROVAL_AWAITED:
        return False
    stage = stage_at(stages_of(grant.entitlement), grant.stage)
    if stage is None or stage.auto_deny_after is None:
        return False
    if locked.now < grant.stage_since + stage.auto_deny_after:
        return False
    deny_unanswered(grant, now=locked.now)
    return True


def deny_unanswered(grant: Grant, *, now: datetime) -> None:
    """Deny a locked request whose stage has run out of time."""
    move(grant, State.DENIED, now=now, end_cause="nobody answered in time")
    tell(grant, EventKind.DENIED, now=now, cause=grant.end_cause, stage=grant.stage)
    notices.tell_requester(grant, "denied", now=now)


def _take(
    locked: Locked,
    approver: User,
    verdict: Verdict,
    session_id: UUID | None,
    reason: str,
    acting_for: tuple[UUID, ...],
    ticket: Ticket,
) -> None:
    grant, now = locked.grant, locked.now
    approvals = list(
        Approval.objects.within_id(grant.organisation_id).filter(grant=grant).order_by("at", "id")
    )
    said = next((each for each in approvals if each.approver_id == approver.pk), None)
    if said is not None and said.verdict == verdict:
        return
    if grant.state != State.APPROVAL_AWAITED:
        raise Refusal.conflict(f"This request is {State(grant.state).label} by now.")
    judged = judge_answer(
        grant, approver, verdict, session_id=session_id, reason=reason, acting_for=acting_for,
        approvals=approvals, ticket=ticket, now=now,
    )  # fmt: skip
    permitted, named = judged.verdict, judged.named
    if not permitted.allowed or named is None:
        raise refusal_of(permitted, max_age=max_age_of(grant.entitlement), ticket=ticket)
    given = Approval.objects.create(
        organisation_id=grant.organisation_id,
        grant=grant,
        requester_id=grant.requester_id,
        requester_person=grant.requester.person_id,
        approver=judged.approver,
        approver_person=judged.approver.person_id,
        stage=grant.stage,
        group_id=named.group_id,
        role_id=named.role_id,
        as_administrator=named.administrators,
        verdict=verdict,
        reason=reason,
        reviewer=judged.standing.describe(judged.approver),
        terms_digest=grant.terms_digest,
        session_id=session_id,
        at=now,
    )
    tell(
        grant,
        EventKind.ANSWERED,
        now=now,
        actor=approver,
        session_id=session_id,
        verdict=verdict.value,
        reason=reason,
        stage=grant.stage,
        terms_digest=bytes(grant.terms_digest).hex(),
        **permitted.describe(),
    )
    _follow(grant, [*approvals, given], judged.stages, approver, session_id, now)


@dataclass(frozen=True, slots=True)
class Judged:
    """What policy says to an answer. named: the line that makes the approver one, if any does."""

    verdict: policy.Verdict
    named: StageApprover | None
    approver: User
    standing: Standing
    stages: list[Stage]


def judge_answer(
    grant: Grant,
    approver: User,
    verdict: Verdict,
    *,
    session_id: UUID | None,
    reason: str,
    acting_for: Iterable[UUID],
    approvals: list[Approval],
    ticket: Ticket,
    now: datetime,
) -> Judged:
    """Whether this person may answer so, rule by rule. The grant comes with what it names.

    ticket: what is known of it; a denial asks for none.
    """
    approver = User.objects.within_id(approver.organisation_id).get(pk=approver.pk)
    stages = stages_of(grant.entitlement)
    stage = stage_at(stages, grant.stage)
    standing = standing_of(approver, now)
    author = grant.author
    has_written = author is not None and author.person_id == approver.person_id
    named = None if has_written else _named(stage, grant, standing, now)
    session = acting(user=approver, session_id=session_id, now=now)
    eligible = eligibility_of(grant.requester, grant.entitlement, now, grant.workload)
    facts = AccessFacts(
        action=Action.APPROVE if verdict == Verdict.APPROVE else Action.DENY,
        entitlement=stricter_of(facts_of_entitlement(grant.entitlement), grant.terms),
        requester=facts_of_requester(grant.requester, eligible, now, grant.workload),
        session=session.facts,
        request=facts_of_pending(grant, stage, ticket, now),
        answer=facts_of_answer(
            grant,
            approver=approver,
            is_named=named is not None,
            has_written=has_written,
            acting_for=acting_for,
            approvals=approvals,
            reason=reason,
        ),
    )
    return Judged(
        engine.permit(facts, about=About(approver.pk, session_id)),
        named,
        approver,
        standing,
        stages,
    )


def _follow(
    grant: Grant,
    approvals: list[Approval],
    stages: list[Stage],
    approver: User,
    session_id: UUID | None,
    now: datetime,
) -> None:
    rules = Rules.of_terms(grant.terms)
    outcome = decide(rules, answers_of(approvals), stage=grant.stage)
    if outcome is Outcome.APPROVED:
        schedule(grant, now=now, actor=approver, session_id=session_id)
        notices.tell_requester(grant, "approved", now=now)
    elif outcome is Outcome.DENIED:
        move(grant, State.DENIED, now=now, end_cause="denied by an approver")
        tell(grant, EventKind.DENIED, now=now, actor=approver, session_id=session_id)
        notices.tell_requester(grant, "denied", now=now)
    elif outcome is Outcome.STAGE_PASSED:
        grant.stage, grant.stage_since = grant.stage + 1, now
        grant.save(update_fields=["stage", "stage_since"])
        tell(grant, EventKind.STAGE_PASSED, now=now, actor=approver, stage=grant.stage - 1)
        notices.ask_approvers(grant, stages[grant.stage], is_escalated=False, now=now)


def stage_at(stages: list[Stage], position: int) -> Stage | None:
    return next((stage for stage in stages if stage.position == position), None)


def _named(
    stage: Stage | None, grant: Grant, standing: Standing, now: datetime
) -> StageApprover | None:
    if stage is None:
        return None
    is_escalated = has_escalated(stage, grant.stage_since, now)
    return named_in(stage, standing, is_escalated=is_escalated)
