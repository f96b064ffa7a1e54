"""What may be asked for, and on what terms."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import Field

from access import flows, offers
from access.approvers import stages_of
from access.flows.requests import roles_of
from access.models import Entitlement
from access.tickets import secret_to_tell
from accounts.models import Group, Role, User
from console.api.door import Administration, Administrator, AdministratorCaller
from console.api.lookup import maybe, one, within
from console.api.paging import Place
from console.api.shapes import Did, Flag, Name, Seconds, Sent, Whole, Whose, duration, seconds
from console.previewing import preview

router = Router(auth=Administrator())

HOUR = 3600
DAY = 24 * HOUR
Text = Annotated[str, Field(max_length=2000)]
Few = Annotated[list[UUID], Field(max_length=50)]


class Approver(Sent):
    """Exactly one of user, group, role and administrators (of every organisation).

    is_escalation: only once the stage has escalated.
    """

    user: UUID | None = None
    group: UUID | None = None
    role: UUID | None = None
    administrators: Flag = False
    is_escalation: Flag = False


class StageTerms(Sent):
    approvers: Annotated[list[Approver], Field(max_length=50)]
    approvals_needed: Whole = 1
    escalate_after: Seconds | None = None
    auto_deny_after: Seconds | None = None


class Threshold(Sent):
    """filter: the body of a Rego rule over `reviewer`, `approval` and `request`."""

    approve: Whole = 1
    deny: Whole = 1
    filter: Text = ""


class ResourceToName(Sent):
    """As AuthZEN names one: it need not be registered."""

    type: Annotated[str, Field(max_length=128)]
    id: Annotated[str, Field(max_length=255)]


class EntitlementTerms(Sent):
    """All of the terms: what is left out is as for a new entitlement. Durations: whole seconds.

    resources: to what the roles are limited. condition: the body of a Rego rule. kind: never
    changed; one of kind publication has no roles, and is for administrators of every organisation.
    """

    kind: Literal["roles", "publication"] = "roles"
    roles: Few
    stages: Annotated[list[StageTerms], Field(max_length=5)] = []
    description: Annotated[str, Field(max_length=200)] = ""
    max_duration: Seconds = 8 * HOUR
    max_pending: Seconds = HOUR
    activation_window: Seconds = 8 * HOUR
    start_horizon: Seconds = 7 * DAY
    approval_window: Seconds = 0
    required_acr: Literal["", "aal1", "aal2", "phr", "phrh"] = ""
    max_age: Seconds | None = None
    required_tier: Whole = 0
    reason_required: Flag = True
    approver_reason_required: Flag = False
    ticket_pattern: Annotated[str, Field(max_length=200)] = ""
    ticket_webhook: Annotated[str, Field(max_length=500)] = ""
    binds_session: Flag = True
    binds_device: Flag = True
    binds_network: Flag = False
    resources: Annotated[list[ResourceToName], Field(max_length=50)] = []
    condition: Text = ""
    thresholds: Annotated[list[Threshold], Field(max_length=10)] = []
    break_glass_duration: Seconds | None = None
    break_glass_roles: Few = []


class NewEntitlement(EntitlementTerms):
    name: Name


class EntitlementTold(NewEntitlement):
    """version: raised by each edit of the terms."""

    id: UUID
    organisation: Whose
    is_active: bool
    version: int
    created_at: datetime
    changed_at: datetime


class GrantMoved(Schema):
    """until: of what is live."""

    id: UUID
    requester: str
    until: datetime | None


class StagePeople(Schema):
    """approvers, escalation: fifty at most; …_more: how many besides."""

    position: int
    approvers: list[str]
    approvers_more: int
    escalation: list[str]
    escalation_more: int


class Previewed(Schema):
    """What saving would do. changed: members that would be others, none for a new entitlement.

    withdrawn, ended, suspended: what waits or is live; kept: how many live ones would go on.
    askers: who may ask, fifty at most; askers_more: how many besides.
    """

    changed: list[str]
    withdrawn: list[GrantMoved]
    ended: list[GrantMoved]
    suspended: list[GrantMoved]
    kept: int
    askers: list[str]
    askers_more: int
    stages: list[StagePeople]


class EntitlementSet(EntitlementTold):
    """ticket_secret: what questions to ticket_webhook are signed with (Standard Webhooks).

    It is made with the first address, and told then; None at any other time.
    """

    ticket_secret: str | None


class EntitlementPage(Schema):
    items: list[EntitlementTold]
    next: str | None


@router.get("", response=EntitlementPage)
def list_entitlements(request: Administration, place: Query[Place]) -> dict[str, Any]:
    """Every entitlement, retired ones too."""
    caller = request.auth
    listing = caller.listing("entitlements", place)
    return listing.page(within(Entitlement, caller), show)


@router.post("", response={201: EntitlementSet})
def create_entitlement(request: Administration, wish: NewEntitlement) -> Status[Any]:
    """Offer roles on terms. Rules that do not compile are refused with their line."""
    caller = request.auth
    made = flows.create_entitlement(
        organisation=caller.organisation,
        name=wish.name,
        offer=_offer(wish, caller),
        now=caller.now,
        actor=caller.user,
    )
    return Status(201, show(made) | {"ticket_secret": secret_to_tell(None, made)})


@router.get("/{uuid:entitlement_id}", response=EntitlementTold)
def read_entitlement(request: Administration, entitlement_id: UUID) -> dict[str, Any]:
    """One entitlement with all of its terms."""
    return show(one(Entitlement, request.auth, entitlement_id))


@router.put("/{uuid:entitlement_id}", response=EntitlementSet)
def update_entitlement(
    request: Administration, entitlement_id: UUID, wish: EntitlementTerms
) -> dict[str, Any]:
    """Set the terms anew, all of them. What waits is withdrawn, what is live is never widened."""
    caller = request.auth
    before = one(Entitlement, caller, entitlement_id)
    changed = flows.update_entitlement(
        entitlement=before,
        offer=_offer(wish, caller),
        now=caller.now,
        actor=caller.user,
    )
    return show(changed) | {"ticket_secret": secret_to_tell(before, changed)}


@router.post("/preview", response=Previewed)
def preview_new_entitlement(request: Administration, wish: NewEntitlement) -> dict[str, Any]:
    """What offering it would do; nothing is kept, and what cannot be offered is refused."""
    return _preview(request.auth, wish, name=wish.name)


@router.post("/{uuid:entitlement_id}/preview", response=Previewed)
def preview_entitlement(
    request: Administration, entitlement_id: UUID, wish: EntitlementTerms
) -> dict[str, Any]:
    """What setting the terms anew would do; nothing is kept."""
    caller = request.auth
    return _preview(caller, wish, entitlement=one(Entitlement, caller, entitlement_id))


@router.post("/{uuid:entitlement_id}/retire", response=Did)
def retire_entitlement(request: Administration, entitlement_id: UUID) -> dict[str, Any]:
    """Offer it no more, and take away what was given by it."""
    caller = request.auth
    entitlement = one(Entitlement, caller, entitlement_id)
    did = flows.retire_entitlement(entitlement=entitlement, now=caller.now, actor=caller.user)
    return {"did": did}


def _preview(
    caller: AdministratorCaller,
    wish: EntitlementTerms,
    *,
    entitlement: Entitlement | None = None,
    name: str = "",
) -> dict[str, Any]:
    told = preview(
        entitlement=entitlement,
        organisation=caller.organisation,
        name=name,
        offer=_offer(wish, caller),
        actor=caller.user,
        describe=show,
    )
    return {
        "changed": _changed(told.before or told.after, told.after),
        **{
            kind: [
                {"id": grant.pk, "requester": grant.requester.email, "until": grant.ends_at}
                for grant in getattr(told, kind)
            ]
            for kind in ("withdrawn", "ended", "suspended")
        },
        "kept": told.kept,
        "askers": [person.email for person in told.askers],
        "askers_more": told.askers_more,
        "stages": [
            {
                "position": stage.position,
                "approvers": [person.email for person in stage.approvers],
                "approvers_more": stage.approvers_more,
                "escalation": [person.email for person in stage.escalation],
                "escalation_more": stage.escalation_more,
            }
            for stage in told.stages
        ],
    }


def _changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in EntitlementTerms.model_fields if before[name] != after[name]]


def show(entitlement: Entitlement) -> dict[str, Any]:
    lines = roles_of(entitlement)
    told = {name: getattr(entitlement, name, None) for name in EntitlementTold.model_fields}
    durations = {
        name: seconds(getattr(entitlement, name))
        for name in (
            "max_duration", "max_pending", "activation_window", "start_horizon",
            "approval_window", "max_age", "break_glass_duration",
        )
    }  # fmt: skip
    return (
        told
        | durations
        | {
            "roles": sorted(each.role_id for each in lines),
            "break_glass_roles": sorted(each.role_id for each in lines if each.in_break_glass),
            "stages": [
                {
                    "approvals_needed": stage.approvals_needed,
                    "escalate_after": seconds(stage.escalate_after),
                    "auto_deny_after": seconds(stage.auto_deny_after),
                    "approvers": [
                        {
                            "user": each.user_id,
                            "group": each.group_id,
                            "role": each.role_id,
                            "administrators": each.administrators,
                            "is_escalation": each.is_escalation,
                        }
                        for each in stage.approvers.all()
                    ],
                }
                for stage in stages_of(entitlement)
            ],
        }
    )


def _offer(wish: EntitlementTerms, caller: AdministratorCaller) -> offers.Offer:
    apart = {"name", "roles", "stages", "thresholds", "resources", "break_glass_roles"}
    kept = wish.dict(exclude=apart)
    for name in (
        "max_duration", "max_pending", "activation_window", "start_horizon", "approval_window",
        "max_age", "break_glass_duration",
    ):  # fmt: skip
        kept[name] = duration(kept[name])
    return offers.Offer(
        roles=[one(Role, caller, each) for each in dict.fromkeys(wish.roles)],
        break_glass_roles=[
            one(Role, caller, each) for each in dict.fromkeys(wish.break_glass_roles)
        ],
        stages=[_stage(each, caller) for each in wish.stages],
        thresholds=[each.dict() for each in wish.thresholds],
        resources=[each.dict() for each in wish.resources],
        **kept,
    )


def _stage(stage: StageTerms, caller: AdministratorCaller) -> offers.StageLine:
    return offers.StageLine(
        approvers=[
            offers.ApproverLine(
                user=maybe(User, caller, each.user),
                group=maybe(Group, caller, each.group),
                role=maybe(Role, caller, each.role),
                administrators=each.administrators,
                is_escalation=each.is_escalation,
            )
            for each in stage.approvers
        ],
        approvals_needed=stage.approvals_needed,
        escalate_after=duration(stage.escalate_after),
        auto_deny_after=duration(stage.auto_deny_after),
    )
