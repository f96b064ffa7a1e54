"""Collects what `policies/access.rego` looks at, and asks it.

Facts are those of this very moment. What a request was made on (its terms) and what its entitlement
asks for today count both: whichever is stricter.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from access.approvers import FOREVER, Eligible, Standing
from access.models import Approval, Entitlement, Grant, Stage, Verdict, Workload
from access.terms import are_intact, seconds, still_replaces
from access.workloads import OnBehalf, answers_for, is_locked, is_there
from accounts.flows import is_locked_out
from accounts.models import User
from core.assurance import Level
from devices.models import Device
from devices.models import State as DeviceState
from policy.access import (
    ActorFacts,
    AnswerFacts,
    EntitlementFacts,
    RequesterFacts,
    RequestFacts,
    Ticket,
)
from policy.conditions import SessionSeen, failing
from policy.facts import Trigger
from sessions.evaluation import look
from sessions.models import LoginSession

NOBODY = ActorFacts(is_allowed=False, level=0, authentication_age=0, tier=0, has_address=False)
# What rules of administrators may look at, to try them with when they are saved.
EXAMPLE_OF_A_REVIEW: dict[str, Any] = {
    "reviewer": {"name": "bob@acme.example", "roles": ["approver"], "groups": ["leads"]},
    "approval": {"reason": "fine"},
    "request": {
        "reason": "to mend it", "ticket": "OPS-1", "roles": ["db-admin"], "workload": "",
    },
}  # fmt: skip
EXAMPLE_OF_A_CONDITION: dict[str, Any] = {
    "requester": {
        "name": "alice@acme.example", "roles": ["employee"], "groups": ["ops"], "workload": "",
    },
    "request": {
        "reason": "to mend it", "ticket": "OPS-1", "roles": ["db-admin"], "duration": 1800,
        "starts_in": 0,
    },
    "session": {
        "level": 2, "methods": ["pwd", "otp"], "authentication_age": 60, "binding": "",
        "tier": 3, "address": "192.0.2.1",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Acting:
    """A login session that acts, with what policy sees of it.

    session: None if it is not theirs. address: from which it was signed in, which is what a binding
    to a network compares.
    """

    facts: ActorFacts
    session: LoginSession | None = None
    device_id: UUID | None = None
    address: str | None = None

    @property
    def session_id(self) -> UUID | None:
        return None if self.session is None else self.session.pk


def acting(
    *, user: User, session_id: UUID | None, now: datetime, behalf: OnBehalf | None = None
) -> Acting:
    """Look at the session that somebody acts in: two statements.

    A workload that acts by itself has none, and has been judged by its token.
    """
    if behalf is not None and behalf.by_itself:
        return _by_itself(behalf)
    if session_id is None:
        return Acting(NOBODY)
    session = (
        LoginSession.objects.within_id(user.organisation_id)
        .filter(pk=session_id, user=user)
        .select_related("browser__device")
        .first()
    )
    if session is None:
        return Acting(NOBODY)
    device = _device_of(session)
    decision = look(session_id=session.pk, trigger=Trigger.REQUEST)
    facts = ActorFacts(
        is_allowed=decision.is_allowed,
        level=session.level,
        authentication_age=max(0, seconds(now - session.auth_time)),
        tier=0 if device is None else device.tier_at(now),
        has_address=session.address is not None,
    )
    return Acting(facts, session, device.pk if device else None, session.address)


def _device_of(session: LoginSession) -> Device | None:
    """The machine that its browser runs on, where that is in use."""
    device = session.browser.device if session.browser else None
    return device if device is not None and device.state == DeviceState.ENROLLED else None


def seen_of(session: LoginSession, now: datetime) -> SessionSeen:
    """What conditions see of a session, which comes with its browser and that one's device."""
    device = _device_of(session)
    return SessionSeen(
        level=session.level,
        methods=tuple(session.amr),
        authentication_age=max(0, seconds(now - session.auth_time)),
        binding=session.binding,
        tier=0 if device is None else device.tier_at(now),
        address=session.address or "",
    )


def as_application(address: str | None) -> SessionSeen:
    """What they see of an application, whoever acts for it: from where it does so itself."""
    return SessionSeen(address=address or "")


def _by_itself(behalf: OnBehalf) -> Acting:
    has_address = behalf.address is not None
    facts = ActorFacts(
        is_allowed=True, level=0, authentication_age=0, tier=0, has_address=has_address
    )
    return Acting(facts, address=behalf.address)


def facts_of_entitlement(
    entitlement: Entitlement, *, condition_holds: bool = True
) -> EntitlementFacts:
    return EntitlementFacts(
        is_active=entitlement.is_active,
        max_duration=seconds(entitlement.max_duration),
        start_horizon=seconds(entitlement.start_horizon),
        reason_required=entitlement.reason_required,
        approver_reason_required=entitlement.approver_reason_required,
        required_level=entitlement.required_level,
        max_age=-1 if entitlement.max_age is None else seconds(entitlement.max_age),
        required_tier=entitlement.required_tier,
        binds_network=entitlement.binds_network,
        condition_holds=condition_holds,
        break_glass_duration=seconds(entitlement.break_glass_duration or timedelta(0)),
    )


