"""What an administrator should look at, found by asking the rows: nothing is kept.

Standing privilege outside of just-in-time, eligibilities that nobody uses, people who have not been
here for long and hold privileges, access that is begun too often, emergencies that nobody has
reviewed. A fixed number of statements, whatever there is to tell.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Q

from access.limited import limits_of
from access.models import Eligibility, EntitlementRole, Grant
from accounts.limited import Resources
from accounts.models import GroupMember, RoleAssignment, User
from sessions.models import LoginSession

STALE_AFTER = timedelta(days=30)
UNUSED_AFTER = timedelta(days=90)
OFTEN_WITHIN = timedelta(days=7)
OFTEN = 10


class Kind(StrEnum):
    STANDING = "standing"  # a role that can be had for a time is held for good
    STALE = "stale"  # by somebody who has not been here for long
    UNUSED = "unused"  # somebody may ask for what they have not used for long
    OFTEN = "often"  # begun so often that it may be needed for good, or misused
    UNREVIEWED = "unreviewed"  # an emergency that nobody has looked at


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing about one person.

    what: the name of a role or an entitlement. since: from when on it is so, if that is known.
    resources: for which alone the entitlement gives its roles, or gave them; none for no limit.
    """

    kind: Kind
    user: User
    what: str
    since: datetime | None = None
    times: int = 0
    grant_id: UUID | None = None
    resources: Resources = ()


def alerts_of(*, organisation_id: UUID, now: datetime) -> list[Alert]:
    """By kind, then by person."""
    return [
        *_standing(organisation_id, now),
        *_unused(organisation_id, now),
        *_often(organisation_id, now),
        *_unreviewed(organisation_id),
    ]


def _standing(organisation_id: UUID, now: datetime) -> list[Alert]:
    """What an entitlement offers and somebody holds without an end; stale where they are away."""
    offered = EntitlementRole.objects.within_id(organisation_id).filter(
        role=OuterRef("role"), entitlement__is_active=True
    )
    rows = (
        RoleAssignment.unscoped.live(now)
        .standing()
        .filter(Exists(offered), organisation_id=organisation_id, user__is_active=True)
        .select_related("user", "role")
        .order_by("user__email", "role__name")
    )
    held: list[tuple[User, str, datetime | None]] = [
        (each.user, each.role.name, each.starts_at) for each in rows
    ]
    in_groups = GroupMember.objects.within_id(organisation_id).filter(
        group__grouprole__role__entitlements__is_active=True, user__is_active=True
    )
    users = User.objects.within_id(organisation_id).in_bulk(
        list(in_groups.values_list("user_id", flat=True))
    )
    held += [
        (users[user_id], role, None)
        for user_id, role in in_groups.values_list("user_id", "group__grouprole__role__name")
        .filter(group__grouprole__role__entitlements__is_active=True)
        .distinct()
        .order_by("user__email", "group__grouprole__role__name")
        if user_id in users
    ]
    seen = dict(
        LoginSession.objects.within_id(organisation_id)
        .filter(user__in=[user.pk for user, _, _ in held])
        .values_list("user_id")
        .annotate(last=Max("last_used_at"))
        .order_by()
    )
    alerts = []
    for user, role, since in held:
        alerts.append(Alert(Kind.STANDING, user, role, since))
        last = seen.get(user.pk, user.created_at)
        if now - last > STALE_AFTER:
            alerts.append(Alert(Kind.STALE, user, role, last))
    return sorted(alerts, key=lambda alert: (list(Kind).index(alert.kind), alert.user.email))


def _unused(organisation_id: UUID, now: datetime) -> list[Alert]:
    """Somebody named may ask for it, has been for long enough, and has not begun it since."""
    begun = Grant.objects.within_id(organisation_id).filter(
        entitlement=OuterRef("entitlement"),
        requester=OuterRef("user"),
        workload=None,
        activated_at__gt=now - UNUSED_AFTER,
    )
    rows = (
        Eligibility.unscoped.live(now)
        .filter(
            ~Exists(begun),
            organisation_id=organisation_id,
            user__is_active=True,
            starts_at__lte=now - UNUSED_AFTER,
            entitlement__is_active=True,
        )
        .select_related("user", "entitlement")
        .order_by("user__email", "entitlement__name")
    )
    return [
        Alert(
            Kind.UNUSED,
            each.user,
            each.entitlement.name,
            each.starts_at,
            resources=each.entitlement.resources,
        )
        for each in rows
        if each.user is not None
    ]


def _often(organisation_id: UUID, now: datetime) -> list[Alert]:
    rows = list(
        Grant.objects.within_id(organisation_id)
        .filter(activated_at__gt=now - OFTEN_WITHIN, workload=None)
        .values("requester_id", "entitlement__name", "entitlement__resources")
        .annotate(times=Count("pk"))
        .filter(times__gte=OFTEN)
        .order_by("requester__email", "entitlement__name")
    )
    users = User.objects.within_id(organisation_id).in_bulk([row["requester_id"] for row in rows])
    return [
        Alert(
            Kind.OFTEN,
            users[row["requester_id"]],
            row["entitlement__name"],
            now - OFTEN_WITHIN,
            row["times"],
            resources=row["entitlement__resources"],
        )
        for row in rows
    ]


def _unreviewed(organisation_id: UUID) -> list[Alert]:
    rows = list(
        Grant.objects.within_id(organisation_id)
        .filter(Q(reviewed_at=None), is_break_glass=True)
        .select_related("requester", "entitlement")
        .order_by("requested_at")
    )
    limits = limits_of(rows)
    return [
        Alert(
            Kind.UNREVIEWED,
            each.requester,
            each.entitlement.name,
            each.requested_at,
            grant_id=each.pk,
            resources=limits.get(each.pk, ()),
        )
        for each in rows
    ]
