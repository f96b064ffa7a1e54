"""Roles and groups. Rights are read at use; what is written here bites at the next one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Q

from accounts.flows.permissions import check_may_give
from accounts.models import Group, GroupMember, GroupRole, Organisation, Role, RoleAssignment, User
from audit.events import Event
from audit.recorder import record
from core import clock
from core.errors import Refusal


@transaction.atomic
def create_role(
    *, organisation: Organisation, name: str, now: datetime, actor: models.Model | None = None,
    description: str = "", required_acr: str = "", required_tier: int = 0,
) -> Role:  # fmt: skip
    """Refuses conflict if the organisation has a role of this name."""
    try:
        with transaction.atomic():
            role = Role.objects.create(
                organisation=organisation,
                name=name,
                description=description,
                required_acr=required_acr,
                required_tier=required_tier,
            )
    except IntegrityError as error:
        raise Refusal.conflict(f"There is a role {name} already.") from error
    _record(
        Event.ROLE_CREATED, role, now, actor,
        subject=role, required_acr=required_acr, required_tier=required_tier,
    )  # fmt: skip
    return role


@transaction.atomic
def update_role(
    *, role: Role, description: str, required_acr: str, now: datetime,
    required_tier: int = 0, actor: models.Model | None = None,
) -> None:  # fmt: skip
    role.description, role.required_acr = description, required_acr
    role.required_tier = required_tier
    role.save(update_fields=["description", "required_acr", "required_tier"])
    _record(
        Event.ROLE_UPDATED, role, now, actor,
        subject=role, required_acr=required_acr, required_tier=required_tier,
    )  # fmt: skip


@transaction.atomic
def assign_role(
    *, user: User, role: Role, now: datetime, actor: models.Model | None = None,
    starts_at: datetime | None = None, ends_at: datetime | None = None,
) -> RoleAssignment:  # fmt: skip
    """Give the user a standing role, from starts_at (now) until ends_at (open).

    Never from before now: who had what at a past time is not rewritten.
    Refuses not_found across organisations, conflict if the user holds the role already,
    invalid_request if it would end before it starts, not_allowed if it is not the actor's to give.
    """
    if user.organisation_id != role.organisation_id:
        raise Refusal.not_found()
    check_may_give(actor=actor, organisation_id=role.organisation_id, roles=[role], now=now)
    starts_at = max(starts_at or now, now)
    if ends_at is not None and ends_at <= starts_at:
        raise Refusal.invalid_request("A role must end after it starts, and not in the past.")
    over = RoleAssignment.unscoped.select_for_update().filter(
        user=user, role=role, grant_id=None, ended_at=None, ends_at__lte=clock.sql_now()
    )
    for assignment in over:
        _expire(assignment, now)
    try:
        with transaction.atomic():
            assignment = RoleAssignment.objects.create(
                organisation_id=user.organisation_id,
                user=user,
                role=role,
                starts_at=starts_at,
                ends_at=ends_at,
            )
    except IntegrityError as error:
        raise Refusal.conflict(f"{user} holds the role {role} already.") from error
    _record(Event.ROLE_ASSIGNED, role, now, actor, subject=user, ends_at=ends_at)
    return assignment


@transaction.atomic
def end_role_assignment(
    *, assignment: RoleAssignment, now: datetime, actor: models.Model | None = None
) -> bool:
    """Take a standing role back now; returns whether this call did it.

    Refuses invalid_request for an elevated one: its grant has to end.
    """
    if assignment.grant_id is not None:
        raise Refusal.invalid_request("This role is held by a grant. End the grant instead.")
    if not _end(assignment, now):
        return False
    _record(Event.ROLE_REVOKED, assignment.role, now, actor, subject=assignment.user)
    return True


def expire_due_role_assignments(*, now: datetime, batch: int = 200) -> int:
    """Write down which standing assignments time has ended; returns how many.

    Nothing rests on it: an assignment past its end gives no right. Rows that another worker holds
    are skipped, so it may run doubled.
    """
    expired = 0
    while True:
        with transaction.atomic():
            due = list(
                RoleAssignment.unscoped.standing()
                .filter(ended_at=None, ends_at__lte=clock.sql_now())
                .order_by("ends_at")
                .select_related("role", "user")
                .select_for_update(skip_locked=True, of=("self",))[:batch]
            )
            for assignment in due:
                _expire(assignment, now)
        expired += len(due)
        if len(due) < batch:
            return expired


@transaction.atomic
def create_group(
    *, organisation: Organisation, name: str, now: datetime, actor: models.Model | None = None
) -> Group:
    """Refuses conflict if the organisation has a group of this name."""
    try:
        with transaction.atomic():
            group = Group.objects.create(organisation=organisation, name=name)
    except IntegrityError as error:
        raise Refusal.conflict(f"There is a group {name} already.") from error
    _record(Event.GROUP_CREATED, group, now, actor, subject=group)
    return group


@transaction.atomic
def add_group_member(
    *, group: Group, user: User, now: datetime, actor: models.Model | None = None
) -> None:
    """Put the user into the group, once.

    Refuses not_found across organisations, not_allowed if its roles are not the actor's to give.
    """
    if group.organisation_id != user.organisation_id:
        raise Refusal.not_found()
    check_may_give(
        actor=actor, organisation_id=group.organisation_id, roles=group.roles.all(), now=now
    )
    _, is_new = GroupMember.unscoped.get_or_create(
        group=group, user=user, defaults={"organisation_id": group.organisation_id}
    )
    if is_new:
        _record(Event.GROUP_MEMBER_ADDED, group, now, actor, subject=user)


@transaction.atomic
def remove_group_member(
    *, group: Group, user: User, now: datetime, actor: models.Model | None = None
) -> None:
    if GroupMember.unscoped.filter(group=group, user=user).delete()[0]:
        _record(Event.GROUP_MEMBER_REMOVED, group, now, actor, subject=user)


@transaction.atomic
def give_group_role(
    *, group: Group, role: Role, now: datetime, actor: models.Model | None = None
) -> None:
    """Let every member hold the role.

    Refuses not_found across organisations, not_allowed if the role is not the actor's to give.
    """
    if group.organisation_id != role.organisation_id:
        raise Refusal.not_found()
    check_may_give(actor=actor, organisation_id=group.organisation_id, roles=[role], now=now)
    _, is_new = GroupRole.unscoped.get_or_create(
        group=group, role=role, defaults={"organisation_id": group.organisation_id}
    )
    if is_new:
        _record(Event.GROUP_ROLE_ADDED, group, now, actor, subject=role)


@transaction.atomic
def take_group_role(
    *, group: Group, role: Role, now: datetime, actor: models.Model | None = None
) -> None:
    if GroupRole.unscoped.filter(group=group, role=role).delete()[0]:
        _record(Event.GROUP_ROLE_REMOVED, group, now, actor, subject=role)


def held_roles(
    *, user: User, now: datetime, session_id: UUID | None = None
) -> list[RoleAssignment]:
    """Every role that the user holds at `now`, by name; a group's as an assignment without end.

    What is limited to resources stands for itself, each with its limit, where the role is not held
    for all that it reaches.

    session_id: where the roles are asked for; those that a grant gave to another one are left out.
    What a device or a condition has to say to an elevated role is evaluation's to ask.
    """
    here = Q(session_id=None) | Q(session_id=session_id)
    live = RoleAssignment.unscoped.filter(here, user=user, suspended_at=None).live(now)
    from_groups = (
        RoleAssignment(user=user, role=role, organisation_id=role.organisation_id, starts_at=now)
        for role in Role.objects.within_id(user.organisation_id)
        .filter(grouprole__group__groupmember__user=user)
        .distinct()
    )
    longest: dict[UUID, RoleAssignment] = {}
    limited: list[RoleAssignment] = []
    for held in (*live.select_related("role").order_by("ends_at"), *from_groups):
        if held.resources is not None:
            limited.append(held)
            continue
        before = longest.get(held.role_id)
        if before is None or before.ends_at is not None:  # NULL, for ever, comes last
            longest[held.role_id] = held
    found = [*longest.values(), *(each for each in limited if each.role_id not in longest)]
    return sorted(found, key=lambda assignment: assignment.role.name)


def _expire(assignment: RoleAssignment, now: datetime) -> None:
    if _end(assignment, now):
        _record(Event.ROLE_EXPIRED, assignment.role, now, None, subject=assignment.user)


def _end(assignment: RoleAssignment, now: datetime) -> bool:
    ended = RoleAssignment.unscoped.filter(pk=assignment.pk, ended_at=None).update(ended_at=now)
    if ended:
        assignment.ended_at = now
    return bool(ended)


def _record(
    event: Event, about: Role | Group, now: datetime, actor: models.Model | None, *,
    subject: models.Model, **facts: Any,
) -> None:  # fmt: skip
    facts[type(about).__name__.lower()] = about.name
    record(
        event,
        organisation_id=about.organisation_id,
        actor=actor,
        subject=subject,
        now=now,
        **facts,
    )
