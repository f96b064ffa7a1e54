"""Access reviews: campaigns, decisions, and what follows from them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from access import flows
from access.flows.reviews import FREQUENCY, LASTS
from access.models import AccessReview, AccessReviewItem, Eligibility, Need, State
from accounts import flows as accounts
from accounts.models import OutgoingMail, RoleAssignment
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests.support import access

pytestmark = pytest.mark.django_db


@pytest.fixture
def standing(acme, employee):
    return accounts.assign_role(
        user=employee.user, role=access.role(acme, "auditor"), now=clock.now()
    )


@pytest.fixture
def review(acme, approver, entitlement, standing) -> AccessReview:
    return flows.open_review(organisation=acme, actor=approver.user, now=clock.now())


def item(review, what: str) -> AccessReviewItem:
    return AccessReviewItem.unscoped.get(review=review, what=what)


def decide(found, decision, who, **said):
    return flows.decide_item(
        item=found, decision=decision, reviewer=who.user, now=clock.now(), **said
    )


def test_it_lists_standing_roles_and_eligibilities(review):
    listed = set(review.items.values_list("subject", "what"))

    assert listed == {
        ("alice@acme.example", "role auditor"),
        ("alice@acme.example", "may ask for db-admin"),
    }


def test_what_a_grant_gives_is_not_listed(acme, active, approver):
    review = flows.open_review(organisation=acme, actor=approver.user, now=clock.now())

    assert not review.items.filter(what="role db-admin").exists()


def test_what_is_not_needed_ends_at_once(review, approver, standing):
    assert decide(item(review, "role auditor"), Need.REMOVE, approver, reason="moved on")

    assert RoleAssignment.unscoped.get(pk=standing.pk).ended_at is not None
    assert AuditEvent.objects.filter(event=Event.ACCESS_REVIEW_DECIDED).count() == 1


def test_an_eligibility_that_is_not_needed_takes_what_was_had_by_it(
    review, approver, active, session
):
    decide(item(review, "may ask for db-admin"), Need.REMOVE, approver)

    assert Eligibility.unscoped.get().ended_at is not None
    assert access.fresh(active).state == State.REVOKED
    assert access.roles_in(session) == ["auditor"]


def test_what_is_kept_stays(review, approver, standing):
    assert decide(item(review, "role auditor"), Need.KEEP, approver)
    assert not decide(item(review, "role auditor"), Need.KEEP, approver)
    with pytest.raises(Refusal, match="otherwise"):
        decide(item(review, "role auditor"), Need.REMOVE, approver)
    assert RoleAssignment.unscoped.get(pk=standing.pk).ended_at is None


def test_nobody_reviews_access_of_their_own(acme, review, employee, approver):
    accounts.make_administrator(user=employee.user, now=clock.now())
    with pytest.raises(Refusal, match="of their own"):
        decide(item(review, "role auditor"), Need.KEEP, employee)

    accounts.link_accounts(user=employee.user, other=approver.user, now=clock.now())
    with pytest.raises(Refusal, match="of their own"):
        decide(item(review, "role auditor"), Need.KEEP, approver)
    with transaction.atomic(), pytest.raises(IntegrityError):
        review.items.update(decision="keep", decided_at=clock.now(), decided_by=employee.user)


def test_only_administrators_review(review, acme, lead):
    with pytest.raises(Refusal, match="administrators"):
        decide(item(review, "role auditor"), Need.KEEP, lead)
    with pytest.raises(Refusal, match="administrators"):
        flows.close_review(review=review, actor=lead.user, now=clock.now())


def test_one_at_a_time(review, acme, approver):
    with pytest.raises(Refusal) as error:
        flows.open_review(organisation=acme, actor=approver.user, now=clock.now())
    assert error.value.code == "conflict"


def test_once_closed_nothing_is_decided(review, approver):
    assert flows.close_review(review=review, actor=approver.user, now=clock.now())
    assert not flows.close_review(review=review, actor=approver.user, now=clock.now())

    with pytest.raises(Refusal, match="closed"):
        decide(item(review, "role auditor"), Need.KEEP, approver)


class TestTime:
    def test_the_first_is_due_half_a_year_after_the_first_entitlement(
        self, acme, entitlement, later
    ):
        later(days=FREQUENCY.days - 1)
        assert flows.open_due_reviews(now=clock.now()) == 0
        later(days=1)
        assert flows.open_due_reviews(now=clock.now()) == 1
        assert flows.open_due_reviews(now=clock.now()) == 0

    def test_not_where_nothing_is_offered(self, acme, later):
        later(days=400)
        assert flows.open_due_reviews(now=clock.now()) == 0

    def test_it_reminds_once_and_closes_by_itself(self, acme, approver, review, later, settings):
        settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
        OutgoingMail.objects.all().delete()
        later(days=LASTS.days - 3)
        assert flows.open_due_reviews(now=clock.now()) == 1
        assert flows.open_due_reviews(now=clock.now()) == 0
        assert OutgoingMail.objects.count() == 1

        later(days=3)
        assert flows.open_due_reviews(now=clock.now()) == 1
        review.refresh_from_db()
        assert review.closed_at is not None
        closed = AuditEvent.objects.get(event=Event.ACCESS_REVIEW_CLOSED)
        assert closed.facts["undecided"] == 2

    def test_the_next_is_as_long_after_as_this_one_says(self, acme, approver, entitlement, later):
        flows.open_review(
            organisation=acme, actor=approver.user, now=clock.now(),
            frequency=timedelta(days=30), lasts=timedelta(days=7),
        )  # fmt: skip
        later(days=8)
        flows.open_due_reviews(now=clock.now())
        later(days=21)
        assert flows.open_due_reviews(now=clock.now()) == 0
        later(days=1)
        assert flows.open_due_reviews(now=clock.now()) == 1
        assert AccessReview.unscoped.get(closed_at=None).frequency == timedelta(days=30)


@pytest.mark.parametrize(
    "times",
    [{"lasts": timedelta(0)}, {"lasts": timedelta(days=30), "frequency": timedelta(days=30)}],
    ids=str,
)
def test_impossible_times_are_refused(acme, approver, times):
    with pytest.raises(Refusal) as error:
        flows.open_review(organisation=acme, actor=approver.user, now=clock.now(), **times)
    assert error.value.code == "invalid_request"


def test_whoever_is_in_a_group_does_not_review_what_it_may_ask_for(
    acme, approver, lead, entitlement
):
    accounts.make_administrator(user=lead.user, now=clock.now())
    group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
    accounts.add_group_member(group=group, user=approver.user, now=clock.now())
    flows.add_eligibility(entitlement=entitlement, group=group, now=clock.now())
    review = flows.open_review(organisation=acme, actor=approver.user, now=clock.now())
    asked = review.items.get(subject="group ops")

    with pytest.raises(Refusal, match="of their own"):
        decide(asked, Need.KEEP, approver)
    assert decide(asked, Need.KEEP, lead)
