"""Who may answer, and who may ask: by name, by a group, or by a role that is held by standing.

Roles that a grant gives count for neither: what was won for a time gives no rights to others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from access.deciding import Rules, answers_of, is_approved
from access.models import (
    Approval,
    Eligibility,
    Entitlement,
    Grant,
    Kind,
    Stage,
    StageApprover,
    Verdict,
    Workload,
)
from access.workloads import keepers_among
from accounts.flows import standing_roles
from accounts.flows.elevation import Condition
from accounts.models import GroupMember, GroupRole, Lock, LockTarget, Role, RoleAssignment, User

FOREVER = timedelta(days=36_500)
MOST_NAMED = 50
EVERYWHERE = Q(is_staff=True, is_superuser=True)


@dataclass(frozen=True, slots=True)
class Standing:
    """What somebody holds and is in, by id and name, no grant counted.

    administers_everywhere: every organisation, by what the account is.
    """

    user_id: UUID
    roles: dict[UUID, str]
    groups: dict[UUID, str]
    administers_everywhere: bool = False

    def describe(self, user: User) -> dict[str, Any]:
        """What filters of thresholds see of a reviewer."""
        return {
            "name": user.email,
            "roles": sorted(self.roles.values()),
            "groups": sorted(self.groups.values()),
        }

    def names(self, approver: StageApprover) -> bool:
        return (
            approver.user_id == self.user_id
            or approver.group_id in self.groups
            or approver.role_id in self.roles
            or (approver.administrators and self.administers_everywhere)
        )


def standing_of(user: User, now: datetime) -> Standing:
    members = GroupMember.objects.within_id(user.organisation_id).filter(user=user)
    return Standing(
        user_id=user.pk,
        roles={role.pk: role.name for role in standing_roles(user=user, now=now)},
        groups=dict(members.values_list("group_id", "group__name")),
        administers_everywhere=user.is_active and user.is_staff and user.is_superuser,
    )


# --- approvers ------------------------------------------------------------------------------------


def stages_of(entitlement: Entitlement) -> list[Stage]:
    """In their order, with who may answer and what that names: two statements."""
    stages = list(
        Stage.objects.within_id(entitlement.organisation_id)
        .filter(entitlement=entitlement)
        .order_by("position")
        .prefetch_related(_named_approvers(entitlement.organisation_id))
    )
    for stage in stages:
        stage.entitlement = entitlement
    return stages


def has_escalated(stage: Stage, since: datetime, now: datetime) -> bool:
    return stage.escalate_after is not None and now >= since + stage.escalate_after


def named_in(stage: Stage, standing: Standing, *, is_escalated: bool) -> StageApprover | None:
    """The line that makes this person an approver now; one's own name before groups and roles."""
    if stage.entitlement.is_publication and not standing.administers_everywhere:
        return None
    naming = [
        each
        for each in stage.approvers.all()
        if (is_escalated or not each.is_escalation) and standing.names(each)
    ]
    return min(naming, key=lambda each: (not each.user_id, not each.group_id), default=None)


def is_named(user: User, entitlement: Entitlement, now: datetime) -> bool:
    """Whether any stage names this person, at once or once it has escalated."""
    standing = standing_of(user, now)
    return any(
        named_in(stage, standing, is_escalated=True) is not None for stage in stages_of(entitlement)
    )


def still_named(
    approvals: Iterable[Approval],
    stages: Sequence[Stage],
    now: datetime,
    *,
    with_locked: bool = False,
) -> list[Approval]:
    """Those of the approvals whose approvers are there, and approvers, all the same: 5 statements.

    One of each person: two accounts may have turned out to be one's. with_locked: a lock on an
    approver passes.
    """
    given = [each for each in approvals if each.verdict == Verdict.APPROVE]
    if not given:
        return []
    ids = [each.approver_id for each in given]
    organisation_id = given[0].organisation_id
    users = User.objects.within_id(organisation_id).filter(pk__in=ids, is_active=True)
    if any(stage.entitlement.is_publication for stage in stages):
        users = users.filter(EVERYWHERE)
    there = dict(users.values_list("pk", "person_id"))
    if not with_locked:
        for locked in locked_users(organisation_id, ids, now):
            there.pop(locked, None)
    groups = set(GroupMember.objects.within_id(organisation_id).filter(user_id__in=ids)
                 .values_list("user_id", "group_id"))  # fmt: skip
    roles = holders_of_roles(organisation_id, ids, now)
    named = [approver for stage in stages for approver in stage.approvers.all()]
    stand = [
        each
        for each in given
        if each.approver_id in there
        and any(_still_names(approver, each, groups, roles) for approver in named)
    ]
    return _one_of_each_person(stand, there)


