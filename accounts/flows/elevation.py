"""Roles for a time, by a grant. What a grant is and who may have one is `access`'s to know."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import models, transaction

from accounts.models import AssignmentCondition, GroupMember, Role, RoleAssignment, User
from core.errors import Refusal


@dataclass(frozen=True, slots=True)
class Condition:
    """What an elevation hangs on (`AssignmentCondition`): this person, in this group or role."""

    user_id: UUID
    group_id: UUID | None = None
    role_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where an elevation counts, None for anywhere, and what it asks for there.

    resources: for what alone, `{type, id}` each; None for all that the roles reach. rules: what has
    to hold at each use (`RoleAssignment.rules`).
    """

    session_id: UUID | None = None
    device_id: UUID | None = None
    address: str | None = None
    required_acr: str = ""
    required_tier: int = 0
    resources: Sequence[Mapping[str, str]] | None = None
    rules: Mapping[str, Any] | None = None


@transaction.atomic
def elevate(
    *,
    grant_id: UUID,
    user: User,
    roles: Iterable[Role],
    ends_at: datetime,
    bounds: Bounds,
    conditions: Iterable[Condition],
    now: datetime,
) -> list[RoleAssignment]:
    """Let the user hold these roles from now on; the caller writes it down.

    Refuses not_found across organisations, invalid_request without an end ahead. A grant elevates
    once: a second time is an IntegrityError.
    """
    if ends_at <= now:
        raise Refusal.invalid_request("A role must end after it starts.")
    roles, conditions = list(roles), list(conditions)
    if any(role.organisation_id != user.organisation_id for role in roles):
        raise Refusal.not_found()
    assignments = RoleAssignment.unscoped.bulk_create(
        RoleAssignment(
            organisation_id=user.organisation_id,
            user=user,
            role=role,
            starts_at=now,
            ends_at=ends_at,
            grant_id=grant_id,
            session_id=bounds.session_id,
            device_id=bounds.device_id,
            address=bounds.address,
            required_acr=bounds.required_acr,
            required_tier=bounds.required_tier,
            resources=None if bounds.resources is None else list(bounds.resources),
            rules=None if bounds.rules is None else dict(bounds.rules),
        )
        for role in roles
    )
    AssignmentCondition.unscoped.bulk_create(
        AssignmentCondition(
            organisation_id=user.organisation_id,
            assignment=assignment,
            user_id=condition.user_id,
            group_id=condition.group_id,
            role_id=condition.role_id,
        )
        for assignment in assignments
        for condition in conditions
    )
    return assignments


def end_elevation(*, grant_id: UUID, now: datetime) -> int:
    """Take the roles back; returns how many. What has ended stays ended."""
    return _of_grant(grant_id).update(ended_at=now)


def suspend_elevation(*, grant_id: UUID, now: datetime) -> int:
    """Let the roles count no more until they are resumed; returns how many."""
    return _of_grant(grant_id).filter(suspended_at=None).update(suspended_at=now)


def resume_elevation(*, grant_id: UUID) -> int:
    """Let the roles count again; returns how many. Their end has not moved."""
    return _of_grant(grant_id).exclude(suspended_at=None).update(suspended_at=None)


def narrow_elevation(*, grant_id: UUID, rules: Mapping[str, Any]) -> int:
    """Let this have to hold at each use (`RoleAssignment.rules`); returns for how many roles."""
    return _of_grant(grant_id).update(rules=dict(rules))


def standing_roles(*, user: User, now: datetime) -> list[Role]:
    """What the user holds without a grant, by name: all that counts where rights are given."""
    own = RoleAssignment.unscoped.live(now).standing().filter(user=user).values("role_id")
    groups = GroupMember.unscoped.filter(user=user).values("group_id")
    everything = Role.objects.within_id(user.organisation_id)
    held = everything.filter(pk__in=own) | everything.filter(grouprole__group_id__in=groups)
    return list(held.distinct().order_by("name"))


def _of_grant(grant_id: UUID) -> "models.QuerySet[RoleAssignment]":
    return RoleAssignment.unscoped.filter(grant_id=grant_id, ended_at=None)
