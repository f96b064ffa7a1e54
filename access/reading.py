"""What people look at: what waits for me, and what happened.

Each answer takes a fixed number of statements, whatever there is to tell.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import (
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Coalesce

from access.approvers import has_escalated, lines_naming
from access.deciding import Rules
from access.models import (
    Approval,
    Grant,
    GrantEvent,
    Stage,
    State,
)
from access.workloads import kept_by
from accounts.models import (
    User,
)
from audit.models import AuditEvent
from devices.models import Device
from risk.levels import RiskLevel
from risk.models import UserRisk
from sessions.models import LoginSession

# --- what waits for me ----------------------------------------------------------------------------

MOST_WAITING = 200


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that somebody may answer, with what an approver wants to know.

    risk: of whoever asks. device: of the session that they asked in, with its tier. earlier: how
    often they have asked for this before, by what became of it. needed: approvals that the stage
    still needs, 0 where thresholds decide.
    """

    grant: Grant
    approvals: Sequence[Approval]
    is_escalated: bool
    needed: int
    risk: RiskLevel
    device: Device | None
    tier: int
    session: LoginSession | None
    earlier: dict[str, int] = field(default_factory=dict)


def inbox_of(*, approver: User, now: datetime, most: int = MOST_WAITING) -> list[Waiting]:
    """Requests that this person may answer now, the most urgent first, at most so many."""
    grants = list(
        answerable(approver, now)
        .select_related("entitlement", "requester", "workload")
        .prefetch_related(
            Prefetch("approvals", Approval.unscoped.select_related("approver").order_by("at")),
            Prefetch("entitlement__stages", Stage.unscoped.order_by("position")),
        )
        .order_by("pending_until", "pk")[:most]
    )
    risks = _risks(approver.organisation_id, [each.requester_id for each in grants], now)
    sessions = _sessions(
        approver.organisation_id,
        [each.requested_session_id for each in grants if each.requested_session_id],
    )
    earlier = _earlier(approver.organisation_id, grants)
    return [
        _waiting(grant, risks, sessions, earlier, now)
        for grant in grants
        if grant.stage < len(grant.entitlement.stages.all())
    ]


def count_inbox(*, approver: User, now: datetime) -> int:
    """How many requests this person may answer now."""
    return answerable(approver, now).count()


def answerable(approver: User, now: datetime) -> "QuerySet[Grant]":
    """Requests that this person may answer now: one statement."""
    waited = ExpressionWrapper(Value(now) - OuterRef("stage_since"), DurationField())
    naming = lines_naming(approver, now).filter(
        Q(is_escalation=False) | Q(stage__escalate_after__lte=waited),
        Q(stage__auto_deny_after=None) | Q(stage__auto_deny_after__gt=waited),
        stage__entitlement=OuterRef("entitlement"),
        stage__position=OuterRef("stage"),
    )
    answered = Approval.objects.within_id(approver.organisation_id).filter(
        grant=OuterRef("pk"), approver_person=approver.person_id
    )
    return (
        Grant.objects.within_id(approver.organisation_id)
        .filter(
            Exists(naming),
            ~Exists(answered),
            state=State.APPROVAL_AWAITED,
            pending_until__gt=now,
            entitlement__is_active=True,
            entitlement_version=F("entitlement__version"),
        )
        .exclude(requester__person_id=approver.person_id)
        .exclude(workload__responsible__person_id=approver.person_id)
        .exclude(Q(workload__isnull=False) & Q(kept_by(approver)))
        .exclude(policy_version__author__person_id=approver.person_id)
    )


def _waiting(
    grant: Grant,
    risks: dict[UUID, RiskLevel],
    sessions: dict[UUID, LoginSession],
    earlier: dict[tuple[UUID, UUID], dict[str, int]],
    now: datetime,
) -> Waiting:
    stage = grant.entitlement.stages.all()[grant.stage]
    approvals = list(grant.approvals.all())
    session = sessions.get(grant.requested_session_id) if grant.requested_session_id else None
    device = session.browser.device if session is not None and session.browser else None
    given = sum(each.verdict == "approve" and each.stage == grant.stage for each in approvals)
    return Waiting(
        grant=grant,
        approvals=approvals,
        is_escalated=has_escalated(stage, grant.stage_since, now),
        needed=max(0, Rules.of_terms(grant.terms).needed[grant.stage] - given),
        risk=RiskLevel.NONE if grant.workload_id else risks.get(grant.requester_id, RiskLevel.NONE),
        device=device,
        tier=0 if device is None else device.tier_at(now),
        session=session,
        earlier=earlier.get((grant.workload_id or grant.requester_id, grant.entitlement_id), {}),
    )


def _risks(organisation_id: UUID, user_ids: Iterable[UUID], now: datetime) -> dict[UUID, RiskLevel]:
    rows = UserRisk.objects.within_id(organisation_id).filter(
        user_id__in=list(user_ids), ends_at__gt=now
    )
    return {user_id: RiskLevel(level) for user_id, level in rows.values_list("user_id", "level")}


def _sessions(organisation_id: UUID, ids: Iterable[UUID]) -> dict[UUID, LoginSession]:
    rows = LoginSession.objects.within_id(organisation_id).filter(pk__in=list(ids))
    return {each.pk: each for each in rows.select_related("browser__device")}


def _earlier(
    organisation_id: UUID, grants: Sequence[Grant]
) -> dict[tuple[UUID, UUID], dict[str, int]]:
    counted = (
        Grant.objects.within_id(organisation_id)
        .filter(
            Q(workload__in=[each.workload_id for each in grants if each.workload_id])
            | Q(workload=None, requester__in=[each.requester_id for each in grants]),
            entitlement__in=[each.entitlement_id for each in grants],
        )
        .exclude(pk__in=[each.pk for each in grants])
        .annotate(whose=Coalesce("workload_id", "requester_id"))
        .values("whose", "entitlement_id", "state")
        .annotate(times=Count("pk"))
        .order_by()
    )
    found: dict[tuple[UUID, UUID], dict[str, int]] = defaultdict(dict)
    for row in counted:
        found[row["whose"], row["entitlement_id"]][row["state"]] = row["times"]
    return found


# --- one grant ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class History:
    """touched: what audit has of the session while the grant counted in it."""

    grant: Grant
    events: Sequence[GrantEvent]
    approvals: Sequence[Approval]
    touched: Sequence[AuditEvent]


def history(*, grant: Grant, now: datetime, limit: int = 200) -> History:
    """What happened to a grant, who answered, and what was done while it lasted."""
    organisation_id = grant.organisation_id
    rows = Grant.objects.within_id(organisation_id).select_related(
        "entitlement", "requester", "workload", "extends", "reused_from", "reviewed_by"
    )
    found = rows.get(pk=grant.pk)
    touched = AuditEvent.objects.none()
    if found.activated_at is not None and found.terms["binds_session"]:
        ends = [each for each in (found.ends_at, found.ended_at, now) if each is not None]
        touched = AuditEvent.objects.filter(
            organisation_id=organisation_id,
            session_id=found.session_id,
            at__gte=found.activated_at,
            at__lt=min(ends),
        ).order_by("id")[:limit]
    return History(
        grant=found,
        events=list(
            GrantEvent.objects.within_id(organisation_id).filter(grant=found).order_by("id")
        ),
        approvals=list(
            Approval.objects.within_id(organisation_id)
            .filter(grant=found)
            .select_related("approver")
            .order_by("at")
        ),
        touched=list(touched),
    )