def _one_of_each_person(approvals: list[Approval], persons: dict[UUID, UUID]) -> list[Approval]:
    """The first of each. persons: whose the approvers' accounts are."""
    first: dict[UUID, Approval] = {}
    for each in approvals:
        first.setdefault(persons[each.approver_id], each)
    return list(first.values())


def standing_approvals(grant: Grant, now: datetime) -> list[Approval]:
    """The approvals that a grant rests on, of those who could still give them."""
    given = Approval.objects.within_id(grant.organisation_id).filter(
        grant_id=grant.reused_from_id or grant.pk
    )
    return still_named(given.order_by("at", "pk"), stages_of(grant.entitlement), now)


def suffice(grant: Grant, approvals: Iterable[Approval], now: datetime) -> bool:
    """Whether these approve a grant by the rules that it was asked for by, and by today's.

    Of approvers as they are now: a filter may ask for what somebody holds no more.
    """
    then = Rules.of_terms((grant.reused_from or grant).terms)
    stages = Stage.objects.within_id(grant.organisation_id).filter(entitlement=grant.entitlement)
    today = replace(
        then,
        thresholds=grant.entitlement.thresholds,
        needed=list(stages.order_by("position").values_list("approvals_needed", flat=True)),
    )
    approvals = list(approvals)
    answers = answers_of(approvals, _reviewers(approvals, now))
    return is_approved(then, answers) and is_approved(today, answers)


def still_suffice(grant: Grant, approvals: Iterable[Approval], now: datetime) -> bool:
    """Whether these still approve what is live: by its own rules, whatever is asked for today."""
    rules = Rules.of_terms((grant.reused_from or grant).terms)
    if grant.is_break_glass or not any(each["filter"] for each in rules.thresholds):
        return True
    approvals = list(approvals)
    return is_approved(rules, answers_of(approvals, _reviewers(approvals, now)))


def _reviewers(approvals: Iterable[Approval], now: datetime) -> dict[UUID, dict[str, Any]]:
    """What filters see of approvers, as `Standing.describe` has it: 4 statements."""
    of = {each.approver_id: each.organisation_id for each in approvals}
    if not of:
        return {}
    organisation_id = next(iter(of.values()))
    held = holders_of_roles(organisation_id, of, now)
    roles = Role.objects.within_id(organisation_id).in_bulk({role_id for _, role_id in held})
    members = GroupMember.objects.within_id(organisation_id).filter(user_id__in=of)
    groups = set(members.values_list("user_id", "group__name"))
    people = User.objects.within_id(organisation_id).filter(pk__in=of)
    return {
        who: {
            "name": email,
            "roles": sorted(roles[role_id].name for user_id, role_id in held if user_id == who),
            "groups": sorted(name for user_id, name in groups if user_id == who),
        }
        for who, email in people.values_list("pk", "email")
    }


def _still_names(
    approver: StageApprover,
    approval: Approval,
    groups: set[tuple[UUID, UUID]],
    roles: set[tuple[UUID, UUID]],
) -> bool:
    """By the very line that it was given by: another right is another approval."""
    who = approval.approver_id
    if approval.group_id is not None:
        return approver.group_id == approval.group_id and (who, approval.group_id) in groups
    if approval.role_id is not None:
        return approver.role_id == approval.role_id and (who, approval.role_id) in roles
    if approval.as_administrator:
        return approver.administrators
    return approver.user_id == who


def holders_of_roles(
    organisation_id: UUID, user_ids: Iterable[UUID], now: datetime
) -> set[tuple[UUID, UUID]]:
    """(user, role) of what these hold by standing, directly or by a group."""
    ids = list(user_ids)
    own = (
        RoleAssignment.unscoped.live(now)
        .standing()
        .filter(organisation_id=organisation_id, user_id__in=ids)
    )
    by_group = GroupRole.objects.within_id(organisation_id).filter(
        group__groupmember__user_id__in=ids
    )
    return set(own.values_list("user_id", "role_id")) | set(
        by_group.values_list("group__groupmember__user_id", "role_id")
    )


def locked_users(organisation_id: UUID, user_ids: Iterable[UUID], now: datetime) -> set[UUID]:
    locks = Lock.unscoped.live(now).filter(
        organisation_id=organisation_id,
        target_type=LockTarget.USER,
        target__in=[str(each) for each in user_ids],
    )
    return {UUID(target) for target in locks.values_list("target", flat=True)}


