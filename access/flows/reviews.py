"""Access reviews: who has what, asked of administrators, twice a year unless set otherwise."""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, Max, Min, OuterRef
from django.db.models.functions import Coalesce

from access import notices
from access.administering import demand_administrator
from access.chat import notes
from access.flows.entitlements import end_eligibility
from access.flows.requests import plain
from access.models import (
    MAX_REASON_LENGTH,
    AccessReview,
    AccessReviewItem,
    Eligibility,
    Entitlement,
    Grant,
    Need,
)
from accounts.flows import end_role_assignment
from accounts.models import GroupMember, Organisation, RoleAssignment, User
from audit.events import Event
from audit.recorder import record
from core.errors import Refusal
from sessions.models import LoginSession

FREQUENCY = timedelta(days=182)
LASTS = timedelta(days=14)
REMINDER_BEFORE = timedelta(days=3)


@transaction.atomic
def open_review(
    *,
    organisation: Organisation,
    now: datetime,
    actor: User | None = None,
    lasts: timedelta = LASTS,
    frequency: timedelta = FREQUENCY,
) -> AccessReview:
    """Begin a campaign over every standing role and every eligibility of the organisation.

    Roles that applications hold are `idp`'s, which adds them as it hears that the row is written.

    Refuses not_allowed but for administrators, conflict while one is open, invalid_request for
    times that cannot be.
    """
    demand_administrator(actor, organisation.pk, now=now)
    if lasts <= timedelta(0) or frequency <= lasts:
        raise Refusal.invalid_request("A review lasts for a while, and less than until the next.")
    try:
        with transaction.atomic():
            review = AccessReview.objects.create(
                organisation=organisation, opened_at=now, due_at=now + lasts, frequency=frequency
            )
    except IntegrityError as error:
        raise Refusal.conflict("A review is open already.") from error
    items = [*_assignments(review, now), *_eligibilities(review, now)]
    AccessReviewItem.unscoped.bulk_create(items)
    count = AccessReviewItem.objects.within(organisation).filter(review=review).count()
    _record(Event.ACCESS_REVIEW_OPENED, review, actor, now, items=count, due_at=review.due_at)
    _ask(review, now)
    return review


@transaction.atomic
def decide_item(
    *,
    item: AccessReviewItem,
    decision: Need,
    reviewer: User,
    now: datetime,
    reason: str = "",
) -> bool:
    """Say whether it is still needed; what is not ends now. Returns whether this call decided it.

    Refuses not_allowed but for administrators, and for whoever has it; conflict once it is decided
    otherwise or the review is closed.
    """
    demand_administrator(reviewer, item.organisation_id, now=now)
    rows = AccessReviewItem.objects.within_id(item.organisation_id)
    held = (
        rows.select_for_update(of=("self",))
        .select_related("review", "user", "workload__responsible", "eligibility__entitlement")
        .get(pk=item.pk)
    )
    reviewer = User.unscoped.get(pk=reviewer.pk)
    whose = held.user if held.workload is None else held.workload.responsible
    if (whose is not None and whose.person_id == reviewer.person_id) or _is_of_a_group_of(
        held, reviewer
    ):
        raise Refusal.not_allowed("Nobody reviews access of their own.")
    if held.review.closed_at is not None:
        raise Refusal.conflict("This review is closed.")
    if held.decision:
        if held.decision == decision:
            return False
        raise Refusal.conflict("This has been decided otherwise.")
    held.resources = held.limit or None
    held.decision, held.decided_at, held.decided_by = decision, now, reviewer
    held.reason = plain(reason, MAX_REASON_LENGTH)
    held.save(update_fields=["decision", "decided_at", "decided_by", "reason", "resources"])
    _record(
        Event.ACCESS_REVIEW_DECIDED, held.review, reviewer, now,
        subject=held.user, decision=Need(decision).value, what=held.what, whose=held.subject,
        reason=held.reason, **({"resources": held.resources} if held.resources else {}),
    )  # fmt: skip
    if decision == Need.REMOVE:
        _remove(held, reviewer, now)
    return True


@transaction.atomic
def close_review(*, review: AccessReview, now: datetime, actor: User | None = None) -> bool:
    """End a campaign; what was not decided stays as it is. Returns whether this call did it."""
    demand_administrator(actor, review.organisation_id, now=now)
    closed = AccessReview.objects.within_id(review.organisation_id).filter(
        pk=review.pk, closed_at=None
    )
    if not closed.update(closed_at=now):
        return False
    undecided = AccessReviewItem.objects.within_id(review.organisation_id).filter(
        review=review, decision=""
    )
    _record(Event.ACCESS_REVIEW_CLOSED, review, actor, now, undecided=undecided.count())
    return True


def open_due_reviews(*, now: datetime) -> int:
    """Begin the campaigns that are due, close those past their time, remind of those about to be.

    Due is the first half a year after the first entitlement, the others as long after the one
    before as that says. Returns how much was done.
    """
    return _open_due(now) + _remind(now) + _close_due(now)


