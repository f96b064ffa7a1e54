"""What those who answer look at: each function by a bounded number of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import (
    DurationField,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Value,
)

from access.approvers import standing_of
from access.deciding import Answer, Outcome, Rules, decide
from access.flows.answers import answers_of
from access.models import (
    Approval,
    Grant,
    GrantEvent,
    Stage,
    StageApprover,
    State,
    Verdict,
)
from accounts.models import GroupMember, GroupRole, RoleAssignment, User
from audit.recorder import ref
from devices.models import Device
from risk.geo import locate
from risk.models import SignIn, UserRisk
from sessions.models import LoginSession

MANY = 100
HISTORY_OF_A_CASE = 5
LOOKED_BACK = timedelta(days=90)


# --- those who answer -----------------------------------------------------------------------------


def inbox_of(user: User, now: datetime) -> "QuerySet[Grant]":
    """Requests that wait for this person's answer, the oldest first: one statement.

    until: when it is too late to answer.
    """
    waited = ExpressionWrapper(Value(now) - OuterRef("stage_since"), DurationField())
    naming = _lines_naming(user, now).filter(
        Q(is_escalation=False) | Q(stage__escalate_after__lte=waited),
        Q(stage__auto_deny_after=None) | Q(stage__auto_deny_after__gt=waited),
        stage__entitlement=OuterRef("entitlement"),
        stage__position=OuterRef("stage"),
    )
    answers = Approval.objects.within_id(user.organisation_id)
    answered = answers.filter(grant=OuterRef("pk"), approver_person=user.person_id)
    return (
        Grant.objects.within_id(user.organisation_id)
        .filter(
            Exists(naming), ~Exists(answered), state=State.APPROVAL_AWAITED, pending_until__gt=now
        )
        .exclude(requester__person_id=user.person_id)
        .select_related("entitlement", "requester")
        .order_by("requested_at", "pk")
    )


def is_approver_of(user: User, grant: Grant, now: datetime) -> bool:
    """Whether this person is named at any stage of what was asked for, not being who asks."""
    if user.organisation_id != grant.organisation_id or user.pk == grant.requester_id:
        return False
    return _lines_naming(user, now).filter(stage__entitlement=grant.entitlement_id).exists()


def answers_by(grants: Iterable[Grant]) -> dict[UUID, datetime]:
    """Until when each of these requests may be answered: one statement."""
    grants = list(grants)
    if not grants:
        return {}
    stages = Stage.objects.within_id(grants[0].organisation_id).filter(
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


def _lines_naming(user: User, now: datetime) -> "QuerySet[StageApprover]":
    """Lines of stages that name a person, or a group, or a role that they hold by standing."""
    of = user.organisation_id
    groups = GroupMember.objects.within_id(of).filter(user=user).values("group_id")
    own = RoleAssignment.unscoped.live(now).standing().filter(user=user, organisation_id=of)
    by_group = GroupRole.objects.within_id(of).filter(group_id__in=groups)
    return StageApprover.objects.within_id(of).filter(
        Q(user=user)
        | Q(group_id__in=groups)
        | Q(role_id__in=own.values("role_id"))
        | Q(role_id__in=by_group.values("role_id"))
    )


# --- one grant ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """Of the timeline. who: a name, "" for time or rule."""

    at: datetime
    kind: str
    words: str
    who: str
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
    return [
        Line(
            event.at, event.kind, event.get_kind_display(), names.get(event.actor, ""), event.facts
        )
        for event in events
    ]


USER = "accounts.User:"


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
            requester__person_id=grant.requester.person_id, entitlement=grant.entitlement_id,
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
        approvals=list(
            Approval.objects.within_id(of)
            .filter(grant=grant)
            .select_related("approver")
            .order_by("at", "id")
        ),
        earlier=list(before.order_by("-requested_at")[:HISTORY_OF_A_CASE]),
        earlier_count=before.count(),
    )


def outcome_of(
    grant: Grant, approvals: Sequence[Approval], approver: User, verdict: Verdict, now: datetime
) -> Outcome:
    """What this answer would make of a request, said without a reason."""
    reviewer = standing_of(approver, now).describe(approver)
    said = Answer(verdict.value, grant.stage, "", reviewer)
    return decide(Rules.of_terms(grant.terms), [*answers_of(approvals), said], stage=grant.stage)
