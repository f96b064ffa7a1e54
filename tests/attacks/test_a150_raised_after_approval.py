"""A150: getting more than was approved: another role, longer, again, from before it was asked for.

What an approver saw is digested with the request, and what begins is that and nothing else.
"""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from access import flows
from access.models import Grant, State
from access.offers import StageLine
from accounts import flows as accounts
from accounts.models import RoleAssignment
from core import clock
from core.errors import Refusal
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def session(employee):
    return access.session_of(employee)


@pytest.fixture
def offered(acme, employee, approver):
    access.role(acme, "root")
    return access.entitlement(acme, by=[approver], eligible=[employee])


@pytest.fixture
def approved(offered, employee, approver, session):
    request = access.ask(offered, employee, session, duration=HOUR / 2, reason="a look")
    return access.approve(request, approver)


class TestTheRow:
    """By whoever can write it: the database refuses, and the digest would not match."""

    def terms(self, grant, **changes):
        return grant.terms | changes

    @pytest.mark.parametrize("column", ["duration", "terms", "reason"])
    def test_it_is_not_changed(self, approved, column):
        value = {
            "duration": HOUR, "terms": self.terms(approved, duration=3600), "reason": "more",
        }[column]  # fmt: skip
        with transaction.atomic(), pytest.raises(IntegrityError):
            Grant.unscoped.filter(pk=approved.pk).update(**{column: value})

    @pytest.mark.parametrize(
        "changes", [{"duration": 3600}, {"binds_session": False}, {"required_tier": 0, "x": 1}],
        ids=str,
    )  # fmt: skip
    def test_what_was_changed_past_it_does_not_begin(self, approved, employee, session, changes):
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE access_grant DISABLE TRIGGER access_keep_terms")
        Grant.unscoped.filter(pk=approved.pk).update(terms=self.terms(approved, **changes))

        with pytest.raises(Refusal):
            access.activate(approved, employee, session)
        assert access.roles_in(session) == []

    def test_it_is_not_made_longer_once_it_has_begun(self, approved, employee, session):
        active = access.activate(approved, employee, session)
        with transaction.atomic(), pytest.raises(IntegrityError):
            Grant.unscoped.filter(pk=active.pk).update(ends_at=active.ends_at + HOUR)


def test_an_entitlement_that_offers_more_gives_what_was_approved(
    acme, offered, approved, approver, employee, session
):
    more = access.offer(
        acme, by=[approver], max_duration=8 * HOUR,
        roles=[access.role(acme, "db-admin"), access.role(acme, "root")],
    )  # fmt: skip
    flows.update_entitlement(entitlement=offered, offer=more, now=clock.now())

    active = access.activate(approved, employee, session)
    assert active.ends_at - active.activated_at == HOUR / 2
    assert access.roles_in(session) == ["db-admin"]


def test_what_was_approved_for_one_resource_begins_for_no_other(acme, employee, approver, session):
    orders, sales = {"type": "database", "id": "orders"}, {"type": "database", "id": "sales"}
    for number, later in enumerate(([orders, sales], [])):
        offered = access.entitlement(
            acme, by=[approver], eligible=[employee], name=f"db-{number}", resources=[orders]
        )
        approved = access.approve(access.ask(offered, employee, session), approver)
        more = access.offer(acme, by=[approver], resources=later)
        flows.update_entitlement(entitlement=offered, offer=more, now=clock.now())

        access.activate(approved, employee, session)
        assert RoleAssignment.unscoped.get(grant_id=approved.pk).resources == [orders]


def test_a_request_that_waits_is_not_approved_on_other_terms(
    acme, offered, approver, employee, session
):
    request = access.ask(offered, employee, session)
    more = access.offer(acme, by=[approver], roles=[access.role(acme, "root")])
    flows.update_entitlement(entitlement=offered, offer=more, now=clock.now())

    with pytest.raises(Refusal):
        access.approve(request, approver)
    assert access.fresh(request).state == State.CANCELLED


def test_an_extension_is_not_had_without_approval(approved, employee, session):
    active = access.activate(approved, employee, session)
    longer = flows.extend_grant(
        grant=active, requester=employee.user, session_id=session.pk, now=clock.now()
    )

    with pytest.raises(Refusal):
        access.activate(longer, employee, session)
    assert RoleAssignment.unscoped.get(grant_id=active.pk).ends_at == active.ends_at


def refused(offered, employee, session, **wish) -> str:
    with pytest.raises(Refusal) as error:
        access.ask(offered, employee, session, **wish)
    assert not Grant.unscoped.exists()
    return error.value.code


@pytest.mark.parametrize("days", [1, 15, 3650])
def test_ten_years_are_not_had(offered, employee, session, days):
    assert refused(offered, employee, session, duration=timedelta(days=days)) == "invalid_request"


@pytest.mark.parametrize("ago", [timedelta(seconds=1), timedelta(days=30)], ids=str)
def test_it_does_not_start_before_it_was_asked_for(offered, employee, session, ago):
    assert refused(offered, employee, session, starts_at=clock.now() - ago) == "invalid_request"


def test_time_counts_from_the_beginning_and_not_from_the_request(
    approved, employee, session, later
):
    later(minutes=20)
    active = access.activate(approved, employee, session)

    assert active.ends_at == active.activated_at + HOUR / 2


def test_what_nobody_approved_does_not_begin_once_somebody_has_to(
    acme, employee, approver, session
):
    offered = access.entitlement(acme, eligible=[employee])
    grant = access.ask(offered, employee, session)
    assert grant.state == State.SCHEDULED
    flows.update_entitlement(
        entitlement=offered, offer=access.offer(acme, by=[approver]), now=clock.now()
    )

    with pytest.raises(Refusal, match="more have to agree"):
        access.activate(grant, employee, session)
    assert access.fresh(grant).state == State.ACTIVATION_FAILED
    assert access.roles_in(session) == []


def test_what_one_approved_does_not_begin_once_two_have_to(acme, employee, approver, session):
    offered = access.entitlement(acme, by=[approver], eligible=[employee])
    grant = access.approve(access.ask(offered, employee, session), approver)
    another = cast.person("lena@acme.example", acme, totp=True)
    stages = [StageLine(access.named(approver, another), approvals_needed=2)]
    flows.update_entitlement(
        entitlement=offered, offer=access.offer(acme, stages=stages), now=clock.now()
    )

    with pytest.raises(Refusal, match="more have to agree"):
        access.activate(grant, employee, session)
    assert access.roles_in(session) == []


def test_an_approver_who_no_longer_holds_what_the_filter_asks_for(
    acme, employee, approver, session
):
    security = access.role(acme, "security")
    held = accounts.assign_role(user=approver.user, role=security, now=clock.now())
    offered = access.entitlement(
        acme, eligible=[employee],
        stages=[StageLine(access.named(approver), approvals_needed=0)],
        thresholds=[{"filter": '"security" in input.reviewer.roles'}],
    )  # fmt: skip
    grant = access.approve(access.ask(offered, employee, session), approver)
    assert grant.state == State.SCHEDULED
    accounts.end_role_assignment(assignment=held, now=clock.now())

    with pytest.raises(Refusal, match="could not do so any more"):
        access.activate(grant, employee, session)
    assert access.roles_in(session) == []
