"""Setting what may be asked for: what is refused, what is written down, and who may."""

from datetime import timedelta
from functools import partial

import pytest

from access import flows
from access.models import Eligibility, Entitlement, State
from access.offers import ApproverLine, Offer, StageLine
from accounts import flows as accounts
from accounts.models import LockTarget
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from tests.support import access

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def refused(code: str, act) -> str:
    before = Entitlement.unscoped.count(), AuditEvent.objects.count()
    with pytest.raises(Refusal) as error:
        act()
    assert error.value.code == code
    assert (Entitlement.unscoped.count(), AuditEvent.objects.count()) == before
    return error.value.detail


class TestWhoMay:
    @pytest.fixture(autouse=True)
    def _role(self, acme):
        access.role(acme, "db-admin")

    def create(self, acme, actor):
        return flows.create_entitlement(
            organisation=acme, name="x", offer=access.offer(acme), actor=actor.user,
            now=clock.now(),
        )  # fmt: skip

    def test_administrators(self, acme, approver):
        assert self.create(acme, approver)

    def test_nobody_else(self, acme, entitlement, employee, lead):
        refused("not_allowed", lambda: self.create(acme, employee))
        refused(
            "not_allowed",
            lambda: flows.update_entitlement(
                entitlement=entitlement, offer=access.offer(acme), actor=employee.user,
                now=clock.now(),
            ),
        )  # fmt: skip
        refused(
            "not_allowed",
            lambda: flows.add_eligibility(
                entitlement=entitlement, user=lead.user, actor=employee.user, now=clock.now()
            ),
        )
        line = Eligibility.unscoped.get()
        for end in (
            lambda: flows.end_eligibility(eligibility=line, actor=lead.user, now=clock.now()),
            lambda: flows.retire_entitlement(
                entitlement=entitlement, actor=lead.user, now=clock.now()
            ),
        ):
            refused("not_allowed", end)

    def test_no_administrator_of_another_organisation(self, acme, outsider):
        accounts.make_administrator(user=outsider.user, now=clock.now())
        refused("not_allowed", lambda: self.create(acme, outsider))

    def test_no_administrator_who_is_locked_or_closed(self, acme, approver):
        accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.USER, target=str(approver.user.pk),
            reason="test", now=clock.now(),
        )  # fmt: skip
        refused("not_allowed", lambda: self.create(acme, approver))


BAD = {
    "no roles": ({"roles": []}, "at least one role"),
    "nothing for a while": ({"max_duration": timedelta(0)}, "Durations"),
    "fifteen days": ({"max_duration": 15 * DAY}, "14 days"),
    "pending for ever": ({"max_pending": 15 * DAY}, "14 days"),
    "an emergency of a month": ({"break_glass_duration": 30 * DAY}, "14 days"),
    "a window below nothing": ({"approval_window": -HOUR}, "below nothing"),
    "a horizon below nothing": ({"start_horizon": -HOUR}, "below nothing"),
    "an age below nothing": ({"max_age": -HOUR}, "below nothing"),
    "an unknown level": ({"required_acr": "gold"}, "no such level"),
    "an unknown tier": ({"required_tier": 5}, "no such level"),
    "a broken pattern": ({"ticket_pattern": "("}, "pattern"),
    "tickets in the clear": ({"ticket_webhook": "http://tickets.example/"}, "https"),
    "tickets with a password": ({"ticket_webhook": "https://u:p@tickets.example/"}, "https"),
    "a condition that is no rule": ({"condition": "input.x ==\n)"}, "line "),
    "a condition with a name unknown": ({"condition": "true\nmystery(1)"}, "line 2"),
    "thresholds without anybody": ({"thresholds": [{"approve": 1}]}, "who may answer"),
}
BAD_THRESHOLDS = {
    "a filter that is no rule": ([{"filter": "true\n)"}], "line 2"),
    "a filter that reaches out": ([{"filter": "http.send({})"}], "may not call http.send"),
    "counts below nothing": ([{"approve": -1}], "counts from 0"),
    "counts that are no numbers": ([{"approve": "1"}], "counts from 0"),
    "a truth for a number": ([{"approve": True}], "counts from 0"),
    "nothing that decides": ([{"approve": 0, "deny": 0}], "decides nothing"),
    "another word": ([{"approves": 1}], "nothing else"),
    "a filter that is no text": ([{"filter": 1}], "no text"),
    "eleven of them": ([{"approve": 1}] * 11, "at most 10"),
    "no object": (["approve"], "nothing else"),
}  # fmt: skip