def stricter_of(facts: EntitlementFacts, terms: dict[str, Any]) -> EntitlementFacts:
    """What the entitlement asks for today, and what it did when it was asked for."""
    ages = [age for age in (facts.max_age, terms["max_age"]) if age is not None and age >= 0]
    return replace(
        facts,
        required_level=max(facts.required_level, Level.from_acr(terms["required_acr"])),
        max_age=min(ages, default=-1),
        required_tier=max(facts.required_tier, terms["required_tier"]),
        binds_network=facts.binds_network or terms["binds_network"],
    )


def facts_of_requester(
    user: User, eligible: Eligible | None, now: datetime, workload: Workload | None = None
) -> RequesterFacts:
    """Of a workload's they are those of all who stand for it, too."""
    return RequesterFacts(
        is_active=user.is_active and (workload is None or is_there(workload)),
        is_locked=is_locked_out(user=user, address=None, now=now)
        or (workload is not None and is_locked(workload, now)),
        eligible_for=0 if eligible is None else left(eligible.remaining(now)),
    )


def condition_holds(
    conditions: Iterable[str], *, standing: Standing, user: User, request: dict[str, Any],
    session: Acting, now: datetime, workload: Workload | None = None,
) -> bool:  # fmt: skip
    """workload: what is for one sees nothing of the session of whoever asks for it."""
    seen = as_application(session.address if session.session is None else None)
    if workload is None and session.session is not None:
        seen = seen_of(session.session, now)
    failed = failing(
        conditions,
        requester=standing.describe(user) | {"workload": "" if workload is None else workload.name},
        request=request,
        session=seen,
    )
    return not failed


def request_document(terms: dict[str, Any], starts_in: int) -> dict[str, Any]:
    """What conditions see of a request."""
    return {
        "reason": terms["reason"],
        "ticket": terms["ticket"],
        "roles": [role["name"] for role in terms["roles"]],
        "duration": terms["duration"],
        "starts_in": starts_in,
    }


def facts_of_pending(
    grant: Grant, stage: Stage | None, ticket: Ticket, now: datetime
) -> RequestFacts:
    """A request that waits for answers."""
    stage_ends = (
        grant.stage_since + stage.auto_deny_after
        if stage is not None and stage.auto_deny_after is not None
        else now + FOREVER
    )
    return RequestFacts(
        duration=seconds(grant.duration),
        ticket=ticket,
        terms_hold=are_intact(grant)
        and still_replaces(grant)
        and grant.entitlement_version == grant.entitlement.version,
        remaining=left(grant.pending_until - now),
        stage_remaining=left(stage_ends - now),
    )


def facts_of_scheduled(
    grant: Grant, *, offered: Iterable[UUID], ticket: Ticket, now: datetime
) -> RequestFacts:
    """A request that was approved. offered: the roles that the entitlement has today."""
    roles = {role["id"] for role in grant.terms["roles"]}
    longest = grant.entitlement.max_duration
    if grant.is_break_glass:
        longest = grant.entitlement.break_glass_duration or timedelta(0)
    return RequestFacts(
        duration=seconds(grant.duration),
        starts_in=-left(now - grant.starts_at)
        if now >= grant.starts_at
        else left(grant.starts_at - now),
        ticket=ticket,
        terms_hold=are_intact(grant)
        and still_replaces(grant)
        and roles <= {str(each) for each in offered}
        and grant.duration <= longest,
        remaining=0 if grant.activate_by is None else left(grant.activate_by - now),
    )


def facts_of_answer(
    grant: Grant,
    *,
    approver: User,
    is_named: bool,
    has_written: bool,
    acting_for: Iterable[UUID],
    approvals: Iterable[Approval],
    reason: str,
) -> AnswerFacts:
    """acting_for: on whose behalf the approver acts, the whole chain of it.

    has_written: whether the approver wrote the policy that it is asked to publish.
    """
    requester = grant.requester
    answered = User.objects.within_id(approver.organisation_id).filter(
        pk__in=[each.approver_id for each in approvals], person_id=approver.person_id
    )
    persons = {each.approver_person for each in approvals}
    return AnswerFacts(
        is_approver=is_named,
        is_own=approver.pk == requester.pk,
        is_same_person=approver.person_id == requester.person_id,
        acts_for_requester=requester.pk in set(acting_for) or answers_for(approver, grant.workload),
        has_answered=approver.person_id in persons or answered.exists(),
        has_reason=bool(reason),
        has_written=has_written,
    )


def are_of_others(approvals: Iterable[Approval], grant: Grant) -> bool:
    """Whether no approver is the requester, answers for the workload, or wrote the policy.

    As things are today.
    """
    requester = grant.requester
    ids = [each.approver_id for each in approvals if each.verdict == Verdict.APPROVE]
    approvers = User.objects.within_id(requester.organisation_id).filter(pk__in=ids)
    apart = [each.person_id for each in (requester, grant.author) if each is not None]
    if approvers.filter(person_id__in=apart).exists():
        return False
    return grant.workload is None or not any(
        answers_for(approver, grant.workload) for approver in approvers
    )


def left(duration: timedelta) -> int:
    """Whole seconds left, rounded up while there is any: the end is exact."""
    return max(0, -int(-duration.total_seconds() // 1))
