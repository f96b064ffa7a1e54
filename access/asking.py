"""What a person has, and may ask for: each function by a bounded number of statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import (
    Count,
    Prefetch,
    Q,
    QuerySet,
)

from access.approvers import FOREVER, standing_of
from access.conditions import failing_in
from access.judging import (
    acting,
    condition_holds,
    facts_of_entitlement,
    facts_of_requester,
    left,
    request_document,
)
from access.limited import limits_of
from access.models import (
    Eligibility,
    Entitlement,
    EntitlementRole,
    Grant,
    Kind,
    State,
    Workload,
)
from access.terms import seconds
from access.words import told
from access.workloads import may_act_for
from accounts.flows import held_roles
from accounts.limited import Resources
from accounts.models import GroupMember, RoleAssignment, User
from devices.models import Device
from policy import engine
from policy.access import AccessFacts, Action, RequestFacts, Ticket
from policy.journal import About
from sessions.models import LoginSession

MANY = 100


# --- one's own ------------------------------------------------------------------------------------


def live_of(user: User, now: datetime) -> "QuerySet[Grant]":
    """What a person has by a grant, suspended or not; what ends first comes first."""
    mine: QuerySet[Grant] = Grant.unscoped.live(now).of(user)
    return mine.order_by("ends_at", "pk")


def waiting_of(user: User, now: datetime) -> "QuerySet[Grant]":
    mine: QuerySet[Grant] = Grant.unscoped.waiting(now).of(user)
    return mine.order_by("requested_at", "pk")


def extendable(user: User, now: datetime) -> "QuerySet[Grant]":
    """What is live of a person, and of applications that they answer for."""
    rows = Grant.objects.within_id(user.organisation_id).select_related("entitlement", "workload")
    mine = Grant.unscoped.live(now).filter(Q(requester=user) | Q(workload__responsible=user))
    return rows.filter(pk__in=mine.values("pk"))


def extension_of(grant: Grant, now: datetime) -> Grant | None:
    """The request to have it for longer that waits, if one does."""
    waits: Grant | None = Grant.unscoped.waiting(now).filter(extends=grant).first()
    return waits


def history_of(user: User, now: datetime) -> "QuerySet[Grant]":
    """What is over, the latest first, whether or not that is written down yet."""
    mine: QuerySet[Grant] = Grant.unscoped.of(user).filter(organisation_id=user.organisation_id)
    going_on = Grant.unscoped.going_on(now).of(user)
    return mine.exclude(pk__in=going_on.values("pk")).order_by("-requested_at", "-pk")


def standing_assignments(user: User, now: datetime) -> list[RoleAssignment]:
    """Roles that no grant made, by name."""
    return [held for held in held_roles(user=user, now=now) if held.grant_id is None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a grant counts, None where it is bound to none. is_here: in the session that asks.

    resources: for which alone, `{type, id}` each; none: for all that its roles reach. rests: by a
    condition that does not hold in the session that asks.
    """

    session: LoginSession | None
    device: Device | None
    address: str | None
    is_here: bool
    resources: Resources = ()
    rests: bool = False


def places_of(
    grants: Iterable[Grant], *, session_id: UUID | None, now: datetime
) -> dict[UUID, Place]:
    """Where each of these grants counts: four statements, and more where some have conditions."""
    grants = list(grants)
    if not grants:
        return {}
    organisation_id = grants[0].organisation_id
    sessions = {
        session.pk: session
        for session in LoginSession.objects.within_id(organisation_id)
        .filter(pk__in={grant.session_id for grant in grants if grant.session_id})
        .select_related("browser")
    }
    devices = Device.objects.within_id(organisation_id).in_bulk(
        {grant.device_id for grant in grants if grant.device_id}
    )
    limits = limits_of(grants)
    resting = resting_in(grants, session_id=session_id, now=now)
    return {
        grant.pk: Place(
            session=sessions.get(grant.session_id)
            if grant.session_id and grant.terms["binds_session"]
            else None,
            device=devices.get(grant.device_id)
            if grant.device_id and grant.terms["binds_device"]
            else None,
            address=grant.address if grant.terms["binds_network"] else None,
            is_here=counts_in(grant, session_id),
            resources=limits.get(grant.pk) or (),
            rests=grant.pk in resting,
        )
        for grant in grants
    }


