"""What somebody may ask for, and what would become of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q
from ninja import Query, Router, Schema

from access.approvers import eligibility_of
from access.explaining import Explanation, StageTold, explain
from access.models import Eligibility, Entitlement, EntitlementRole, Grant, Workload
from access.workloads import OnBehalf, may_act_for
from accounts.models import GroupMember, User
from console.api.door import Caller, Own, Request
from console.api.paging import Listing, Place
from console.api.shapes import seconds
from core.errors import Refusal

router = Router(auth=Own())


class Offer(Schema):
    """until: how long one may ask for it, none for always. Durations are whole seconds.

    grant: what was asked for already, or is had.
    """

    name: str
    description: str
    roles: list[str]
    until: datetime | None
    max_duration: int
    reason_required: bool
    ticket_required: bool
    required_acr: str
    max_age: int | None
    required_tier: int
    break_glass_duration: int | None
    grant: UUID | None


class Offers(Schema):
    items: list[Offer]
    next: str | None


class Rule(Schema):
    """name: as the policy of access calls it. words: what it asks, or what its failure means."""

    name: str
    passed: bool
    words: str


class Stage(Schema):
    """approvers: who may answer at once; escalation: who else, once it has taken that long."""

    position: int
    approvals_needed: int
    escalate_after: int | None
    auto_deny_after: int | None
    approvers: list[str]
    escalation: list[str]


class Explained(Schema):
    """outcome: the state that a request would be in, "" where it may not be made."""

    entitlement: str
    allowed: bool
    outcome: str
    rules: list[Rule]
    stages: list[Stage]


@router.get("/entitlements", response=Offers)
def list_offers(request: Request, place: Query[Place]) -> dict[str, Any]:
    """What the caller may ask for."""
    caller = request.auth
    listing = Listing("offers", caller.user.pk, place, caller.now, {})
    groups = GroupMember.objects.within_id(caller.organisation_id).filter(user=caller.user)
    lines = (
        Eligibility.unscoped.live(caller.now)
        .filter(organisation_id=caller.organisation_id)
        .filter(Q(user=caller.user) | Q(group_id__in=groups.values("group_id")))
    )
    offered = Entitlement.objects.within_id(caller.organisation_id).filter(
        is_active=True, pk__in=lines.values("entitlement_id")
    )
    return listing.page_of_all(offered, lambda found: offers_of(found, caller.user, caller.now))


@router.get("/entitlements/{slug:name}", response=Explained)
def explain_offer(request: Request, name: str) -> dict[str, Any]:
    """Every rule with what it asks and whether it passes, and who could approve."""
    caller = request.auth
    told = explain(
        entitlement=find_offer(caller.user, name, caller.now),
        user=caller.user,
        session_id=caller.session_id,
        now=caller.now,
    )
    return tell(told)


def find_behalf(caller: Caller, client_id: str | None) -> OnBehalf | None:
    """An application that this person may ask for. Any other does not exist for them."""
    if client_id is None:
        return None
    rows = Workload.objects.within_id(caller.organisation_id).select_related("responsible")
    workload = rows.filter(name=client_id).first()
    if workload is None or not may_act_for(caller.user, workload, caller.now):
        raise Refusal.not_found()
    return OnBehalf(workload)


def find_offer(user: User, name: str, now: datetime, behalf: OnBehalf | None = None) -> Entitlement:
    """One that this person, or their application, may ask for. No other exists for them."""
    workload = None if behalf is None else behalf.workload
    found = (
        Entitlement.objects.within_id(user.organisation_id)
        .filter(name=name, is_active=True)
        .first()
    )
    if found is None or eligibility_of(user, found, now, workload) is None:
        raise Refusal.not_found()
    return found


def tell(told: Explanation) -> dict[str, Any]:
    return {
        "entitlement": told.entitlement.name,
        "allowed": told.allowed,
        "outcome": told.outcome,
        "rules": [
            {"name": rule.name, "passed": rule.passed, "words": rule.words} for rule in told.rules
        ],
        "stages": [_stage(stage) for stage in told.stages],
    }


def offers_of(
    found: list[Entitlement], user: User, now: datetime, workload: Workload | None = None
) -> list[dict[str, Any]]:
    mine = Grant.unscoped.open().of(user, workload).filter(entitlement__in=found, extends=None)
    asked = {grant.entitlement_id: grant.pk for grant in mine}
    roles: dict[UUID, list[str]] = {each.pk: [] for each in found}
    rows = EntitlementRole.objects.within_id(user.organisation_id).filter(entitlement__in=found)
    for entitlement_id, name in rows.values_list("entitlement_id", "role__name"):
        roles[entitlement_id].append(name)
    return [
        {
            "name": each.name,
            "description": each.description,
            "roles": sorted(roles[each.pk]),
            "until": _until(user, each, now, workload),
            "max_duration": seconds(each.max_duration),
            "reason_required": each.reason_required,
            "ticket_required": bool(each.ticket_pattern or each.ticket_webhook),
            "required_acr": each.required_acr,
            "max_age": seconds(each.max_age),
            "required_tier": each.required_tier,
            "break_glass_duration": seconds(each.break_glass_duration),
            "grant": asked.get(each.pk),
        }
        for each in found
    ]


def _until(
    user: User, entitlement: Entitlement, now: datetime, workload: Workload | None
) -> datetime | None:
    eligible = eligibility_of(user, entitlement, now, workload)
    return None if eligible is None else eligible.ends_at


def _stage(stage: StageTold) -> dict[str, Any]:
    return {
        "position": stage.position,
        "approvals_needed": stage.approvals_needed,
        "escalate_after": seconds(stage.escalate_after),
        "auto_deny_after": seconds(stage.auto_deny_after),
        "approvers": [person.email for person in stage.approvers],
        "escalation": [person.email for person in stage.escalation],
    }
