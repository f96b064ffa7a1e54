"""What those who answer look at: each function by a bounded number of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from access.administering import may_administer, may_administer_everywhere
from access.approvers import lines_naming, standing_of
from access.deciding import Answer, Outcome, Rules, answers_of, decide
from access.models import (
    Approval,
    Grant,
    GrantEvent,
    Stage,
    Verdict,
)
from access.workloads import CLIENT, stands_for
from accounts.models import User
from audit.recorder import ref
from core.errors import Refusal
from devices.models import Device
from policy import checking
from policy.comparing import differences, modules_that_count
from policy.models import PolicyVersion
from risk.geo import locate
from risk.models import SignIn, UserRisk
from sessions.models import LoginSession

HISTORY_OF_A_CASE = 5
LOOKED_BACK = timedelta(days=90)


# --- who sees what --------------------------------------------------------------------------------


def find_grant(
    user: User, grant_id: UUID, now: datetime, *, is_proven_administrator: bool = False
) -> Grant:
    """A grant that somebody may look at: their own, or one that they may answer or administer.

    is_proven_administrator: whether administering counts, as after two factors. Refuses not_found
    for any other.
    """
    grant = _rows(user).filter(pk=grant_id).first()
    if grant is None:
        raise Refusal.not_found()
    if stands_for(user, grant, None):
        return grant
    if grant.policy_version_id is not None and not may_administer_everywhere(user, now=now):
        raise Refusal.not_found()
    if is_approver_of(user, grant, now):
        return grant
    if is_proven_administrator and may_administer(user, grant.organisation_id, now=now):
        return grant
    raise Refusal.not_found()


def find_own(user: User, grant_id: UUID) -> Grant:
    """One of one's own, or of an application that one answers for; refuses not_found."""
    mine = Q(requester=user) | Q(workload__responsible=user)
    grant = _rows(user).filter(mine, pk=grant_id).first()
    if grant is None:
        raise Refusal.not_found()
    return grant


def _rows(user: User) -> "QuerySet[Grant]":
    rows: QuerySet[Grant] = Grant.objects.within_id(user.organisation_id)
    return rows.select_related("entitlement", "requester", "workload", "extends", "reviewed_by")


# --- those who answer -----------------------------------------------------------------------------


def is_approver_of(user: User, grant: Grant, now: datetime) -> bool:
    """Whether this person is named at any stage of what was asked for, not being who asks."""
    if user.organisation_id != grant.organisation_id or user.pk == grant.requester_id:
        return False
    return lines_naming(user, now).filter(stage__entitlement=grant.entitlement_id).exists()


def answers_by(grants: Iterable[Grant]) -> dict[UUID, datetime]:
    """Until when each of these requests may be answered: one statement."""
    grants = list(grants)
    if not grants:
        return {}
    stages = Stage.unscoped.filter(
        entitlement__in={grant.entitlement_id for grant in grants}, auto_deny_after__isnull=False
    )
    times = {
        (entitlement, position): after
        for entitlement, position, after in stages.values_list(
            "entitlement_id", "position", "auto_deny_after"
        )
    }
    found = {}
    for grant in grants:
        after = times.get((grant.entitlement_id, grant.stage))
        ends = [grant.pending_until] + ([] if after is None else [grant.stage_since + after])
        found[grant.pk] = min(ends)
    return found


# --- one grant ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """Of the timeline. who: a name, "" for time or rule. actor: the same as audit has it."""

    at: datetime
    kind: str
    words: str
    who: str
    actor: str
    facts: dict[str, Any]


def timeline_of(grant: Grant) -> list[Line]:
    """What became of a grant, in order: two statements."""
    events = list(
        GrantEvent.objects.within_id(grant.organisation_id).filter(grant=grant).order_by("at", "id")
    )
    people = User.objects.within_id(grant.organisation_id).filter(
        pk__in={event.actor.rpartition(":")[2] for event in events if event.actor.startswith(USER)}
    )
    names = {ref(person): str(person) for person in people}
    names[f"{CLIENT}{grant.workload_id}"] = grant.workload_title
    return [
        Line(
            event.at,
            event.kind,
            event.get_kind_display(),
            names.get(event.actor, ""),
            event.actor,
            event.facts,
        )
        for event in events
    ]


USER = "accounts.User:"


def approvals_of(grant: Grant) -> list[Approval]:
    """Every answer with who gave it, in order."""
    rows = Approval.objects.within_id(grant.organisation_id).filter(grant=grant)
    return list(rows.select_related("approver").order_by("at", "id"))


@dataclass(frozen=True, slots=True)
class Case:
    """What somebody looks at before they answer.

    session: that it was asked for in, or that it is used in. sign_in: how unusual that was.
    account_risk: of the person as a whole, None without any. device: that the session is on.
    """

    session: LoginSession | None
    place: str
    sign_in: SignIn | None
    account_risk: UserRisk | None
    device: Device | None
    approvals: Sequence[Approval]
    earlier: Sequence[Grant]
    earlier_count: int


def case_of(grant: Grant, now: datetime) -> Case:
    """Who asks, from where, on what, and how often before: six statements."""
    of = grant.organisation_id
    asked_in = grant.session_id or grant.requested_session_id
    sessions = LoginSession.objects.within_id(of).filter(
        user=grant.requester, pk__in=[asked_in] if asked_in else []
    )
    session = sessions.select_related("browser__device").first()
    before = (
        Grant.objects.within_id(of)
        .filter(
            *_whose(grant), entitlement=grant.entitlement_id,
            requested_at__gt=now - LOOKED_BACK,
        )
        .exclude(pk=grant.pk)
    )  # fmt: skip
    return Case(
        session=session,
        place=str(locate(session.address or "")) if session else "",
        sign_in=SignIn.objects.within_id(of).filter(session_id=session.pk).first()
        if session
        else None,
        account_risk=UserRisk.objects.within_id(of)
        .filter(user=grant.requester, ends_at__gt=now, level__gt=0)
        .first(),
        device=session.browser.device if session and session.browser else None,
        approvals=approvals_of(grant),
        earlier=list(before.order_by("-requested_at")[:HISTORY_OF_A_CASE]),
        earlier_count=before.count(),
    )


def _whose(grant: Grant) -> list[Q]:
    """Those of the same workload, or of the same person."""
    if grant.workload_id is not None:
        return [Q(workload_id=grant.workload_id)]
    return [Q(requester__person_id=grant.requester.person_id, workload=None)]


@dataclass(frozen=True, slots=True)
class Publishing:
    """What a version of policy is, to whoever answers. differences: (file, lines) from what counts.

    passed, failed: of its own tests, when it was written.
    """

    version: PolicyVersion
    passed: int
    failed: int
    differences: Sequence[tuple[str, Sequence[str]]]


def publishing_of(version: PolicyVersion) -> Publishing:
    tests = checking.Verdict.from_document(version.check_result)
    failed = len(tests.failed)
    return Publishing(
        version=version,
        passed=len(tests.tests) - failed,
        failed=failed,
        differences=differences(modules_that_count(), version.modules),
    )


def outcome_of(
    grant: Grant, approvals: Sequence[Approval], approver: User, verdict: Verdict, now: datetime
) -> Outcome:
    """What this answer would make of a request, said without a reason."""
    reviewer = standing_of(approver, now).describe(approver)
    said = Answer(verdict.value, grant.stage, "", reviewer)
    return decide(Rules.of_terms(grant.terms), [*answers_of(approvals), said], stage=grant.stage)
