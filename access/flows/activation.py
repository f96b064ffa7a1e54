"""Beginning what was approved: from here on the roles count, where they are bound to.

An approval is not a right. Whatever was judged before is judged again here, as it is now; what
fails for good ends the grant, what may pass later leaves it as it was.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from access import notices, workloads
from access.approvers import Eligible, eligibility_of, standing_approvals, standing_of, suffice
from access.conditions import rules_of
from access.flows.requests import roles_of
from access.flows.timeline import Locked, lock, move, settle, tell
from access.judging import (
    Acting,
    acting,
    are_of_others,
    condition_holds,
    facts_of_entitlement,
    facts_of_requester,
    facts_of_scheduled,
    request_document,
    stricter_of,
)
from access.models import LIVE, Approval, EventKind, Grant, State
from access.tickets import check_ticket
from access.words import refusal_of
from access.workloads import OnBehalf, demand_behalf, demand_fit, stands_for
from accounts.flows import Bounds, Condition, elevate
from accounts.models import Role, User
from core.assurance import Level
from core.errors import Refusal
from policy import engine
from policy.access import AccessFacts, Action, ApprovalsFacts, Ticket, Verdict
from policy.journal import About


def activate_grant(
    *,
    grant: Grant,
    requester: User,
    session_id: UUID | None,
    now: datetime,
    behalf: OnBehalf | None = None,
) -> Grant:
    """Let the roles count from now on, for as long as was approved; done twice it is done once.

    behalf: the workload that begins by itself. Who asked for one, and who is responsible for it,
    may begin for it, too, unless it counts from its own address only.

    Bound to this login session, to its device and address, as the terms say. Not inside a
    transaction: a ticket may be asked for elsewhere. Refuses not_found for somebody else's,
    insufficient_user_authentication where a stronger sign-in would do, conflict where it is over or
    has just become so, not_allowed else.
    """
    if not stands_for(requester, grant, behalf):
        raise Refusal.not_found()
    demand_behalf(behalf, requester, now)
    if grant.policy_version_id is not None:
        raise Refusal.conflict("This is approved for being published; it gives nothing by itself.")
    known = Ticket.NONE
    if not grant.is_break_glass:
        known = check_ticket(
            entitlement=grant.entitlement, requester=requester, ticket=grant.ticket,
            workload=grant.workload, now=now,
        )  # fmt: skip
    if behalf is None and grant.workload is not None:
        behalf = OnBehalf(grant.workload)
    failure: Refusal | None = None
    with transaction.atomic():
        if grant.extends is not None:  # the older one first, as everybody does who holds both
            lock(grant.extends, now)
        locked = lock(grant, now)
        is_here = behalf is not None or locked.grant.session_id == session_id
        if locked.grant.is_live(locked.now) and is_here:
            return locked.grant
        if settle(locked.grant, now=locked.now):
            failure = Refusal.conflict("It is too late: please ask again.")
        elif locked.grant.state != State.SCHEDULED:
            label = State(locked.grant.state).label
            raise Refusal.conflict(f"This request is {label} by now.")
        else:
            failure = _begin(locked, requester, session_id, known, behalf)
    if failure is not None:  # what could not begin stays written
        raise failure
    return locked.grant


def _begin(
    locked: Locked,
    beginner: User,
    session_id: UUID | None,
    ticket: Ticket,
    behalf: OnBehalf | None,
) -> Refusal | None:
    """Judge and begin. What fails for good is written down and returned; the rest is raised."""
    grant, now = locked.grant, locked.now
    if behalf is not None:
        demand_fit(grant.entitlement)
        if not behalf.by_itself and _binds(grant, "network"):
            raise Refusal.not_allowed("It counts from one address: the application has to begin.")
    session = acting(user=beginner, session_id=session_id, now=now, behalf=behalf)
    eligible = eligibility_of(grant.requester, grant.entitlement, now, grant.workload)
    approvals = standing_approvals(grant, now)
    verdict = judge_approved(locked, session, eligible, approvals, ticket)
    terms = grant.terms
    if not verdict.allowed:
        refusal = refusal_of(verdict, max_age=terms["max_age"], ticket=ticket)
        if not verdict.is_final:
            raise refusal
        _fail(grant, verdict.reasons, now)
        return Refusal.conflict(refusal.detail)
    roles = _roles(grant)
    if resources_left(grant) == []:
        _fail(grant, ("resources_withdrawn",), now)
        return Refusal.conflict("What was approved is not offered any more: please ask again.")
    assert eligible is not None  # noqa: S101 - policy has just said so
    ends_at = min(now + grant.duration, eligible.ends_at or now + grant.duration)
    if not _end_extended(grant, now):
        _fail(grant, ("extended_taken_away",), now)
        return Refusal.conflict("What it extends was taken away: please ask again.")
    move(
        grant,
        State.ACTIVE,
        now=now,
        activated_at=now,
        ends_at=ends_at,
        session_id=session_id if behalf is None else None,
        device_id=session.device_id if behalf is None else None,
        address=session.address if behalf is None or behalf.by_itself else None,
    )
    _elevate(grant, roles, eligible, approvals, session, now)
    limit = resources_left(grant)
    tell(
        grant,
        EventKind.ACTIVATED,
        now=now,
        actor=beginner if behalf is None else behalf.actor(beginner),
        session_id=session_id,
        ends_at=ends_at,
        roles=[role.name for role in roles],
        is_break_glass=grant.is_break_glass,
        **({} if limit is None else {"resources": limit}),
        **verdict.describe(),
    )
    return None


def _elevate(
    grant: Grant,
    roles: list[Role],
    eligible: Eligible,
    approvals: list[Approval],
    session: Acting,
    now: datetime,
) -> None:
    """The rows that count. grant: just begun."""
    assert grant.ends_at is not None  # noqa: S101 - as it has just begun
    terms, conditions = grant.terms, _conditions(grant, eligible, approvals)
    rules = rules_of(grant, [terms["condition"], grant.entitlement.condition])
    if grant.workload_id is not None:
        workloads.elevate(
            grant=grant,
            roles=roles,
            ends_at=grant.ends_at,
            address=session.address if _binds(grant, "network") else None,
            conditions=conditions,
            rules=rules,
            now=now,
        )
        return
    bounds = Bounds(
        session_id=grant.session_id if _binds(grant, "session") else None,
        device_id=session.device_id if _binds(grant, "device") else None,
        address=session.address if _binds(grant, "network") else None,
        required_acr=max(
            (terms["required_acr"], grant.entitlement.required_acr), key=Level.from_acr
        ),
        required_tier=max(terms["required_tier"], grant.entitlement.required_tier),
        resources=resources_left(grant),
        rules=rules,
    )
    elevate(
        grant_id=grant.pk,
        user=grant.requester,
        roles=roles,
        ends_at=grant.ends_at,
        bounds=bounds,
        conditions=conditions,
        now=now,
    )


def judge_approved(
    locked: Locked,
    session: Acting,
    eligible: Eligible | None,
    approvals: list[Approval],
    ticket: Ticket,
) -> Verdict:
    """Whether what was approved may be made use of, rule by rule."""
    grant, now = locked.grant, locked.now
    entitlement, terms = grant.entitlement, grant.terms
    request = facts_of_scheduled(
        grant, offered=[role.role_id for role in roles_of(entitlement)], ticket=ticket, now=now
    )
    return engine.permit(
        AccessFacts(
            action=Action.ACTIVATE,
            entitlement=stricter_of(
                facts_of_entitlement(
                    entitlement,
                    condition_holds=condition_holds(
                        [terms["condition"], entitlement.condition],
                        standing=standing_of(grant.requester, now),
                        user=grant.requester,
                        request=request_document(terms, request.starts_in),
                        session=session,
                        workload=grant.workload,
                        now=now,
                    ),
                ),
                terms,
            ),
            requester=facts_of_requester(grant.requester, eligible, now, grant.workload),
            session=session.facts,
            request=request,
            approvals=ApprovalsFacts(
                hold=grant.is_break_glass or suffice(grant, approvals, now),
                are_of_others=are_of_others(approvals, grant),
            ),
        ),
        about=About(grant.requester_id, session.session_id, grant.workload_name),
    )


def _conditions(grant: Grant, eligible: Eligible, approvals: list[Approval]) -> list[Condition]:
    """What the roles hang on at every use: the eligibility, and each approver's right.

    Those of a workload: who asked, and who is responsible for it.
    """
    people = {grant.workload.responsible_id} if grant.workload is not None else set()
    return [
        eligible.condition,
        *(Condition(user_id=each) for each in people - {eligible.user_id}),
        *(
            Condition(user_id=each.approver_id, group_id=each.group_id, role_id=each.role_id)
            for each in approvals
        ),
    ]


def _roles(grant: Grant) -> list[Role]:
    """By their ids: one of the same name that was made since is another."""
    ids = [UUID(role["id"]) for role in grant.terms["roles"]]
    return list(Role.objects.within_id(grant.organisation_id).filter(pk__in=ids).order_by("name"))


def resources_left(grant: Grant) -> list[dict[str, str]] | None:
    """To what the roles are limited, by the terms and by today's entitlement; None: to nothing."""
    then: list[dict[str, str]] = grant.terms.get("resources", [])
    today: list[dict[str, str]] = grant.entitlement.resources
    if then and today:
        return [each for each in then if each in today]
    return then or today or None


def _end_extended(grant: Grant, now: datetime) -> bool:
    """What a grant extends ends as it begins, so that nothing counts twice.

    Returns False where it was taken away, and refuses conflict while it is suspended: an extension
    is no way round either.
    """
    if grant.extends is None:
        return True
    former = lock(grant.extends, now).grant
    if former.state == State.REVOKED:
        return False
    if former.state == State.SUSPENDED:
        raise Refusal.conflict("What it extends is suspended.")
    if former.state in LIVE:
        move(former, State.ENDED, now=now, end_cause="extended")
        tell(former, EventKind.ENDED, now=now, actor=grant.requester, cause="extended")
    return True


def _fail(grant: Grant, reasons: tuple[str, ...], now: datetime) -> None:
    move(grant, State.ACTIVATION_FAILED, now=now, end_cause="could not begin")
    tell(grant, EventKind.ACTIVATION_FAILED, now=now, actor=grant.requester, reasons=reasons)
    notices.tell_requester(grant, "activation_failed", now=now)


def _binds(grant: Grant, what: str) -> bool:
    """By the terms, or by what the entitlement asks for today."""
    return bool(grant.terms[f"binds_{what}"] or getattr(grant.entitlement, f"binds_{what}"))