def _open_due(now: datetime) -> int:
    running = AccessReview.unscoped.filter(organisation=OuterRef("pk"), closed_at=None)
    organisations = Organisation.objects.filter(~Exists(running), is_active=True)
    begun = dict(
        Entitlement.unscoped.filter(is_active=True)
        .values_list("organisation_id")
        .annotate(first=Min("created_at"))
    )
    latest = {
        each.organisation_id: (each.opened_at, each.frequency)
        for each in AccessReview.unscoped.order_by("opened_at")
    }
    opened = 0
    for organisation in organisations.filter(pk__in=begun).order_by("pk"):
        since, frequency = latest.get(organisation.pk, (begun[organisation.pk], FREQUENCY))
        if now < since + frequency:
            continue
        try:
            open_review(organisation=organisation, now=now, frequency=frequency)
        except Refusal:  # another worker was faster
            continue
        opened += 1
    return opened


def _remind(now: datetime) -> int:
    reminded = 0
    with transaction.atomic():
        due = AccessReview.unscoped.filter(
            closed_at=None, reminded_at=None, due_at__lte=now + REMINDER_BEFORE, due_at__gt=now
        ).select_for_update(skip_locked=True)
        for review in list(due.order_by("pk")):
            review.reminded_at = now
            review.save(update_fields=["reminded_at"])
            _ask(review, now)
            reminded += 1
    return reminded


def _ask(review: AccessReview, now: datetime) -> None:
    notices.tell_administrators(review, now=now)
    notes.of_review(review, now=now)


def _close_due(now: datetime) -> int:
    over = AccessReview.unscoped.filter(closed_at=None, due_at__lte=now).order_by("pk")
    return sum(close_review(review=review, now=now) for review in over)


def _assignments(review: AccessReview, now: datetime) -> list[AccessReviewItem]:
    sessions = LoginSession.objects.within_id(review.organisation_id).order_by()
    seen = dict(sessions.values_list("user_id").annotate(last=Max("last_used_at")))
    rows = (
        RoleAssignment.unscoped.live(now)
        .standing()
        .filter(organisation_id=review.organisation_id, user__is_active=True)
        .select_related("user", "role")
        .order_by("user__email", "role__name")
    )
    return [
        AccessReviewItem(
            organisation_id=review.organisation_id,
            review=review,
            user=each.user,
            assignment=each,
            subject=each.user.email,
            what=f"role {each.role.name}",
            last_used_at=seen.get(each.user_id),
        )
        for each in rows
    ]


def _eligibilities(review: AccessReview, now: datetime) -> list[AccessReviewItem]:
    begun = (
        Grant.objects.within_id(review.organisation_id)
        .filter(activated_at__isnull=False)
        .annotate(whose=Coalesce("workload_id", "requester_id"))
        .values_list("entitlement_id", "whose")
        .annotate(last=Max("activated_at"))
        .order_by()
    )
    used = {(entitlement, whose): last for entitlement, whose, last in begun}
    rows = (
        Eligibility.unscoped.live(now)
        .filter(organisation_id=review.organisation_id, entitlement__is_active=True)
        .select_related("user", "group", "workload", "entitlement")
        .order_by("entitlement__name", "pk")
    )
    return [
        AccessReviewItem(
            organisation_id=review.organisation_id,
            review=review,
            user=each.user,
            eligibility=each,
            workload=each.workload,
            subject=_whose(each),
            what=f"may ask for {each.entitlement.name}",
            last_used_at=used.get((each.entitlement_id, each.user_id or each.workload_id)),
        )
        for each in rows
    ]


def _whose(eligibility: Eligibility) -> str:
    if eligibility.workload is not None:
        return f"application {eligibility.workload}"
    return eligibility.user.email if eligibility.user else f"group {eligibility.group}"


def _is_of_a_group_of(item: AccessReviewItem, reviewer: User) -> bool:
    """Whether it is what a group may ask for that the reviewer, by any account, is in."""
    if item.eligibility is None or item.eligibility.group_id is None:
        return False
    members = GroupMember.objects.within_id(item.organisation_id).filter(
        group_id=item.eligibility.group_id, user__person_id=reviewer.person_id
    )
    return members.exists()


def _remove(item: AccessReviewItem, reviewer: User, now: datetime) -> None:
    if item.assignment is not None:
        end_role_assignment(assignment=item.assignment, now=now, actor=reviewer)
    if item.eligibility is not None:
        end_eligibility(eligibility=item.eligibility, now=now, actor=reviewer)


def _record(
    event: Event,
    review: AccessReview,
    actor: User | None,
    now: datetime,
    *,
    subject: User | None = None,
    **facts: Any,
) -> None:
    record(
        event,
        organisation_id=review.organisation_id,
        actor=actor,
        subject=subject or review,
        now=now,
        review=review.pk,
        **facts,
    )
