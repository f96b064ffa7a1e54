"""Break-glass: access at once, without asking.

Everybody who was not asked hears of it, and somebody else reviews it afterwards; until then the
same person takes no other.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import models, transaction

from access import notices
from access.administering import may_administer
from access.approvers import (
    approvers_in,
    eligibility_of,
    is_named,
    stages_of,
    standing_of,
)
from access.flows.activation import activate_grant
from access.flows.requests import create_grant, max_age_of, plain, roles_of, schedule, settle_open
from access.flows.timeline import hold, lock, move, tell
from access.judging import (
    acting,
    condition_holds,
    facts_of_entitlement,
    facts_of_requester,
    request_document,
)
from access.models import (
    LIVE,
    MAX_REASON_LENGTH,
    Entitlement,
    EventKind,
    Grant,
    State,
)
from access.terms import write_terms
from access.words import refusal_of
from accounts.models import User
from core.errors import Refusal
from policy import engine
from policy.access import AccessFacts, Action, RequestFacts
from policy.journal import About


@transaction.atomic
def break_glass(
    *,
    entitlement: Entitlement,
    requester: User,
    session_id: UUID,
    reason: str,
    now: datetime,
    duration: timedelta | None = None,
) -> Grant:
    """Take access now; the answer is active.

    A request of one's own that still waits gives way to it. Refuses as `request_grant` does, and
    not_allowed where the entitlement has no such rule or the last time has not been reviewed.
    """
    if requester.organisation_id != entitlement.organisation_id:
        raise Refusal.not_found()
    reason = plain(reason, MAX_REASON_LENGTH)
    entitlement = hold(entitlement)
    requester = _hold_person(requester)
    settle_open(requester=requester, entitlement=entitlement, now=now)
    longest = entitlement.break_glass_duration or entitlement.max_duration
    terms = write_terms(
        entitlement=entitlement,
        roles=[role for role in roles_of(entitlement) if role.in_break_glass],
        stages=stages_of(entitlement),
        requester=requester,
        duration=longest if duration is None else duration,
        starts_at=now,
        reason=reason,
        ticket="",
        is_break_glass=True,
        extends=None,
    )
    session = acting(user=requester, session_id=session_id, now=now)
    verdict = engine.permit(
        AccessFacts(
            action=Action.BREAK_GLASS,
            entitlement=facts_of_entitlement(
                entitlement,
                condition_holds=condition_holds(
                    [entitlement.condition],
                    standing=standing_of(requester, now),
                    user=requester,
                    request=request_document(terms, 0),
                    session=session,
                    now=now,
                ),
            ),
            requester=facts_of_requester(
                requester, eligibility_of(requester, entitlement, now), now
            ),
            session=session.facts,
            request=RequestFacts(
                duration=terms["duration"],
                has_reason=bool(reason),
                unreviewed=_unreviewed(requester).count(),
            ),
        ),
        about=About(requester.pk, session_id),
    )
    if not verdict.allowed:
        raise refusal_of(verdict, max_age=max_age_of(entitlement))
    _give_way(requester, entitlement, now)
    grant = create_grant(
        entitlement, requester, terms, session_id=session_id, address=session.address,
        is_break_glass=True, now=now,
    )  # fmt: skip
    tell(
        grant,
        EventKind.REQUESTED,
        now=now,
        actor=requester,
        session_id=session_id,
        is_break_glass=True,
        terms_digest=bytes(grant.terms_digest).hex(),
        duration=terms["duration"],
        **verdict.describe(),
    )
    schedule(grant, now=now)
    active = activate_grant(grant=grant, requester=requester, session_id=session_id, now=now)
    _alarm(active, now)
    return active


@transaction.atomic
def review_break_glass(
    *,
    grant: Grant,
    reviewer: User,
    is_justified: bool,
    now: datetime,
    reason: str = "",
    session_id: UUID | None = None,
) -> bool:
    """Say afterwards whether it was right; what was not ends at once. Returns whether this did it.

    By an approver of the entitlement or an administrator, never by whoever took it, nor by another
    account of theirs: refuses not_allowed. Refuses not_found where there is nothing to review.
    """
    locked = lock(grant, now)
    held = locked.grant
    if not held.is_break_glass or reviewer.organisation_id != held.organisation_id:
        raise Refusal.not_found()
    reviewer = User.objects.within_id(reviewer.organisation_id).get(pk=reviewer.pk)
    if reviewer.person_id == held.requester.person_id:
        raise Refusal.not_allowed("Nobody reviews an emergency of their own.")
    if not _may_review(held, reviewer, locked.now):
        raise Refusal.not_allowed("Only approvers and administrators review this.")
    if held.reviewed_at is not None:
        return False
    held.reviewed_at, held.reviewed_by = locked.now, reviewer
    held.save(update_fields=["reviewed_at", "reviewed_by"])
    tell(
        held,
        EventKind.REVIEWED,
        now=locked.now,
        actor=reviewer,
        session_id=session_id,
        is_justified=is_justified,
        reason=plain(reason, MAX_REASON_LENGTH),
    )
    if not is_justified and held.state in LIVE:
        move(held, State.REVOKED, now=locked.now, end_cause="not justified")
        tell(held, EventKind.REVOKED, now=locked.now, actor=reviewer, cause="not justified")
        notices.tell_requester(held, "revoked", now=locked.now)
    return True


def _hold_person(requester: User) -> User:
    """All accounts of the person: one emergency at a time, whatever it is for."""
    everybody = User.objects.within_id(requester.organisation_id)
    person = everybody.filter(pk=requester.pk).values("person_id")
    held = everybody.filter(person_id__in=person).order_by("pk").select_for_update(no_key=True)
    return next(account for account in held if account.pk == requester.pk)


def _unreviewed(requester: User) -> "models.QuerySet[Grant]":
    """Of the person, whichever account it was taken by."""
    accounts = User.objects.within_id(requester.organisation_id).filter(
        person_id=requester.person_id
    )
    return Grant.objects.within_id(requester.organisation_id).filter(
        requester__in=accounts, is_break_glass=True, reviewed_at=None
    )


def _give_way(requester: User, entitlement: Entitlement, now: datetime) -> None:
    waiting = Grant.unscoped.of(requester).filter(
        entitlement=entitlement,
        state__in=[State.APPROVAL_AWAITED, State.SCHEDULED],
    )
    for grant in waiting.order_by("pk"):
        locked = lock(grant, now)
        if locked.grant.ended_at is None and locked.grant.state not in LIVE:
            move(locked.grant, State.CANCELLED, now=locked.now, end_cause="break-glass")
            tell(locked.grant, EventKind.CANCELLED, now=locked.now, cause="break-glass")


def _alarm(grant: Grant, now: datetime) -> None:
    """To all who would have been asked, at any stage; to administrators where nobody would."""
    people: dict[UUID, User] = {}
    for stage in stages_of(grant.entitlement):
        for person in approvers_in(stage, requester=grant.requester, is_escalated=True, now=now):
            people[person.pk] = person
    if not people:
        staff = User.objects.within_id(grant.organisation_id).filter(is_staff=True, is_active=True)
        people = {person.pk: person for person in staff.exclude(pk=grant.requester_id)}
    notices.tell_people(people.values(), grant, "break_glass", now=now)


def _may_review(grant: Grant, reviewer: User, now: datetime) -> bool:
    if may_administer(reviewer, grant.organisation_id, now=now):
        return True
    return reviewer.is_active and is_named(reviewer, grant.entitlement, now)