def lines_naming(user: User, now: datetime) -> "QuerySet[StageApprover]":
    """The lines that name a person, or a group, or a role that they hold by standing."""
    of = user.organisation_id
    groups = GroupMember.objects.within_id(of).filter(user=user).values("group_id")
    own = RoleAssignment.unscoped.live(now).standing().filter(user=user, organisation_id=of)
    by_group = GroupRole.objects.within_id(of).filter(group_id__in=groups)
    lines: QuerySet[StageApprover] = StageApprover.objects.within_id(of)
    if user.is_active and user.is_staff and user.is_superuser:
        everywhere = Q(administrators=True)
    else:
        everywhere = Q()
        lines = lines.exclude(stage__entitlement__kind=Kind.PUBLICATION)
    return lines.filter(
        Q(user=user)
        | Q(group_id__in=groups)
        | Q(role_id__in=own.values("role_id"))
        | Q(role_id__in=by_group.values("role_id"))
        | everywhere
    )


def approvers_in(
    stage: Stage,
    *,
    requester: User,
    is_escalated: bool,
    now: datetime,
    workload: Workload | None = None,
    author: User | None = None,
) -> "QuerySet[User]":
    """Everybody who may answer at this stage, the requester in no shape among them.

    Nor anybody who answers for the workload that it is for, nor the author of the policy that it is
    asked to publish.
    """
    named = people_named(stage, is_escalated=is_escalated, now=now)
    apart = [each.person_id for each in (requester, author) if each is not None]
    people = named.exclude(person_id__in=apart)
    if workload is None:
        return people
    return people.exclude(person_id__in=keepers_among(named, workload))


def some_of(people: "QuerySet[User]") -> tuple[list[User], int]:
    """The first of these people, as many as anybody reads, and how many there are besides."""
    found = list(people[: MOST_NAMED + 1])
    if len(found) <= MOST_NAMED:
        return found, 0
    return found[:MOST_NAMED], people.count() - MOST_NAMED


def people_named(stage: Stage, *, is_escalated: bool, now: datetime) -> "QuerySet[User]":
    """Everybody who may answer at this stage, whoever asks."""
    named = [each for each in stage.approvers.all() if is_escalated or not each.is_escalation]
    organisation_id = stage.organisation_id
    groups = [each.group_id for each in named if each.group_id]
    roles = [each.role_id for each in named if each.role_id]
    holders = (
        RoleAssignment.unscoped.live(now)
        .standing()
        .filter(organisation_id=organisation_id, role_id__in=roles)
    )
    members = GroupMember.objects.within_id(organisation_id)
    naming = (
        Q(pk__in=[each.user_id for each in named if each.user_id])
        | Q(pk__in=members.filter(group_id__in=groups).values("user_id"))
        | Q(pk__in=members.filter(group__grouprole__role_id__in=roles).values("user_id"))
        | Q(pk__in=holders.values("user_id"))
    )
    if any(each.administrators for each in named):
        naming |= EVERYWHERE
    if stage.entitlement.is_publication:
        naming &= EVERYWHERE
    people: QuerySet[User] = User.objects.within_id(organisation_id).filter(naming, is_active=True)
    return people.order_by("email")


def _named_approvers(organisation_id: UUID) -> "Prefetch[Any]":
    rows = StageApprover.objects.within_id(organisation_id).select_related("user", "group", "role")
    return Prefetch("approvers", queryset=rows)


# --- eligibility ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Eligible:
    """That somebody may ask: by name, or by the group; until when, None for always."""

    user_id: UUID
    group_id: UUID | None
    ends_at: datetime | None

    def remaining(self, now: datetime) -> timedelta:
        return FOREVER if self.ends_at is None else self.ends_at - now

    @property
    def condition(self) -> Condition:
        return Condition(user_id=self.user_id, group_id=self.group_id)


def eligibility_of(
    user: User, entitlement: Entitlement, now: datetime, workload: Workload | None = None
) -> Eligible | None:
    """The line that lasts longest; of two alike the one by name, which no group can take away.

    workload: for which the person asks; then it is what has to be eligible, by name. To publish
    policy is for whoever administers every organisation, and needs no line.
    """
    if entitlement.is_publication:
        same = User.objects.within_id(entitlement.organisation_id).filter(pk=user.pk)
        may = workload is None and same.filter(EVERYWHERE, is_active=True).exists()
        return Eligible(user.pk, None, None) if may else None
    lines = Eligibility.unscoped.live(now).filter(
        entitlement=entitlement, organisation_id=user.organisation_id
    )
    if workload is not None:
        lines = lines.filter(workload=workload)
    else:
        groups = GroupMember.objects.within_id(user.organisation_id).filter(user=user)
        lines = lines.filter(Q(user=user) | Q(group_id__in=groups.values("group_id")))
    best = max(
        lines,
        key=lambda line: (line.ends_at is None, line.ends_at or now, line.group_id is None),
        default=None,
    )
    return None if best is None else Eligible(user.pk, best.group_id, best.ends_at)
