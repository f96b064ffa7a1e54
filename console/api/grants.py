"""Requests and grants: one's own, and those that one may answer."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from django.db.models import Q
from ninja import Query, Router, Schema
from ninja.responses import Status

from access import cases, flows, shown
from access.asking import counts_in, resting_in
from access.limited import limits_of
from access.limits import DECIDING, REQUESTS, TOUCH
from access.models import Approval, Grant
from access.workloads import stands_for
from accounts.limited import Resources
from console.api.door import Caller, Machine, Own, Request
from console.api.offers import find_behalf, find_offer
from console.api.paging import Listing, Place
from console.api.shapes import (
    Flag,
    Instant,
    Line,
    Name,
    NamedResource,
    Reason,
    Seconds,
    Sent,
    duration,
    seconds,
)
from core.errors import Refusal
from core.limits import spend

if TYPE_CHECKING:
    from django.db.models import QuerySet

router = Router(auth=Own())
PERSONALLY = Own(personally=True)


class Requester(Schema):
    id: UUID
    email: str
    name: str


class GrantTold(Schema):
    """A request, or what became of it. id: none where it was only tried (`dry_run`).

    workload: the client_id of the application that it is for, none where it is the requester's own.
    policy_version, policy_revision: that it is asked to publish, none and "" where roles are.
    resources: for which alone its roles count, none for all that they reach.
    until: the next end of it: for answers, for its beginning, or of the access itself.
    is_here: whether it counts in the sign-in that asks. rests_here: whether it would, but for a
    condition of it that does not hold there now. Durations are whole seconds.
    """

    id: UUID | None
    entitlement: str
    roles: list[str]
    resources: list[NamedResource] | None
    policy_version: UUID | None
    policy_revision: str
    requester: Requester
    workload: str | None
    state: str
    reason: str
    ticket: str
    duration: int
    is_break_glass: bool
    extends: UUID | None
    requested_at: datetime
    starts_at: datetime
    approved_at: datetime | None
    activated_at: datetime | None
    until: datetime | None
    ended_at: datetime | None
    end_cause: str
    suspended_because: str
    is_here: bool
    rests_here: bool


class Answer(Schema):
    approver: str
    verdict: str
    stage: int
    reason: str
    at: datetime


class Happened(Schema):
    """actor: a typed reference, "" for time or a rule."""

    at: datetime
    kind: str
    actor: str
    facts: dict[str, Any]


class GrantInFull(GrantTold):
    """terms: all of what is asked for, under terms_digest (SHA-256, hex)."""

    terms: dict[str, Any]
    terms_digest: str
    answers: list[Answer]
    timeline: list[Happened]


class GrantPage(Schema):
    items: list[GrantTold]
    next: str | None


class GrantWish(Sent):
    """duration: whole seconds from the activation on, the longest if left out. starts_at: now.

    workload: the client_id of the application that it is for, by who is responsible for it.
    """

    entitlement: Name
    workload: Name | None = None
    duration: Seconds | None = None
    reason: Line = ""
    ticket: Line = ""
    starts_at: Instant | None = None
    dry_run: Flag = False


class Emergency(Sent):
    entitlement: Name
    reason: Line
    duration: Seconds | None = None


class Longer(Sent):
    duration: Seconds | None = None
    reason: Line = ""
    ticket: Line = ""


class Justified(Sent):
    is_justified: Flag
    reason: Line = ""


class GrantDid(Schema):
    """did: whether this call did it; it was so already otherwise."""

    did: bool
    grant: GrantTold


class WhichGrants(Place):
    which: Literal["all", "open", "past"] = "all"


@router.post("", response={200: GrantTold, 201: GrantTold})
def request_access(request: Request, wish: GrantWish) -> Status[Any]:
    """Ask for access. With `dry_run` nothing is asked: the answer says what would become of it."""
    caller = request.auth
    behalf = find_behalf(caller, wish.workload)
    entitlement = find_offer(caller.user, wish.entitlement, caller.now, behalf)
    spend(REQUESTS, str(caller.user.pk), now=caller.now)
    grant = flows.request_grant(
        entitlement=entitlement,
        requester=caller.user,
        behalf=behalf,
        session_id=caller.session_id,
        duration=duration(wish.duration),
        reason=wish.reason,
        ticket=wish.ticket,
        starts_at=wish.starts_at,
        dry_run=wish.dry_run,
        now=caller.now,
    )
    if wish.dry_run:
        return Status(200, tell(grant, caller) | {"id": None})
    return Status(201, tell(grant, caller))


@router.post("/break-glass", response={201: GrantTold}, auth=PERSONALLY)
def break_glass(request: Request, wish: Emergency) -> Status[Any]:
    """Take access without approval, in an emergency. Everybody who was not asked is told."""
    caller = request.auth
    caller.demand_recent(DECIDING)
    grant = flows.break_glass(
        entitlement=find_offer(caller.user, wish.entitlement, caller.now),
        requester=caller.user,
        session_id=caller.session_id,
        reason=wish.reason,
        duration=duration(wish.duration),
        now=caller.now,
    )
    return Status(201, tell(grant, caller))


@router.get("", response=GrantPage)
def list_grants(request: Request, narrowed: Query[WhichGrants]) -> dict[str, Any]:
    """What the caller has asked for, and what applications have that they answer for."""
    caller = request.auth
    mine = Q(requester=caller.user) | Q(workload__responsible=caller.user)
    rows = Grant.objects.within_id(caller.user.organisation_id).filter(mine)
    listing = Listing("grants", caller.user.pk, narrowed, caller.now, {"which": narrowed.which})
    return listing.page_of_all(
        narrow(rows, narrowed.which, caller.now), lambda found: tell_all(found, caller)
    )


@router.get("/{uuid:grant_id}", response=GrantInFull)
def read_grant(request: Request, grant_id: UUID) -> dict[str, Any]:
    """A request in full, with what happened to it: one's own, or one that one may answer."""
    return tell_in_full(
        cases.find_grant(request.auth.user, grant_id, request.auth.now), request.auth
    )