class TestWhatIsRefused:
    def create(self, acme, **terms):
        return flows.create_entitlement(
            organisation=acme, name="x", offer=access.offer(acme, **terms), now=clock.now()
        )

    @pytest.mark.parametrize("name", BAD)
    def test_terms_that_cannot_be(self, acme, name):
        terms, words = BAD[name]
        access.role(acme, "db-admin")

        assert words in refused("invalid_request", lambda: self.create(acme, **terms))

    @pytest.mark.parametrize("name", BAD_THRESHOLDS)
    def test_thresholds_that_cannot_be(self, acme, approver, name):
        thresholds, words = BAD_THRESHOLDS[name]
        access.role(acme, "db-admin")

        detail = refused(
            "invalid_request",
            lambda: self.create(acme, by=[approver], thresholds=thresholds),
        )
        assert words in detail

    def test_stages_that_cannot_be(self, acme, approver, lead):
        access.role(acme, "db-admin")
        for stages, words in (
            ([StageLine([])], "names who may answer"),
            ([StageLine(access.named(lead, is_escalation=True), escalate_after=HOUR)], "before it"),
            ([StageLine([*access.named(approver), *access.named(lead, is_escalation=True)])],
             "after how long"),
            ([StageLine(access.named(lead), approvals_needed=0)], "needs 1 to"),
            ([StageLine(access.named(lead), auto_deny_after=timedelta(0))], "after some time"),
            ([StageLine([ApproverLine()])], "a user, a group or a role"),
            ([StageLine(access.named(lead))] * 6, "at most 5"),
        ):  # fmt: skip
            assert words in refused("invalid_request", partial(self.create, acme, stages=stages))

    def test_roles_and_approvers_of_another_organisation(self, acme, globex, outsider):
        access.role(acme, "db-admin")
        foreign = access.role(globex, "theirs")

        refused("not_found", lambda: self.create(acme, roles=[foreign]))
        refused("not_found", lambda: self.create(acme, by=[outsider]))
        offered = self.create(acme)
        refused(
            "not_found",
            lambda: flows.add_eligibility(entitlement=offered, user=outsider.user, now=clock.now()),
        )

    def test_an_emergency_role_that_is_not_given_otherwise(self, acme):
        access.role(acme, "db-admin")
        other = access.role(acme, "other")

        refused(
            "invalid_request",
            lambda: self.create(acme, break_glass_duration=HOUR, break_glass_roles=[other]),
        )

    @pytest.mark.parametrize("name", ["", "Upper", "a b", "a/b", "-a", "x" * 65, "ä"])
    def test_names_that_cannot_be(self, acme, name):
        offer = access.offer(acme)
        refused(
            "invalid_request",
            lambda: flows.create_entitlement(
                organisation=acme, name=name, offer=offer, now=clock.now()
            ),
        )

    def test_a_name_that_is_taken(self, acme, entitlement):
        offer = access.offer(acme)
        refused(
            "conflict",
            lambda: flows.create_entitlement(
                organisation=acme, name="db-admin", offer=offer, now=clock.now()
            ),
        )

    def test_an_eligibility_twice_or_in_the_past(self, entitlement, employee, lead):
        for line, code in (
            ({"user": employee.user}, "conflict"),
            ({"user": lead.user, "ends_at": clock.now() - HOUR}, "invalid_request"),
            ({}, "invalid_request"),
        ):
            act = partial(flows.add_eligibility, entitlement=entitlement, now=clock.now(), **line)
            refused(code, act)

    def test_an_eligibility_is_never_from_before_it_was_given(self, entitlement, lead):
        """Who might have asked at a past time is not rewritten."""
        now = clock.now()
        line = flows.add_eligibility(
            entitlement=entitlement, user=lead.user, starts_at=now - HOUR, now=now
        )

        assert line.starts_at == now

    def test_an_eligibility_again_once_it_is_over(self, entitlement, lead, later):
        line = {"entitlement": entitlement, "user": lead.user}
        flows.add_eligibility(**line, now=clock.now(), ends_at=clock.now() + HOUR)
        later(hours=1)
        assert flows.add_eligibility(**line, now=clock.now())


