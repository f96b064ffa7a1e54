"""What saving an entitlement would do: found out by doing it, and taking it back.

So nobody has to foresee it. For the page and the API alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from access import flows
from access.approvers import EVERYWHERE, MOST_NAMED, people_named, some_of, stages_of
from access.models import LIVE, Eligibility, Entitlement, Grant, Stage, State
from access.offers import Offer
from access.workloads import why_unfit
from accounts.models import Organisation, User
from core import clock


@dataclass(frozen=True, slots=True)
class StageSeen:
    """Who may answer at a stage: at once, and after escalating; and how many more may."""

    position: int
    approvers: Sequence[User]
    approvers_more: int
    escalation: Sequence[User] = ()
    escalation_more: int = 0


@dataclass
class Preview:
    """What saving would do. before, after: the terms as `describe` tells them, before none for new.

    askers, applications: who may ask, as it stands. unfit: why applications could not.
    """

    before: Any = None
    after: Any = None
    withdrawn: Sequence[Grant] = ()
    ended: Sequence[Grant] = ()
    suspended: Sequence[Grant] = ()
    kept: int = 0
    askers: Sequence[User] = ()
    askers_more: int = 0
    applications: Sequence[str] = ()
    unfit: str = ""
    stages: Sequence[StageSeen] = ()


def preview(
    *, entitlement: Entitlement | None, organisation: Organisation, name: str, offer: Offer,
    actor: User, describe: Callable[[Entitlement], Any],
) -> Preview:  # fmt: skip
    """Save it, look, and take it back. Refuses what saving refuses."""
    now = clock.now()
    with transaction.atomic():
        told = Preview()
        if entitlement is None:
            made = flows.create_entitlement(
                organisation=organisation, name=name, offer=offer, now=now, actor=actor
            )
        else:
            before = _states(entitlement)
            told.before = describe(entitlement)
            made = flows.update_entitlement(
                entitlement=entitlement, offer=offer, now=now, actor=actor
            )
            after = _states(made, before)
            moved = {key for key, state in after.items() if state != before[key]}
            rows = Grant.objects.within(organisation).select_related("requester")
            grants = list(rows.filter(pk__in=moved).order_by("requested_at"))
            told.withdrawn = [each for each in grants if each.state == State.CANCELLED]
            told.suspended = [each for each in grants if each.state == State.SUSPENDED]
            told.ended = [each for each in grants if each.state == State.REVOKED]
            told.kept = sum(after[key] in LIVE for key in after.keys() - moved)
        told.after = describe(made)
        askers = _askers(made)
        told.askers, told.askers_more = some_of(askers)
        told.applications = _applications(made)
        told.unfit = why_unfit(made) if told.applications else ""
        told.stages = [_see(stage, now) for stage in stages_of(made)]
        transaction.set_rollback(True)
    return told


def _see(stage: Stage, now: datetime) -> StageSeen:
    at_once = some_of(people_named(stage, is_escalated=False, now=now))
    if stage.escalate_after is None:
        return StageSeen(stage.position + 1, *at_once)
    later = some_of(people_named(stage, is_escalated=True, now=now))
    return StageSeen(stage.position + 1, *at_once, *later)


def _applications(entitlement: Entitlement) -> list[str]:
    live = Eligibility.unscoped.live(clock.now()).filter(entitlement=entitlement)
    names = live.exclude(workload=None).order_by("workload__name")
    return list(names.values_list("workload__name", flat=True)[:MOST_NAMED])


def _states(entitlement: Entitlement, keys: Any = None) -> dict[UUID, str]:
    """Of those that are open, or of these."""
    rows = Grant.objects.within_id(entitlement.organisation_id).filter(entitlement=entitlement)
    rows = rows.filter(ended_at=None) if keys is None else rows.filter(pk__in=list(keys))
    return dict(rows.values_list("pk", "state"))


def _askers(entitlement: Entitlement) -> "QuerySet[User]":
    now, organisation_id = clock.now(), entitlement.organisation_id
    if entitlement.is_publication:
        people = User.objects.within_id(organisation_id).filter(EVERYWHERE, is_active=True)
        return people.order_by("email")
    live = Eligibility.unscoped.live(now).filter(entitlement=entitlement)
    return (
        User.objects.within_id(organisation_id)
        .filter(
            Q(pk__in=live.exclude(user=None).values("user_id"))
            | Q(groupmember__group_id__in=live.exclude(group=None).values("group_id")),
            is_active=True,
        )
        .distinct()
        .order_by("email")
    )