@router.post("/{uuid:grant_id}/activate", response=GrantTold, auth=PERSONALLY)
def activate(request: Request, grant_id: UUID) -> dict[str, Any]:
    """Begin. It counts in the sign-in that the token is of, which has to be proven just now."""
    caller = request.auth
    grant = cases.find_own(caller.user, grant_id)
    caller.demand_recent(TOUCH)
    active = flows.activate_grant(
        grant=grant, requester=caller.user, session_id=caller.session_id, now=caller.now
    )
    return tell(active, caller)


@router.post("/{uuid:grant_id}/extend", response={201: GrantTold})
def extend(request: Request, grant_id: UUID, wish: Longer) -> Status[Any]:
    """Ask to have it for longer: another request, which is approved as the first one was."""
    caller = request.auth
    extended = cases.find_own(caller.user, grant_id)
    spend(REQUESTS, str(caller.user.pk), now=caller.now)
    grant = flows.extend_grant(
        grant=extended,
        requester=caller.user,
        session_id=caller.session_id,
        duration=duration(wish.duration),
        reason=wish.reason,
        ticket=wish.ticket,
        now=caller.now,
    )
    return Status(201, tell(grant, caller))


@router.post("/{uuid:grant_id}/cancel", response=GrantDid)
def cancel(request: Request, grant_id: UUID) -> dict[str, Any]:
    """Withdraw a request that has not begun."""
    caller = request.auth
    grant = cases.find_own(caller.user, grant_id)
    did = flows.cancel_grant(
        grant=grant, requester=caller.user, session_id=caller.session_id, now=caller.now
    )
    return tell_did(caller, grant, did=did)


@router.post("/{uuid:grant_id}/drop", response=GrantDid)
def drop(request: Request, grant_id: UUID) -> dict[str, Any]:
    """Give active access back early."""
    caller = request.auth
    grant = cases.find_own(caller.user, grant_id)
    did = flows.drop_grant(
        grant=grant, requester=caller.user, session_id=caller.session_id, now=caller.now
    )
    return tell_did(caller, grant, did=did)


@router.post("/{uuid:grant_id}/approve", response=GrantTold, auth=PERSONALLY)
def approve(request: Request, grant_id: UUID, said: Reason) -> dict[str, Any]:
    """Say yes to a request. Never by an application, and to none of one's own."""
    caller = request.auth
    grant = _anothers(caller, grant_id)
    return tell(
        flows.approve_grant(
            grant=grant,
            approver=caller.user,
            session_id=caller.session_id,
            reason=said.reason,
            now=caller.now,
        ),
        caller,
    )


@router.post("/{uuid:grant_id}/deny", response=GrantTold, auth=PERSONALLY)
def deny(request: Request, grant_id: UUID, said: Reason) -> dict[str, Any]:
    """Say no to a request."""
    caller = request.auth
    grant = _anothers(caller, grant_id)
    return tell(
        flows.deny_grant(
            grant=grant,
            approver=caller.user,
            session_id=caller.session_id,
            reason=said.reason,
            now=caller.now,
        ),
        caller,
    )


@router.post("/{uuid:grant_id}/revoke", response=GrantDid, auth=PERSONALLY)
def revoke(request: Request, grant_id: UUID, said: Reason) -> dict[str, Any]:
    """Take away what was approved. For those who may approve it, and for administrators."""
    caller = request.auth
    grant = _anothers(caller, grant_id)
    did = flows.revoke_grant(
        grant=grant,
        actor=caller.user,
        reason=said.reason,
        session_id=caller.session_id,
        now=caller.now,
    )
    return tell_did(caller, grant, did=did)