class TestChanges:
    def update(self, entitlement, offer: Offer):
        return flows.update_entitlement(entitlement=entitlement, offer=offer, now=clock.now())

    def test_requests_that_wait_have_to_be_made_again(self, acme, entitlement, request_, approver):
        changed = self.update(entitlement, access.offer(acme, by=[approver], max_duration=2 * HOUR))

        assert changed.version == 2
        assert access.fresh(request_).end_cause == "entitlement_changed"

    def test_nothing_changed_changes_nothing(self, acme, entitlement, request_, approver):
        same = self.update(entitlement, access.offer(acme, by=[approver]))

        assert same.version == 1
        assert access.fresh(request_).state == State.APPROVAL_AWAITED
        assert not AuditEvent.objects.filter(event=Event.ENTITLEMENT_UPDATED).exists()

    def test_what_is_live_is_never_widened(self, acme, entitlement, active, approver, session):
        before = access.fresh(active)
        self.update(
            entitlement,
            access.offer(
                acme, by=[approver], max_duration=8 * HOUR, binds_session=False,
                roles=[access.role(acme, "db-admin"), access.role(acme, "root")],
            ),
        )  # fmt: skip

        after = access.fresh(active)
        assert (after.state, after.ends_at, after.terms) == (
            State.ACTIVE, before.ends_at, before.terms,
        )  # fmt: skip
        assert access.roles_in(session) == ["db-admin"]

    def test_what_is_approved_begins_on_the_stricter_terms(
        self, acme, entitlement, scheduled, approver, employee, session
    ):
        self.update(entitlement, access.offer(acme, by=[approver], required_acr="phr"))

        with pytest.raises(Refusal) as error:
            access.activate(scheduled, employee, session)
        assert error.value.code == "insufficient_user_authentication"

    @pytest.mark.parametrize("change", ["shorter", "other roles"])
    def test_what_is_offered_no_longer_does_not_begin(
        self, acme, entitlement, scheduled, approver, employee, session, change
    ):
        terms = (
            {"max_duration": timedelta(minutes=59)} if change == "shorter"
            else {"roles": [access.role(acme, "other")]}
        )  # fmt: skip
        self.update(entitlement, access.offer(acme, by=[approver], **terms))

        with pytest.raises(Refusal, match="changed since"):
            access.activate(scheduled, employee, session)
        assert access.fresh(scheduled).state == State.ACTIVATION_FAILED

    def test_a_retired_one_is_not_changed(self, acme, entitlement):
        assert flows.retire_entitlement(entitlement=entitlement, now=clock.now())
        assert not flows.retire_entitlement(entitlement=entitlement, now=clock.now())
        with pytest.raises(Refusal, match="retired"):
            self.update(entitlement, access.offer(acme))

    def test_the_secret_of_the_ticket_check_is_sealed_and_in_no_event(self, acme, entitlement):
        from django.db import connection

        offer = access.offer(
            acme, ticket_webhook="https://tickets.example/", ticket_secret=b"very-secret"
        )
        changed = self.update(entitlement, offer)
        assert bytes(changed.ticket_secret) == b"very-secret"
        kept = self.update(
            changed,
            access.offer(acme, ticket_webhook="https://tickets.example/", max_pending=HOUR / 2),
        )
        assert bytes(Entitlement.unscoped.get(pk=kept.pk).ticket_secret) == b"very-secret"
        with connection.cursor() as cursor:
            cursor.execute("SELECT ticket_secret FROM access_entitlement")
            assert b"very-secret" not in bytes(cursor.fetchone()[0])
        assert not [each for each in AuditEvent.objects.all() if "very-secret" in str(each.facts)]
