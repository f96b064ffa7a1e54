"""What somebody may ask for, and what would become of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Query, Router, Schema

from access import asking, shown
from access.explaining import Explanation, StageTold, explain
from access.models import Entitlement, EntitlementRole, Grant, Workload
from access.workloads import OnBehalf
from accounts.models import User
from console.api.door import Caller, Own, Request
from console.api.paging import Listing, Place
from console.api.shapes import NamedResource, seconds
from core.errors import Refusal

router = Router(auth=Own())


class Offer(Schema):
    """until: how long one may ask for it, none for always. Durations are whole seconds.

    resources: for which alone its roles count, none for all that they reach.
    grant: what was asked for already, or is had.
    """

    name: str
    description: str
    roles: list[str]
    resources: list[NamedResource] | None
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


class OwnOffer(Offer):
    """starts_at: from when on one may ask for it, where that is ahead.

    against: why it may not be asked for now, in sentences; asks_step_up: nothing but a stronger or
    fresher sign-in is missing. asks_nobody: nobody has to approve it.
    """

    starts_at: datetime | None
    asks_nobody: bool
    against: list[str]
    asks_step_up: bool


class OwnOffers(Schema):
    items: list[OwnOffer]
    next: str | None


class Rule(Schema):
    """name: as the policy of access calls it. words: what it asks, or what its failure means.

    mark: good; todo, for the request to say; proof, for a stronger or fresher sign-in; or bad.
    """

    name: str
    passed: bool
    mark: str
    words: str


class Stage(Schema):
    """approvers: who may answer at once; escalation: who else, once it has taken that long.

    Of each fifty at most; …_more: how many besides.
    """

    position: int
    approvals_needed: int
    escalate_after: int | None
    auto_deny_after: int | None
    approvers: list[str]
    approvers_more: int
    escalation: list[str]
    escalation_more: int


class Explained(Schema):
    """outcome: the state that a request would be in, "" where it may not be made.

    resources: for which alone its roles would count, none for all that they reach.
    """

    entitlement: str
    resources: list[NamedResource] | None
    allowed: bool
    outcome: str
    rules: list[Rule]
    stages: list[Stage]


@router.get("/entitlements", response=OwnOffers)
def list_offers(request: Request, place: Query[Place]) -> dict[str, Any]:
    """What the caller may ask for, and why some of it not now."""
    caller = request.auth
    listing = Listing("offers", caller.user.pk, place, caller.now, {})
    return listing.page_of_all(
        asking.offered_to(caller.user, caller.now),
        lambda found: [
            _offer(choice)
            for choice in asking.choices_among(
                found, caller.user, session_id=caller.session_id, now=caller.now
            )
        ],
    )


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
    workload = asking.find_workload(caller.user, client_id, caller.now)
    if workload is None:
        raise Refusal.not_found()
    return OnBehalf(workload)


def find_offer(user: User, name: str, now: datetime, behalf: OnBehalf | None = None) -> Entitlement:
    """One that this person, or their application, may ask for. No other exists for them."""
    workload = None if behalf is None else behalf.workload
    found = asking.find_entitlement(user, name, now, workload)
    if found is None:
        raise Refusal.not_found()
    return found


def tell(told: Explanation) -> dict[str, Any]:
    return {
        "entitlement": told.entitlement.name,
        "resources": told.entitlement.resources or None,
        "allowed": told.allowed,
        "outcome": told.outcome,
        "rules": [
            {
                "name": rule.name,
                "passed": rule.mark == "good",
                "mark": rule.mark,
                "words": rule.words,
            }
            for rule in shown.rules_of(told.rules)
        ],
        "stages": [_stage(stage) for stage in told.stages],
    }


def offers_of(found: list[Entitlement], workload: Workload, now: datetime) -> list[dict[str, Any]]:
    """The same for an application that acts for itself, which no sign-in stands behind."""
    responsible = workload.responsible
    mine = Grant.unscoped.going_on(now).of(responsible, workload).filter(extends=None)
    asked = {grant.entitlement_id: grant.pk for grant in mine}
    roles: dict[UUID, list[str]] = {each.pk: [] for each in found}
    rows = EntitlementRole.objects.within_id(workload.organisation_id).filter(entitlement__in=found)
    for entitlement_id, name in rows.values_list("entitlement_id", "role__name"):
        roles[entitlement_id].append(name)
    lines = asking.eligibilities_of(responsible, now, workload)
    return [
        _terms(each)
        | {
            "roles": sorted(roles[each.pk]),
            "until": lines[each.pk][1],
            "grant": asked.get(each.pk),
        }
        for each in found
    ]


def _offer(choice: asking.Choice) -> dict[str, Any]:
    return _terms(choice.entitlement) | {
        "roles": list(choice.role_names),
        "starts_at": choice.starts_at,
        "until": choice.ends_at,
        "asks_nobody": choice.asks_nobody,
        "against": list(choice.against),
        "asks_step_up": choice.asks_step_up,
        "grant": None if choice.open is None else choice.open.pk,
    }


def _terms(entitlement: Entitlement) -> dict[str, Any]:
    return {
        "name": entitlement.name,
        "description": entitlement.description,
        "resources": entitlement.resources or None,
        "max_duration": seconds(entitlement.max_duration),
        "reason_required": entitlement.reason_required,
        "ticket_required": bool(entitlement.ticket_pattern or entitlement.ticket_webhook),
        "required_acr": entitlement.required_acr,
        "max_age": seconds(entitlement.max_age),
        "required_tier": entitlement.required_tier,
        "break_glass_duration": seconds(entitlement.break_glass_duration),
    }


def _stage(stage: StageTold) -> dict[str, Any]:
    return {
        "position": stage.position,
        "approvals_needed": stage.approvals_needed,
        "escalate_after": seconds(stage.escalate_after),
        "auto_deny_after": seconds(stage.auto_deny_after),
        "approvers": [person.email for person in stage.approvers],
        "approvers_more": stage.approvers_more,
        "escalation": [person.email for person in stage.escalation],
        "escalation_more": stage.escalation_more,
    }
