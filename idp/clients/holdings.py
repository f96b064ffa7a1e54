"""Which roles applications held at an instant: by themselves, and by grants. A page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, Subquery

from access.holdings import Then
from access.models import EventKind, GrantEvent, WorkloadRole
from accounts.models import Role
from audit.events import Event
from audit.models import AuditEvent
from idp.models import Client, ClientRole

if TYPE_CHECKING:
    from django.db.models import QuerySet

_NIL = UUID(int=0)


class WorkloadKey(NamedTuple):
    """Where a list goes on, which goes by application, role and way."""

    client_pk: UUID = _NIL
    role_id: UUID = _NIL
    way: UUID = _NIL


@dataclass(frozen=True, slots=True)
class WorkloadHolding:
    """That an application held a role at an instant: standing, or elevated where grant_id says.

    client_pk, way: with the role, where a list of them is. is_suspended: it counted for nothing.
    """

    client_pk: UUID
    client_id: str
    role: Role
    way: UUID
    grant_id: UUID | None
    starts_at: datetime
    ends_at: datetime | None
    is_suspended: bool = False

    @property
    def key(self) -> WorkloadKey:
        return WorkloadKey(self.client_pk, self.role.pk, self.way)


def workloads_then(then: Then) -> "QuerySet[Client]":
    """The applications that held any of it, but for those that were switched off: to be sliced."""
    rows: QuerySet[Client] = Client.objects.within_id(then.organisation_id)
    standing = _standing(then).filter(client=OuterRef("pk"))
    elevated = _elevated(then).filter(workload=OuterRef("pk"))
    return rows.filter(
        Q(is_active=True) | Q(pk__in=_switched_off_since(then)),
        Exists(standing) | Exists(elevated),
        client_id__icontains=then.person.strip(),
    )


def workload_holdings_of(then: Then, clients: Sequence[Client]) -> list[WorkloadHolding]:
    """All that these applications held, by the name of the role: two statements."""
    found = _holdings(then, clients, WorkloadKey(), most=None)
    return sorted(found, key=lambda each: (each.role.name, each.way))


def workload_holdings_after(then: Then, *, after: WorkloadKey, most: int) -> list[WorkloadHolding]:
    """The next ones, in the order of the key: four statements."""
    clients = workloads_then(then).filter(pk__gte=after.client_pk).order_by("pk")[: most + 1]
    return _holdings(then, list(clients), after, most=most)


def _holdings(
    then: Then, clients: Sequence[Client], after: WorkloadKey, *, most: int | None
) -> list[WorkloadHolding]:
    names = {each.pk: each.client_id for each in clients}
    latest = (
        GrantEvent.objects.within_id(then.organisation_id)
        .filter(
            grant=OuterRef("grant"),
            at__lte=then.at,
            kind__in=[EventKind.SUSPENDED, EventKind.RESUMED],
        )
        .order_by("-id")
        .values("kind")[:1]
    )
    standing = _page(_standing(then).annotate(whose=F("client_id")), names, after, most)
    elevated = _page(
        _elevated(then).annotate(whose=F("workload_id"), turn=Subquery(latest)), names, after, most
    )
    found = [
        WorkloadHolding(
            each.whose,
            names[each.whose],
            each.role,
            each.pk,
            getattr(each, "grant_id", None),
            each.starts_at,
            each.ends_at,
            getattr(each, "turn", None) == EventKind.SUSPENDED,
        )
        for each in (*standing, *elevated)
    ]
    return sorted(found, key=lambda each: (each.client_pk, each.role.pk, each.way))[:most]


def _page(
    rows: "QuerySet[Any]", names: dict[UUID, str], after: WorkloadKey, most: int | None
) -> "QuerySet[Any]":
    beyond = (
        Q(whose__gt=after.client_pk)
        | Q(whose=after.client_pk, role_id__gt=after.role_id)
        | Q(whose=after.client_pk, role_id=after.role_id, pk__gt=after.way)
    )
    found = rows.filter(beyond, whose__in=names).select_related("role")
    return found.order_by("whose", "role_id", "pk")[:most]


def _standing(then: Then) -> "QuerySet[Any]":
    return _of(then, ClientRole.objects.within_id(then.organisation_id))


def _elevated(then: Then) -> "QuerySet[Any]":
    return _of(then, WorkloadRole.objects.within_id(then.organisation_id))


def _of(then: Then, rows: "QuerySet[Any]") -> "QuerySet[Any]":
    held = rows.filter(
        Q(ends_at=None) | Q(ends_at__gt=then.at),
        Q(ended_at=None) | Q(ended_at__gt=then.at),
        starts_at__lte=then.at,
    )
    return held.filter(role__name=then.role) if then.role else held


def _switched_off_since(then: Then) -> list[UUID]:
    """Those that were on then, as audit has it: nothing switches one on again."""
    events = AuditEvent.objects.filter(
        organisation_id=then.organisation_id, event=Event.CLIENT_DEACTIVATED, at__gt=then.at
    )
    return [UUID(each.partition(":")[2]) for each in events.values_list("subject", flat=True)]
