"""Applications that act for themselves: what they may ask for, and who answers for them.

Each has somebody who is **responsible**: that person stands for it as the requester, so that nobody
approves what their own application asks for. Nor does anybody who has had its keys in hands: who
registered it, gave it a new secret, or changed how it proves who it is, as audit tells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, TextField, Value
from django.db.models.functions import Cast, Concat

from access.administering import may_administer
from access.models import (
    Entitlement,
    EntitlementRole,
    Grant,
    Workload,
    WorkloadCondition,
    WorkloadRole,
)
from accounts.flows import Condition, find_lock
from accounts.models import LockTarget, Role, User
from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from core.errors import Refusal

if TYPE_CHECKING:
    from django.db import models

CLIENT = "idp.Client:"  # how audit refers to it
# Changes by which somebody gets to know, or to set, how an application proves who it is.
KEYS = ("metadata", "token_endpoint_auth_method")
HAD_KEYS = Q(event__in=[Event.CLIENT_REGISTERED, Event.CLIENT_SECRET_ROTATED]) | Q(
    event=Event.CLIENT_UPDATED, facts__changed__has_any_keys=KEYS
)


@dataclass(frozen=True, slots=True)
class OnBehalf:
    """For which workload somebody acts.

    by_itself: it does so itself, by a token of its own, from `address`; else a person does.
    """

    workload: Workload
    by_itself: bool = False
    address: str | None = None

    def actor(self, requester: User) -> User | str:
        """Whom the timeline and audit name."""
        return f"{CLIENT}{self.workload.pk}" if self.by_itself else requester


def subject_of(grant: Grant) -> str:
    """Whose roles these are, as audit refers to them."""
    if grant.workload_id is not None:
        return f"{CLIENT}{grant.workload_id}"
    return f"accounts.User:{grant.requester_id}"


# --- what may be asked for ------------------------------------------------------------------------


def why_unfit(entitlement: Entitlement, roles: Iterable[EntitlementRole] | None = None) -> str:
    """Why a workload cannot have it, in a sentence; "" where it can.

    It has no sign-in, no device and no factor: what asks for one of them cannot be met.
    """
    lines = _roles_of(entitlement) if roles is None else roles
    asks = [
        words
        for words, is_asked in (
            ("counts only in the sign-in that begins it", entitlement.binds_session),
            ("counts only on the device that begins it", entitlement.binds_device),
            ("asks for a level of sign-in", bool(entitlement.required_acr)),
            ("asks for a recent sign-in", entitlement.max_age is not None),
            ("asks for a device that is trusted", entitlement.required_tier > 0),
            ("counts for some resources alone", bool(entitlement.resources)),
            (
                "gives a role that is for people",
                any(each.role.required_acr or each.role.required_tier for each in lines),
            ),
        )
        if is_asked
    ]
    if not asks:
        return ""
    return f"This is for people, not for applications: it {', and '.join(asks)}."


def demand_fit(entitlement: Entitlement) -> None:
    """Refuses not_allowed where a workload can never have it."""
    against = why_unfit(entitlement)
    if against:
        raise Refusal.not_allowed(against)


def _roles_of(entitlement: Entitlement) -> "models.QuerySet[EntitlementRole]":
    rows = EntitlementRole.objects.within_id(entitlement.organisation_id)
    return rows.filter(entitlement=entitlement).select_related("role")


# --- who stands for it ----------------------------------------------------------------------------


def may_act_for(user: User, workload: Workload, now: datetime) -> bool:
    """Whether this person may ask for it: who is responsible, or an administrator by standing."""
    if user.organisation_id != workload.organisation_id or not user.is_active:
        return False
    return user.pk == workload.responsible_id or may_administer(
        user, workload.organisation_id, now=now
    )


def demand_behalf(behalf: OnBehalf | None, requester: User, now: datetime) -> None:
    """Refuses not_found and not_allowed where this person does not stand for the workload."""
    if behalf is None:
        return
    workload = behalf.workload
    if workload.organisation_id != requester.organisation_id:
        raise Refusal.not_found()
    if behalf.by_itself:
        if requester.pk != workload.responsible_id:
            raise Refusal.not_found()
    elif not may_act_for(requester, workload, now):
        raise Refusal.not_allowed("Only who is responsible for it, and administrators, do that.")


def stands_for(user: User, grant: Grant, behalf: OnBehalf | None) -> bool:
    """Whether a grant is this one's to begin, to extend and to give back."""
    workload = grant.workload
    if behalf is not None and behalf.by_itself:
        return workload is not None and workload.pk == behalf.workload.pk
    if grant.requester_id == user.pk:
        return True
    return workload is not None and workload.responsible_id == user.pk


