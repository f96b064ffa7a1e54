"""Asking for access: for the first time, again by an approval that still counts, or for longer."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from access import notices
from access.approvers import (
    eligibility_of,
    stages_of,
    standing_approvals,
    standing_of,
    suffice,
)
from access.flows.timeline import hold, lock, move, settle, tell
from access.judging import (
    Acting,
    acting,
    are_of_others,
    condition_holds,
    facts_of_entitlement,
    facts_of_requester,
    request_document,
)
from access.models import (
    MAX_REASON_LENGTH,
    MAX_TICKET_LENGTH,
    Entitlement,
    EntitlementRole,
    EventKind,
    Grant,
    Stage,
    State,
    Workload,
)
from access.terms import Terms, digest_of, seconds, write_terms
from access.tickets import check_ticket
from access.words import refusal_of
from access.workloads import OnBehalf, demand_behalf, demand_fit, stands_for
from accounts.models import User
from core.errors import Refusal
from policy import engine
from policy.access import AccessFacts, Action, RequestFacts, Ticket, Verdict
from policy.journal import About
from policy.models import PolicyVersion
from policy.simulation import Report


def request_grant(
    *,
    entitlement: Entitlement,
    requester: User,
    session_id: UUID | None,
    now: datetime,
    duration: timedelta | None = None,
    reason: str = "",
    ticket: str = "",
    starts_at: datetime | None = None,
    dry_run: bool = False,
    behalf: OnBehalf | None = None,
) -> Grant:
    """Ask for access, from starts_at (now) for `duration` (the longest) from its activation on.

    behalf: for which workload, where it is not for the requester.

    The answer is waiting for approval, or scheduled where nobody needs to be asked. dry_run: do it
    all and undo it, so that the answer says what would happen. Not inside a transaction: a ticket
    may be asked for elsewhere.

    Refuses insufficient_user_authentication where a stronger or fresher sign-in would do,
    invalid_request for what was typed, conflict where something like it is open, not_allowed else.
    """
    return _ask(
        entitlement=entitlement, requester=requester, session_id=session_id, now=now,
        duration=duration, reason=reason, ticket=ticket, starts_at=starts_at, dry_run=dry_run,
        behalf=behalf,
    )  # fmt: skip


def request_publication(
    *,
    version: PolicyVersion,
    entitlement: Entitlement,
    requester: User,
    session_id: UUID | None,
    now: datetime,
    reason: str = "",
    ticket: str = "",
    simulation: Report | None = None,
    dry_run: bool = False,
) -> Grant:
    """Ask to publish one version of policy, and no other. Refuses as `request_grant` does."""
    return _ask(
        entitlement=entitlement, requester=requester, session_id=session_id, now=now, reason=reason,
        ticket=ticket, dry_run=dry_run, version=version, simulation=simulation,
    )  # fmt: skip


def extend_grant(
    *,
    grant: Grant,
    requester: User,
    session_id: UUID | None,
    now: datetime,
    duration: timedelta | None = None,
    reason: str = "",
    ticket: str = "",
    behalf: OnBehalf | None = None,
) -> Grant:
    """Ask to have an active grant for longer: another request, approved and activated as the first.

    Activating it ends the one that it extends. Refuses as `request_grant` does, and not_found for
    somebody else's.
    """
    if not stands_for(requester, grant, behalf):
        raise Refusal.not_found()
    if behalf is None and grant.workload is not None:
        behalf = OnBehalf(grant.workload)
    return _ask(
        entitlement=grant.entitlement, requester=requester, session_id=session_id, now=now,
        duration=duration, reason=reason, ticket=ticket, extends=grant, behalf=behalf,
    )  # fmt: skip


def settle_open(
    *,
    requester: User,
    entitlement: Entitlement,
    now: datetime,
    workload: Workload | None = None,
) -> None:
    """Write down what time has ended of this person's, so that it is in nobody's way."""
    mine = Grant.unscoped.open().of(requester, workload).filter(entitlement=entitlement)
    for grant in mine.order_by("pk"):
        locked = lock(grant, now)
        settle(locked.grant, now=locked.now)


def _ask(
    *,
    entitlement: Entitlement,
    requester: User,
    session_id: UUID | None,
    now: datetime,
    reason: str,
    ticket: str,
    duration: timedelta | None = None,
    starts_at: datetime | None = None,
    dry_run: bool = False,
    extends: Grant | None = None,
    behalf: OnBehalf | None = None,
    version: PolicyVersion | None = None,
    simulation: Report | None = None,
) -> Grant:
    if requester.organisation_id != entitlement.organisation_id:
        raise Refusal.not_found()
    if entitlement.is_publication != (version is not None):
        raise Refusal.not_found()
    demand_behalf(behalf, requester, now)
    workload = None if behalf is None else behalf.workload
    reason, ticket = plain(reason, MAX_REASON_LENGTH), plain(ticket, MAX_TICKET_LENGTH)
    known = check_ticket(
        entitlement=entitlement, requester=requester, ticket=ticket, now=now, workload=workload
    )
    with transaction.atomic():
        entitlement = hold(entitlement)
        if behalf is not None:
            behalf = _hold_workload(behalf)
            demand_behalf(behalf, requester, now)
            demand_fit(entitlement)
        settle_open(requester=requester, entitlement=entitlement, workload=workload, now=now)
        stages = stages_of(entitlement)
        terms = write_terms(
            entitlement=entitlement,
            roles=roles_of(entitlement),
            stages=stages,
            requester=requester,
            duration=entitlement.max_duration if duration is None else duration,
            starts_at=starts_at or now,
            reason=reason,
            ticket=ticket,
            is_break_glass=False,
            extends=extends,
            behalf=behalf,
            version=version,
            simulation=simulation,
        )
        session = acting(user=requester, session_id=session_id, now=now, behalf=behalf)
        verdict = judge_request(
            entitlement, requester, terms, session=session, ticket=known, extends=extends,
            workload=workload, now=now,
        )  # fmt: skip
        if not verdict.allowed:
            raise refusal_of(verdict, max_age=max_age_of(entitlement), ticket=known)
        source = None
        if extends is None:
            source = reusable(entitlement, requester, terms, now, workload=workload)
        grant = create_grant(
            entitlement, requester, terms, session_id=session_id, address=session.address,
            extends=extends, reused_from=source, workload=workload, version=version, now=now,
        )  # fmt: skip
        tell(
            grant,
            EventKind.REQUESTED,
            now=now,
            actor=requester if behalf is None else behalf.actor(requester),
            session_id=session_id,
            terms_digest=bytes(grant.terms_digest).hex(),
            duration=terms["duration"],
            **verdict.describe(),
        )
        _go_on(grant, stages, now)
        if dry_run:
            transaction.set_rollback(True)
    return grant


def _hold_workload(behalf: OnBehalf) -> OnBehalf:
    """So that nobody else becomes responsible meanwhile."""
    rows = Workload.objects.within_id(behalf.workload.organisation_id)
    held = rows.select_for_update(no_key=True, of=("self",)).select_related("responsible")
    return replace(behalf, workload=held.get(pk=behalf.workload.pk))


def judge_request(
    entitlement: Entitlement,
    requester: User,
    terms: Terms,
    *,
    session: Acting,
    ticket: Ticket,
    extends: Grant | None,
    now: datetime,
    workload: Workload | None = None,
) -> Verdict:
    """Whether this may be asked for, rule by rule."""
    starts_in = math.floor((datetime.fromisoformat(terms["starts_at"]) - now).total_seconds())
    mine = Grant.unscoped.going_on(now).of(requester, workload).filter(entitlement=entitlement)
    others = mine.filter(extends=extends)
    facts = AccessFacts(
        action=Action.REQUEST if extends is None else Action.EXTEND,
        entitlement=facts_of_entitlement(
            entitlement,
            condition_holds=condition_holds(
                [entitlement.condition],
                standing=standing_of(requester, now),
                user=requester,
                request=request_document(terms, starts_in),
                session=session,
                workload=workload,
                now=now,
            ),
        ),
        requester=facts_of_requester(
            requester, eligibility_of(requester, entitlement, now, workload), now, workload
        ),
        session=session.facts,
        request=RequestFacts(
            duration=terms["duration"],
            starts_in=starts_in,
            has_reason=bool(terms["reason"]),
            ticket=ticket,
            has_open=others.exists(),
            extends_live=extends is not None
            and mine.filter(pk=extends.pk, state=State.ACTIVE).exists(),
        ),
    )
    client = "" if workload is None else workload.name
    return engine.permit(facts, about=About(requester.pk, session.session_id, client))


def create_grant(
    entitlement: Entitlement,
    requester: User,
    terms: Terms,
    *,
    session_id: UUID | None,
    address: str | None,
    now: datetime,
    extends: Grant | None = None,
    reused_from: Grant | None = None,
    is_break_glass: bool = False,
    workload: Workload | None = None,
    version: PolicyVersion | None = None,
) -> Grant:
    """Write a request down. Refuses conflict where one is open."""
    try:
        with transaction.atomic():
            return Grant.objects.create(
                organisation_id=entitlement.organisation_id,
                entitlement=entitlement,
                entitlement_version=entitlement.version,
                requester=requester,
                workload=workload,
                state=State.APPROVAL_AWAITED,
                reason=terms["reason"],
                ticket=terms["ticket"],
                duration=timedelta(seconds=terms["duration"]),
                terms=terms,
                terms_digest=digest_of(terms),
                policy_version=version,
                is_break_glass=is_break_glass,
                extends=extends,
                reused_from=reused_from,
                starts_at=datetime.fromisoformat(terms["starts_at"]),
                requested_at=now,
                requested_session_id=session_id,
                requested_address=address,
                pending_until=now + entitlement.max_pending,
                stage_since=now,
            )
    except IntegrityError as error:
        raise Refusal.conflict("You have asked for this already, or have it.") from error


def _go_on(grant: Grant, stages: list[Stage], now: datetime) -> None:
    """To the approvers, or past them where nobody has to be asked, or somebody was lately."""
    if stages and grant.reused_from is None:
        notices.ask_approvers(grant, stages[0], is_escalated=False, now=now)
    else:
        schedule(grant, now=now)


def schedule(
    grant: Grant, *, now: datetime, actor: User | None = None, session_id: UUID | None = None
) -> None:
    """Note that a locked request is approved: its owner may begin, once its start is reached.

    What reuses an approval is approved since that, and begins before it is too old.
    """
    source = grant.reused_from
    approved_at = now if source is None or source.approved_at is None else source.approved_at
    activate_by = max(now, grant.starts_at) + grant.entitlement.activation_window
    if source is not None:
        activate_by = min(activate_by, approved_at + grant.entitlement.approval_window)
    move(grant, State.SCHEDULED, now=now, approved_at=approved_at, activate_by=activate_by)
    tell(
        grant,
        EventKind.APPROVED,
        now=now,
        actor=actor,
        session_id=session_id,
        reused_from=source and source.pk,
    )


def reusable(
    entitlement: Entitlement,
    requester: User,
    terms: Terms,
    now: datetime,
    *,
    workload: Workload | None = None,
) -> Grant | None:
    """What was approved lately and is over by itself, for the same and for as long at least.

    Not what was suspended when it was given back: whoever did that would be got round. Nor what is
    too old by the start that is wished for, or whose approvals hold no more: others are asked then.
    """
    if not terms["stages"] or not entitlement.approval_window:
        return None
    approved: Grant | None = (
        Grant.unscoped.of(requester, workload)
        .filter(
            entitlement=entitlement,
            entitlement_version=entitlement.version,
            state__in=[State.ENDED, State.EXPIRED],
            approved_at__gt=max(now, datetime.fromisoformat(terms["starts_at"]))
            - entitlement.approval_window,
            duration__gte=timedelta(seconds=terms["duration"]),
            ticket=terms["ticket"],
            is_break_glass=False,
            reused_from=None,
            extends=None,
            suspended_because="",
        )
        .select_related("entitlement", "requester", "workload__responsible")
        .order_by("-approved_at")
        .first()
    )
    if approved is None:
        return None
    approvals = standing_approvals(approved, now)
    holds = suffice(approved, approvals, now) and are_of_others(approvals, approved)
    return approved if holds else None


def plain(text: str, longest: int) -> str:
    """One line of printable words; refuses invalid_request for what is too long."""
    words = " ".join(text.split())
    if len(words) > longest or not words.isprintable():
        raise Refusal.invalid_request(f"Please use at most {longest} printable characters.")
    return words


def roles_of(entitlement: Entitlement) -> list[EntitlementRole]:
    rows = EntitlementRole.objects.within_id(entitlement.organisation_id)
    return list(rows.filter(entitlement=entitlement).select_related("role"))


def max_age_of(entitlement: Entitlement) -> int | None:
    return None if entitlement.max_age is None else seconds(entitlement.max_age)