def counts_in(grant: Grant, session_id: UUID | None) -> bool:
    """Whether it counts in this session, while it is live."""
    return not grant.terms["binds_session"] or grant.session_id == session_id


def resting_in(
    grants: Iterable[Grant], *, session_id: UUID | None, now: datetime
) -> frozenset[UUID]:
    """Those that are active and could count in this session of their owner, but for a condition.

    One statement, and more only where any has a condition.
    """
    active = [each for each in grants if each.state == State.ACTIVE]
    if session_id is None or not active:
        return frozenset()
    of = active[0].organisation_id
    kept: dict[Any, Any] = dict(
        RoleAssignment.objects.within_id(of)
        .filter(grant_id__in=[each.pk for each in active], rules__isnull=False)
        .values_list("grant_id", "rules")
    )
    sessions = LoginSession.objects.within_id(of).select_related("browser__device")
    here = sessions.filter(pk=session_id).first() if kept else None
    if here is None:
        return frozenset()
    return frozenset(
        each.pk
        for each in active
        if each.pk in kept
        and each.requester_id == here.user_id
        and counts_in(each, session_id)
        and failing_in(each, kept[each.pk], here, now)
    )


# --- what may be asked for ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """Something that a person is eligible for. against: why not now, in sentences, none if so.

    asks_step_up: nothing but a stronger or fresher sign-in is missing. open: what was asked for
    already, or is had. starts_at: from when on, where that is ahead.
    """

    entitlement: Entitlement
    role_names: Sequence[str]
    asks_nobody: bool
    against: Sequence[str]
    asks_step_up: bool
    open: Grant | None
    starts_at: datetime | None
    ends_at: datetime | None


def choices_of(user: User, *, session_id: UUID | None, now: datetime) -> list[Choice]:
    """What a person may ask for, and why some of it not now; what can be asked for comes first.

    As if for the longest time, with a reason and a good ticket: those are the form's to ask.
    """
    choices = choices_among(
        list(offered_to(user, now).order_by("name")[:MANY]), user, session_id=session_id, now=now
    )
    return sorted(
        choices,
        key=lambda each: (
            each.open is not None,
            each.starts_at is not None,
            bool(each.against) and not each.asks_step_up,
        ),
    )


def offered_to(user: User, now: datetime) -> "QuerySet[Entitlement]":
    """What a person may ask for, now or from some time on, with its roles."""
    offered: QuerySet[Entitlement] = Entitlement.objects.within_id(user.organisation_id).filter(
        pk__in=_lines(user, now).values("entitlement_id"), is_active=True, kind=Kind.ROLES
    )
    return offered.annotate(stage_count=Count("stages")).prefetch_related(
        _with_roles(user.organisation_id)
    )


def choices_among(
    entitlements: Sequence[Entitlement], user: User, *, session_id: UUID | None, now: datetime
) -> list[Choice]:
    """The same of these, which are offered, as they come."""
    if not entitlements:
        return []
    lines = eligibilities_of(user, now)
    standing, session = standing_of(user, now), acting(user=user, session_id=session_id, now=now)
    person = facts_of_requester(user, None, now)
    pending = waiting_of(user, now).filter(extends=None)
    taken = {grant.entitlement_id: grant for grant in (*pending, *live_of(user, now))}
    choices, active = [], engine.active()
    for entitlement in entitlements:
        starts_at, ends_at = lines[entitlement.pk]
        names = [each.role.name for each in entitlement.entitlement_roles.all()]
        terms: dict[str, Any] = {
            "reason": "", "ticket": "", "roles": [{"name": name} for name in names],
            "duration": seconds(entitlement.max_duration),
        }  # fmt: skip
        holds = condition_holds(
            [entitlement.condition], standing=standing, user=user,
            request=request_document(terms, 0), session=session, now=now,
        )  # fmt: skip
        verdict = engine.permit(
            AccessFacts(
                action=Action.REQUEST,
                entitlement=facts_of_entitlement(entitlement, condition_holds=holds),
                requester=replace(
                    person,
                    eligible_for=0 if starts_at > now else left((ends_at or now + FOREVER) - now),
                ),
                session=session.facts,
                request=RequestFacts(
                    duration=terms["duration"],
                    has_reason=True,
                    ticket=Ticket.GOOD,
                    has_open=entitlement.pk in taken,
                ),
            ),
            active=active,
            about=About(user.pk, session.session_id),
        )
        choices.append(
            Choice(
                entitlement=entitlement,
                role_names=names,
                asks_nobody=not entitlement.stage_count,  # type: ignore[attr-defined]
                against=[told(reason, passed=False) for reason in verdict.reasons],
                asks_step_up=verdict.asks_step_up,
                open=taken.get(entitlement.pk),
                starts_at=starts_at if starts_at > now else None,
                ends_at=ends_at,
            )
        )
    return choices


def eligibilities_of(
    user: User, now: datetime, workload: Workload | None = None
) -> dict[UUID, tuple[datetime, datetime | None]]:
    """By entitlement: from when until when, of the line that begins first and lasts longest."""
    found: dict[UUID, tuple[datetime, datetime | None]] = {}
    worst_first = sorted(
        _lines(user, now, workload),
        key=lambda line: (line.starts_at <= now, line.ends_at is None, line.ends_at or now),
    )
    for line in worst_first:
        found[line.entitlement_id] = (line.starts_at, line.ends_at)
    return found


def _lines(user: User, now: datetime, workload: Workload | None = None) -> "QuerySet[Eligibility]":
    """By name or by a group, from now or from some time on; of a workload by name."""
    groups = GroupMember.objects.within_id(user.organisation_id).filter(user=user)
    person = Q(user=user) | Q(group_id__in=groups.values("group_id"))
    mine: QuerySet[Eligibility] = Eligibility.objects.within_id(user.organisation_id).filter(
        person if workload is None else Q(workload=workload)
    )
    return mine.filter(Q(ends_at=None) | Q(ends_at__gt=now), ended_at=None)


def _with_roles(organisation_id: UUID) -> "Prefetch[Any]":
    rows = EntitlementRole.objects.within_id(organisation_id).select_related("role")
    return Prefetch("entitlement_roles", queryset=rows.order_by("role__name"))


def find_entitlement(
    user: User, name: str, now: datetime, workload: Workload | None = None
) -> Entitlement | None:
    """One that this person, or a workload, may ask for by now; any other does not exist."""
    mine = _lines(user, now, workload).filter(starts_at__lte=now)
    found: Entitlement | None = (
        Entitlement.objects.within_id(user.organisation_id)
        .filter(name=name, is_active=True, kind=Kind.ROLES, pk__in=mine.values("entitlement_id"))
        .prefetch_related(_with_roles(user.organisation_id))
        .first()
    )
    return found


# --- applications that act for themselves ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Application:
    """One that a person answers for, with what it has or waits for, and what else it may have."""

    workload: Workload
    grants: Sequence[Grant]
    offers: Sequence[Entitlement]


def find_workload(user: User, client_id: str, now: datetime) -> Workload | None:
    """One that this person may ask for; any other does not exist."""
    rows = Workload.objects.within_id(user.organisation_id).filter(name=client_id, ended_at=None)
    found: Workload | None = rows.select_related("responsible").first()
    return found if found is not None and may_act_for(user, found, now) else None


def applications_of(user: User, now: datetime) -> list[Application]:
    """Those that a person is responsible for, by name: three statements."""
    mine = list(
        Workload.objects.within_id(user.organisation_id)
        .filter(responsible=user, ended_at=None)
        .order_by("name")[:MANY]
    )
    if not mine:
        return []
    grants: dict[UUID, list[Grant]] = {each.pk: [] for each in mine}
    going_on = Grant.unscoped.going_on(now).filter(workload__in=mine)
    for grant in going_on.order_by("requested_at"):
        if grant.workload_id is not None:
            grants[grant.workload_id].append(grant)
    offers: dict[UUID, list[Entitlement]] = {each.pk: [] for each in mine}
    lines = Eligibility.unscoped.live(now).filter(workload__in=mine, entitlement__is_active=True)
    for line in lines.select_related("entitlement").order_by("entitlement__name"):
        whose: Any = line.workload_id
        if line.entitlement_id not in {grant.entitlement_id for grant in grants[whose]}:
            offers[whose].append(line.entitlement)
    return [Application(each, grants[each.pk], offers[each.pk]) for each in mine]
