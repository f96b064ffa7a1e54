"""Which roles applications hold, now and at any instant before: by themselves, and by grants."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from access.models import WorkloadRole
from accounts.models import Role
from idp.models import Client, ClientRole


@dataclass(frozen=True, slots=True)
class WorkloadHolding:
    """That an application holds a role at an instant: standing, or elevated where grant_id says."""

    client_id: str
    role: Role
    grant_id: UUID | None
    starts_at: datetime
    ends_at: datetime | None


def workloads_have_what(*, organisation_id: UUID, at: datetime) -> list[WorkloadHolding]:
    """By application and role, those that are switched off left out: three statements."""
    then = (
        Q(ends_at=None) | Q(ends_at__gt=at),
        Q(ended_at=None) | Q(ended_at__gt=at),
        Q(starts_at__lte=at),
    )
    held = ClientRole.objects.within_id(organisation_id).filter(*then, client__is_active=True)
    given = WorkloadRole.objects.within_id(organisation_id).filter(*then)
    there = set(
        Client.objects.within_id(organisation_id)
        .filter(is_active=True, pk__in=given.values("workload_id"))
        .values_list("pk", flat=True)
    )
    found = [
        WorkloadHolding(each.client.client_id, each.role, None, each.starts_at, each.ends_at)
        for each in held.select_related("client", "role")
    ] + [
        WorkloadHolding(each.workload.name, each.role, each.grant_id, each.starts_at, each.ends_at)
        for each in given.select_related("workload", "role")
        if each.workload_id in there
    ]
    return sorted(found, key=lambda each: (each.client_id, each.role.name, str(each.grant_id)))