@router.post("/{uuid:grant_id}/review", response=GrantDid, auth=PERSONALLY)
def review(request: Request, grant_id: UUID, said: Justified) -> dict[str, Any]:
    """Say afterwards whether an emergency was one. What was none ends at once."""
    caller = request.auth
    grant = _anothers(caller, grant_id)
    did = flows.review_break_glass(
        grant=grant,
        reviewer=caller.user,
        is_justified=said.is_justified,
        reason=said.reason,
        session_id=caller.session_id,
        now=caller.now,
    )
    return tell_did(caller, grant, did=did)


def _anothers(caller: Caller, grant_id: UUID) -> Grant:
    """Somebody else's, for whoever has just proven to be there."""
    grant = cases.find_grant(caller.user, grant_id, caller.now)
    if stands_for(caller.user, grant, None):
        raise Refusal.not_allowed("Nobody answers a request of their own.")
    caller.demand_recent(DECIDING)
    return grant


# --- showing --------------------------------------------------------------------------------------


def narrow(rows: "QuerySet[Grant]", which: str, now: datetime) -> "QuerySet[Grant]":
    """Those that go on by now, or those that are over, whether or not that is written down yet."""
    going_on = Grant.unscoped.going_on(now).values("pk")
    if which == "open":
        return rows.filter(pk__in=going_on)
    return rows.exclude(pk__in=going_on) if which == "past" else rows


def tell(grant: Grant, caller: Caller | Machine) -> dict[str, Any]:
    return tell_all([grant], caller)[0]


def tell_all(grants: Sequence[Grant], caller: Caller | Machine) -> list[dict[str, Any]]:
    """Three statements, however many there are, and more where some have conditions."""
    until, limits = cases.answers_by(grants), limits_of(grants)
    resting = resting_in(grants, session_id=caller.session_id, now=caller.now)
    return [
        _tell(grant, caller, until[grant.pk], grant.pk in resting, limits.get(grant.pk))
        for grant in grants
    ]


def _tell(
    grant: Grant,
    caller: Caller | Machine,
    answer_by: datetime,
    rests: bool,  # noqa: FBT001 - private, and named where it is called
    resources: Resources | None,
) -> dict[str, Any]:
    seen, terms = shown.show(grant, now=caller.now, answer_by=answer_by), grant.terms
    return {
        "id": grant.pk,
        "entitlement": terms["entitlement"]["name"],
        "roles": grant.role_names,
        "resources": resources,
        "policy_version": grant.policy_version_id,
        "policy_revision": terms.get("publication", {}).get("revision", ""),
        "requester": {"id": grant.requester_id, **_named(terms["requester"])},
        "workload": grant.workload_name or None,
        "state": seen.state.value,
        "reason": grant.reason,
        "ticket": grant.ticket,
        "duration": seconds(grant.duration),
        "is_break_glass": grant.is_break_glass,
        "extends": grant.extends_id,
        "requested_at": grant.requested_at,
        "starts_at": grant.starts_at,
        "approved_at": grant.approved_at,
        "activated_at": grant.activated_at,
        "until": seen.until,
        "ended_at": grant.ended_at,
        "end_cause": grant.end_cause,
        "suspended_because": grant.suspended_because,
        "is_here": seen.is_live and counts_in(grant, caller.session_id) and not rests,
        "rests_here": rests,
    }


def tell_in_full(grant: Grant, caller: Caller | Machine) -> dict[str, Any]:
    return tell(grant, caller) | {
        "terms": grant.terms,
        "terms_digest": bytes(grant.terms_digest).hex(),
        "answers": [show_answer(each) for each in cases.approvals_of(grant)],
        "timeline": [
            {"at": line.at, "kind": line.kind, "actor": line.actor, "facts": line.facts}
            for line in cases.timeline_of(grant)
        ],
    }


def show_answer(approval: Approval) -> dict[str, Any]:
    """The approval comes with its approver."""
    return {
        "approver": approval.approver.email,
        "verdict": approval.verdict,
        "stage": approval.stage,
        "reason": approval.reason,
        "at": approval.at,
    }


def _named(person: dict[str, str]) -> dict[str, str]:
    return {"email": person["email"], "name": person["name"]}


def tell_did(caller: Caller | Machine, grant: Grant, *, did: bool) -> dict[str, Any]:
    rows = Grant.objects.within_id(grant.organisation_id)
    return {"did": did, "grant": tell(rows.get(pk=grant.pk), caller)}