def keepers_among(people: "models.QuerySet[User]", workload: Workload) -> set[UUID]:
    """The persons of these who are responsible for it or have had its keys: two statements."""
    of = workload.organisation_id
    accounts = User.objects.within_id(of).filter(person_id__in=people.values("person_id"))
    persons = {ref(each): each.person_id for each in accounts}
    kept = AuditEvent.objects.filter(
        HAD_KEYS, actor__in=list(persons), subject=f"{CLIENT}{workload.pk}"
    )
    found = {persons[actor] for actor in kept.values_list("actor", flat=True)}
    return found | {workload.responsible.person_id}


def answers_for(user: User, workload: Workload | None) -> bool:
    """Whether this person, by whatever account, is responsible for it or has had its keys."""
    if workload is None:
        return False
    me = User.objects.within_id(user.organisation_id).filter(pk=user.pk)
    return user.person_id in keepers_among(me, workload)


def kept_by(user: User) -> "Exists":
    """A condition on grants: whether they are for a workload whose keys this account has had."""
    kept = AuditEvent.objects.filter(
        HAD_KEYS,
        actor=ref(user),
        subject=Concat(Value(CLIENT), Cast(OuterRef("workload_id"), TextField())),
    )
    return Exists(kept)


def is_locked(workload: Workload, now: datetime) -> bool:
    """Whether it, or who is responsible for it, is locked."""
    targets = {
        LockTarget.CLIENT: workload.name,
        LockTarget.USER: str(workload.responsible_id),
    }
    of = workload.organisation_id
    return find_lock(organisation_id=of, targets=targets, now=now) is not None


def is_there(workload: Workload) -> bool:
    """Whether it is in use, and somebody is there who answers for it."""
    return workload.ended_at is None and workload.responsible.is_active


# --- its roles ------------------------------------------------------------------------------------


def elevate(
    *,
    grant: Grant,
    roles: Sequence[Role],
    ends_at: datetime,
    address: str | None,
    conditions: Sequence[Condition],
    now: datetime,
    rules: Mapping[str, Any] | None = None,
) -> None:
    """Let the workload hold these roles from now on. A second time is an IntegrityError.

    rules: what has to hold at each use (`WorkloadRole.rules`).
    """
    workload = grant.workload
    assert workload is not None  # noqa: S101 - of whose grant this is
    made = WorkloadRole.unscoped.bulk_create(
        WorkloadRole(
            organisation_id=grant.organisation_id,
            grant=grant,
            workload=workload,
            role=role,
            starts_at=now,
            ends_at=ends_at,
            address=address,
            rules=None if rules is None else dict(rules),
        )
        for role in roles
    )
    WorkloadCondition.unscoped.bulk_create(
        WorkloadCondition(
            organisation_id=grant.organisation_id,
            workload_role=each,
            user_id=condition.user_id,
            group_id=condition.group_id,
            role_id=condition.role_id,
        )
        for each in made
        for condition in conditions
    )


def end_elevation(*, grant_id: UUID, now: datetime) -> int:
    """Take the roles back; returns how many. What has ended stays ended."""
    return _of_grant(grant_id).update(ended_at=now)


def suspend_elevation(*, grant_id: UUID, now: datetime) -> int:
    return _of_grant(grant_id).filter(suspended_at=None).update(suspended_at=now)


def narrow_elevation(*, grant_id: UUID, rules: Mapping[str, Any]) -> int:
    return _of_grant(grant_id).update(rules=dict(rules))


def resume_elevation(*, grant_id: UUID) -> int:
    return _of_grant(grant_id).exclude(suspended_at=None).update(suspended_at=None)


def _of_grant(grant_id: UUID) -> "models.QuerySet[WorkloadRole]":
    return WorkloadRole.unscoped.filter(grant_id=grant_id, ended_at=None)
