"""Asking: what is refused, what is asked of whoever asks, and what counts again."""

from datetime import timedelta
from unittest import mock

import pytest
from django.db import connection

from access import flows, tickets
from access.explaining import explain_answer
from access.models import Approval, Grant, GrantEvent, State
from access.offers import StageLine
from accounts import flows as accounts
from accounts.models import LockTarget, OutgoingMail
from core import clock, webhooks
from core.errors import Refusal
from tests.support import access

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def refused(code: str, entitlement, person, session, **wish) -> str:
    before = Grant.unscoped.count(), GrantEvent.unscoped.count()
    with pytest.raises(Refusal) as error:
        access.ask(entitlement, person, session, **wish)
    assert error.value.code == code
    assert (Grant.unscoped.count(), GrantEvent.unscoped.count()) == before
    return error.value.detail


class TestWhoMayAsk:
    def test_only_the_eligible(self, entitlement, newcomer):
        mine = access.session_of(newcomer, acr="aal1")

        assert "eligible" in refused("not_allowed", entitlement, newcomer, mine)

    def test_nobody_of_another_organisation(self, entitlement, outsider):
        refused("not_found", entitlement, outsider, access.session_of(outsider))

    def test_members_of_an_eligible_group(self, acme, approver, newcomer, entitlement):
        group = accounts.create_group(organisation=acme, name="ops", now=clock.now())
        flows.add_eligibility(entitlement=entitlement, group=group, now=clock.now())
        mine = access.session_of(newcomer, acr="aal1")
        refused("not_allowed", entitlement, newcomer, mine)

        accounts.add_group_member(group=group, user=newcomer.user, now=clock.now())
        assert access.ask(entitlement, newcomer, mine).state == State.APPROVAL_AWAITED

    def test_from_when_until_when(self, acme, approver, newcomer, later):
        offered = access.entitlement(acme, by=[approver], name="dated")
        now = clock.now()
        flows.add_eligibility(
            entitlement=offered, user=newcomer.user, now=now,
            starts_at=now + HOUR, ends_at=now + 2 * HOUR,
        )  # fmt: skip
        mine = access.session_of(newcomer, acr="aal1")

        refused("not_allowed", offered, newcomer, mine)
        later(hours=1)
        assert access.ask(offered, newcomer, mine, dry_run=True)
        later(hours=1)
        refused("not_allowed", offered, newcomer, mine)

    def test_not_in_somebody_elses_session(self, entitlement, employee, approver):
        refused("not_allowed", entitlement, employee, access.session_of(approver))

    def test_not_in_a_session_that_is_over(self, entitlement, employee, session, later):
        later(days=2)
        refused("not_allowed", entitlement, employee, session)

    def test_not_who_is_locked(self, acme, entitlement, employee, session):
        accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.USER, target=str(employee.user.pk),
            reason="test", now=clock.now(),
        )  # fmt: skip
        assert "locked" in refused("not_allowed", entitlement, employee, session)

    def test_not_for_what_is_retired(self, entitlement, employee, session):
        flows.retire_entitlement(entitlement=entitlement, now=clock.now())
        refused("not_allowed", entitlement, employee, session)

    def test_a_stronger_sign_in_where_one_is_asked_for(self, acme, employee):
        offered = access.entitlement(acme, eligible=[employee], required_acr="phr")

        refused("insufficient_user_authentication", offered, employee, access.session_of(employee))
        strong = access.session_of(employee, acr="phr")
        assert access.ask(offered, employee, strong).state == State.SCHEDULED

    def test_a_fresher_sign_in_where_one_is_asked_for(self, acme, employee, session, later):
        offered = access.entitlement(acme, eligible=[employee], max_age=5 * MINUTE)

        later(minutes=5, seconds=1)
        refused("insufficient_user_authentication", offered, employee, session)

    def test_a_trusted_device_where_one_is_asked_for(self, acme, employee, session):
        offered = access.entitlement(acme, eligible=[employee], required_tier=2)

        assert "device" in refused("not_allowed", offered, employee, session)

    def test_only_where_its_condition_holds(self, acme, employee, session):
        body = 'input.request.duration <= 600\n"pwd" in input.session.methods'
        offered = access.entitlement(acme, eligible=[employee], condition=body)

        refused("not_allowed", offered, employee, session)
        assert access.ask(offered, employee, session, duration=10 * MINUTE)


class TestWhatIsAsked:
    @pytest.mark.parametrize(
        "duration",
        [timedelta(0), -MINUTE, HOUR + timedelta(seconds=1), timedelta(days=3650),
         timedelta(milliseconds=900)],
        ids=str,
    )  # fmt: skip
    def test_no_duration_beyond_what_is_offered(self, entitlement, employee, session, duration):
        refused("invalid_request", entitlement, employee, session, duration=duration)

    @pytest.mark.parametrize(
        "ahead", [-MINUTE, timedelta(microseconds=-1), timedelta(days=8)], ids=str
    )
    def test_no_start_in_the_past_or_too_far(self, entitlement, employee, session, ahead):
        refused("invalid_request", entitlement, employee, session, starts_at=clock.now() + ahead)

    def test_a_reason_where_one_is_asked_for(self, acme, employee, session):
        offered = access.entitlement(acme, eligible=[employee], reason_required=True)

        for reason in ("", "   ", "\n\t"):
            assert refused("invalid_request", offered, employee, session, reason=reason)
        assert access.ask(offered, employee, session, reason="to  mend\nit").reason == "to mend it"

    def test_no_reason_of_a_thousand_and_one(self, entitlement, employee, session):
        refused("invalid_request", entitlement, employee, session, reason="x" * 1001)
        refused("invalid_request", entitlement, employee, session, reason="a\x00b")

    def test_a_ticket_of_the_right_form(self, acme, employee, session):
        offered = access.entitlement(acme, eligible=[employee], ticket_pattern="[A-Z]+-[0-9]+")

        assert "name a ticket" in refused("invalid_request", offered, employee, session)
        for ticket in ("ops-1", "OPS-1 OPS-2", "xOPS-1"):
            assert "number" in refused("invalid_request", offered, employee, session, ticket=ticket)
        assert access.ask(offered, employee, session, ticket="OPS-17").ticket == "OPS-17"

    def test_not_what_is_open_already(self, request_, entitlement, employee, session):
        refused("conflict", entitlement, employee, session)

    def test_again_once_it_is_over_though_no_worker_ran(
        self, request_, entitlement, employee, session, later
    ):
        later(hours=1)

        assert access.ask(entitlement, employee, session).state == State.APPROVAL_AWAITED
        assert access.fresh(request_).state == State.EXPIRED

    def test_its_terms_are_what_an_approver_sees(self, acme, entitlement, employee, session):
        grant = access.ask(entitlement, employee, session, reason="r", duration=10 * MINUTE)

        assert grant.terms["roles"] == [
            {"id": str(access.role(acme, "db-admin").pk), "name": "db-admin"}
        ]
        assert grant.terms["duration"] == 600
        assert grant.terms["requester"]["email"] == employee.email
        assert [each["kind"] for each in grant.terms["stages"][0]["approvers"]] == ["user"]

    def test_a_rehearsal_says_what_would_be_and_leaves_nothing(
        self, entitlement, employee, session, settings
    ):
        settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"

        grant = access.ask(entitlement, employee, session, dry_run=True)

        assert grant.state == State.APPROVAL_AWAITED
        assert not Grant.unscoped.exists()
        assert not OutgoingMail.objects.exists()
        refused("invalid_request", entitlement, employee, session, duration=2 * HOUR, dry_run=True)


class TestAWishedStart:
    def test_it_does_not_begin_before_it_nor_by_itself(
        self, entitlement, employee, approver, session, later
    ):
        grant = access.ask(
            entitlement, employee, session, starts_at=clock.now() + HOUR, duration=10 * MINUTE
        )
        access.approve(grant, approver)
        with pytest.raises(Refusal, match="before its start"):
            access.activate(grant, employee, session)

        later(hours=1, minutes=5)
        assert access.fresh(grant).state == State.SCHEDULED
        active = access.activate(grant, employee, session)
        assert active.ends_at - active.activated_at == 10 * MINUTE

    def test_its_owner_hears_once_that_it_is_reached(
        self, entitlement, employee, approver, session, later, settings
    ):
        settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
        grant = access.ask(entitlement, employee, session, starts_at=clock.now() + HOUR)
        access.approve(grant, approver)
        assert flows.activate_due(now=clock.now()) == 0

        later(hours=1)
        assert flows.activate_due(now=clock.now()) == 1
        assert flows.activate_due(now=clock.now()) == 0

    def test_eligibility_is_judged_again_when_it_begins(
        self, entitlement, employee, approver, session, later
    ):
        grant = access.ask(entitlement, employee, session, starts_at=clock.now() + HOUR)
        access.approve(grant, approver)
        later(hours=1)
        entitlement.eligibilities.update(ends_at=clock.now())

        with pytest.raises(Refusal, match="eligible"):
            access.activate(grant, employee, session)
        assert access.fresh(grant).state == State.ACTIVATION_FAILED


class TestAnApprovalCountsAgain:
    @pytest.fixture
    def offered(self, acme, employee, approver):
        return access.entitlement(
            acme, by=[approver], eligible=[employee], name="again", approval_window=4 * HOUR
        )

    @pytest.fixture
    def used(self, offered, employee, approver, session):
        grant = access.ask(offered, employee, session, duration=30 * MINUTE)
        access.approve(grant, approver)
        access.activate(grant, employee, session)
        flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())
        return access.fresh(grant)

    def test_within_its_window_nobody_is_asked_again(self, used, offered, employee, session, later):
        later(hours=3)
        again = access.ask(offered, employee, session, duration=30 * MINUTE)

        assert (again.state, again.reused_from) == (State.SCHEDULED, used)
        assert again.approved_at == used.approved_at
        assert access.activate(again, employee, session).state == State.ACTIVE
        assert access.roles_in(session) == ["db-admin"]

    def test_by_what_was_asked_then_and_not_by_what_is_asked_now(
        self, acme, employee, approver, session
    ):
        """A threshold about the reason of the request was met by the reason that was approved."""
        offered = access.entitlement(
            acme, eligible=[employee], name="for-tickets", approval_window=4 * HOUR,
            stages=[StageLine(access.named(approver), approvals_needed=0)],
            thresholds=[{"filter": "regex.match(`^Ticket [0-9]+`, input.request.reason)"}],
        )  # fmt: skip
        first = access.ask(offered, employee, session, reason="Ticket 7")
        access.activate(access.approve(first, approver), employee, session)
        flows.drop_grant(grant=first, requester=employee.user, now=clock.now())

        again = access.ask(offered, employee, session, reason="the same again")
        assert access.activate(again, employee, session).state == State.ACTIVE

    def test_not_after_it_however_often_it_was_used(self, used, offered, employee, session, later):
        later(hours=3)
        again = access.ask(offered, employee, session, duration=30 * MINUTE)
        access.activate(again, employee, session)
        later(hours=1, seconds=1)

        third = access.ask(offered, employee, session, duration=30 * MINUTE)
        assert (third.state, third.reused_from) == (State.APPROVAL_AWAITED, None)

    @pytest.mark.parametrize("wish", [{"duration": 31 * MINUTE}, {"ticket": "OPS-1"}], ids=str)
    def test_not_for_anything_else(self, used, offered, employee, session, wish):
        wanted = {"duration": 30 * MINUTE} | wish

        assert access.ask(offered, employee, session, **wanted).reused_from is None

    def test_not_for_terms_that_changed(self, acme, used, offered, employee, approver, session):
        changed = access.offer(acme, by=[approver], approval_window=4 * HOUR, description="new")
        flows.update_entitlement(entitlement=offered, offer=changed, now=clock.now())

        again = access.ask(offered, employee, session, duration=30 * MINUTE)
        assert again.reused_from is None

    def test_not_what_was_taken_away(self, offered, employee, approver, session):
        grant = access.ask(offered, employee, session)
        access.approve(grant, approver)
        access.activate(grant, employee, session)
        flows.revoke_grant(grant=grant, actor=approver.user, reason="no", now=clock.now())

        assert access.ask(offered, employee, session).reused_from is None

    def test_not_once_whoever_gave_it_is_gone(self, used, offered, employee, approver, session):
        again = access.ask(offered, employee, session, duration=30 * MINUTE)
        accounts.deactivate_user(user=approver.user, now=clock.now())

        with pytest.raises(Refusal, match="could not do so any more"):
            access.activate(again, employee, session)

    def test_what_counts_no_more_is_asked_for_anew(
        self, used, offered, employee, approver, session
    ):
        """Reused all the same, it could not begin, time after time, until its window is over."""
        accounts.deactivate_user(user=approver.user, now=clock.now())

        again = access.ask(offered, employee, session, duration=30 * MINUTE)
        assert (again.state, again.reused_from) == (State.APPROVAL_AWAITED, None)

    def test_a_start_beyond_the_window_is_asked_for_anew(self, used, offered, employee, session):
        ahead = clock.now() + 4 * HOUR
        again = access.ask(offered, employee, session, duration=30 * MINUTE, starts_at=ahead)

        assert (again.state, again.reused_from) == (State.APPROVAL_AWAITED, None)

    def test_not_what_was_suspended_when_it_was_given_back(
        self, offered, employee, approver, session
    ):
        grant = access.approve(access.ask(offered, employee, session), approver)
        access.activate(grant, employee, session)
        flows.suspend_grant(grant=grant, actor=approver.user, now=clock.now())
        flows.drop_grant(grant=grant, requester=employee.user, now=clock.now())

        assert access.ask(offered, employee, session).reused_from is None

    def test_not_where_the_entitlement_has_no_window(self, active, entitlement, employee, session):
        flows.drop_grant(grant=active, requester=employee.user, now=clock.now())

        assert access.ask(entitlement, employee, session).state == State.APPROVAL_AWAITED


class TestExtension:
    def extend(self, grant, employee, session, **wish):
        return flows.extend_grant(
            grant=grant, requester=employee.user, session_id=session.pk, now=clock.now(), **wish
        )

    def test_it_is_approved_as_the_first_was_and_takes_its_place(
        self, active, employee, approver, session, later
    ):
        later(minutes=50)
        longer = self.extend(active, employee, session)
        assert (longer.state, longer.extends) == (State.APPROVAL_AWAITED, active)
        assert access.fresh(active).ends_at == active.ends_at

        access.approve(longer, approver)
        begun = access.activate(longer, employee, session)
        assert begun.ends_at == begun.activated_at + HOUR
        assert access.fresh(active).end_cause == "extended"
        assert access.roles_in(session) == ["db-admin"]
        later(minutes=59)
        assert access.roles_in(session) == ["db-admin"]
        later(minutes=1)
        assert access.roles_in(session) == []

    def test_not_once_what_it_extends_was_taken_away(self, active, employee, approver, session):
        longer = access.approve(self.extend(active, employee, session), approver)
        flows.revoke_grant(grant=active, actor=approver.user, reason="no", now=clock.now())

        with pytest.raises(Refusal, match="taken away"):
            access.activate(longer, employee, session)
        assert access.fresh(longer).state == State.ACTIVATION_FAILED
        assert access.kinds(longer)[-1] == "activation_failed"
        assert access.roles_in(session) == []

    def test_one_at_a_time(self, active, employee, session):
        self.extend(active, employee, session)

        with pytest.raises(Refusal) as error:
            self.extend(active, employee, session)
        assert error.value.code == "conflict"

    def test_only_of_what_is_active(self, active, employee, session, later):
        later(hours=1)

        with pytest.raises(Refusal, match="is over"):
            self.extend(active, employee, session)

    def test_not_of_what_is_suspended_nor_to_get_round_that(
        self, active, employee, approver, session
    ):
        longer = access.approve(self.extend(active, employee, session), approver)
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())

        with pytest.raises(Refusal, match="suspended"):
            access.activate(longer, employee, session)
        flows.cancel_grant(grant=longer, requester=employee.user, now=clock.now())
        with pytest.raises(Refusal, match="is over"):
            self.extend(active, employee, session)
        assert access.roles_in(session) == []

    def test_only_of_ones_own(self, active, approver):
        with pytest.raises(Refusal) as error:
            self.extend(active, approver, access.session_of(approver))
        assert error.value.code == "not_found"

    def test_not_beyond_what_is_offered(self, active, employee, session):
        with pytest.raises(Refusal, match="cannot last that long"):
            self.extend(active, employee, session, duration=2 * HOUR)


def test_an_entitlement_asks_who_keeps_tickets(acme, employee, session, elsewhere):
    uri = elsewhere.serve("/tickets", b'{"valid": true}', content_type="application/json")
    offered = access.entitlement(acme, eligible=[employee], ticket_webhook=uri)

    grant = access.ask(offered, employee, session, ticket="OPS-17")
    assert access.activate(grant, employee, session).state == State.ACTIVE
    assert len(elsewhere.requests) == 2  # and again when it begins


class TestTicketsAtAnApproval:
    @pytest.fixture
    def offered(self, acme, employee, approver, elsewhere):
        uri = elsewhere.serve("/tickets", b'{"valid": true}', content_type="application/json")
        return access.entitlement(acme, by=[approver], eligible=[employee], ticket_webhook=uri)

    def close(self, elsewhere, body=b'{"valid": false}', status=200):
        elsewhere.serve("/tickets", body, content_type="application/json", status=status)

    def test_it_is_asked_for_again(self, offered, employee, approver, session, elsewhere):
        request = access.ask(offered, employee, session, ticket="OPS-17")

        assert access.approve(request, approver).state == State.SCHEDULED
        assert len(elsewhere.requests) == 2
        assert b"OPS-17" in elsewhere.requests[1][3]

    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (b'{"valid": false}', 200, "invalid_request"),
            (b"", 503, "temporarily_unavailable"),
            (b"{}", 200, "temporarily_unavailable"),
        ],
        ids=["closed", "away", "odd"],
    )
    def test_one_that_is_not_good_any_more_approves_nothing(
        self, offered, employee, approver, session, elsewhere, body, status, code
    ):
        request = access.ask(offered, employee, session, ticket="OPS-17")
        self.close(elsewhere, body, status)

        with pytest.raises(Refusal) as refusal:
            access.approve(request, approver)
        assert refusal.value.code == code
        assert access.fresh(request).state == State.APPROVAL_AWAITED
        assert not Approval.unscoped.exists()
        self.close(elsewhere, b'{"valid": true}')
        assert access.approve(request, approver).state == State.SCHEDULED

    def test_a_denial_asks_for_none(self, offered, employee, approver, session, elsewhere):
        request = access.ask(offered, employee, session, ticket="OPS-17")
        self.close(elsewhere)

        assert access.deny(request, approver).state == State.DENIED
        assert len(elsewhere.requests) == 1

    def test_whoever_could_not_answer_has_nobody_asked(
        self, offered, employee, lead, session, elsewhere
    ):
        request = access.ask(offered, employee, session, ticket="OPS-17")
        for who in (lead, employee):
            with pytest.raises(Refusal) as refusal:
                access.approve(request, who)
            assert refusal.value.code == "not_allowed"

        assert len(elsewhere.requests) == 1

    def test_nobody_waits_for_it_while_the_grant_is_held(
        self, offered, employee, approver, session, elsewhere
    ):
        """A slow answer would keep others from the row."""
        request = access.ask(offered, employee, session, ticket="OPS-17")
        depths = []
        outside = len(connection.savepoint_ids) + connection.in_atomic_block
        asked = tickets.outbound.post
        with mock.patch.object(tickets.outbound, "post") as post:
            post.side_effect = lambda *args, **how: (
                depths.append(len(connection.savepoint_ids) + connection.in_atomic_block),
                asked(*args, **how),
            )[1]
            access.approve(request, approver)

        assert depths == [outside]

    def test_looking_at_the_request_asks_nobody(
        self, offered, employee, approver, session, elsewhere
    ):
        request = access.ask(offered, employee, session, ticket="OPS-17")
        explain_answer(
            grant=request, approver=approver.user, session_id=access.session_of(approver).pk,
            now=clock.now(),
        )  # fmt: skip

        assert len(elsewhere.requests) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"valid": false}', 200, "invalid_request"),
        (b'{"valid": 1}', 200, "temporarily_unavailable"),
        (b"{}", 200, "temporarily_unavailable"),
        (b"[true]", 200, "temporarily_unavailable"),
        (b"<html>", 200, "temporarily_unavailable"),
        (b'{"valid": true}', 500, "temporarily_unavailable"),
        (b'{"valid": true}' + b" " * 5000, 200, "temporarily_unavailable"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_whatever_else_is_answered_is_a_no(acme, employee, session, elsewhere, body, status, code):
    uri = elsewhere.serve("/tickets", body, status=status, content_type="application/json")
    offered = access.entitlement(acme, eligible=[employee], ticket_webhook=uri)

    refused(code, offered, employee, session, ticket="OPS-17")


def test_nobody_there_is_a_no(acme, employee, session, settings):
    offered = access.entitlement(
        acme, eligible=[employee], ticket_webhook="https://127.0.0.1:9/tickets"
    )

    refused("temporarily_unavailable", offered, employee, session, ticket="OPS-17")


def test_the_question_is_signed_as_webhooks_are(acme, employee, session, elsewhere):
    uri = elsewhere.serve("/tickets", b'{"valid": true}', content_type="application/json")
    offered = access.entitlement(
        acme, eligible=[employee], ticket_webhook=uri, ticket_secret=b"shared"
    )
    access.ask(offered, employee, session, ticket="OPS-17")

    _, _, headers, body = elsewhere.requests[0]
    assert headers["webhook-signature"] == webhooks.signature(
        b"shared", headers["webhook-id"], headers["webhook-timestamp"], body
    )
    assert b"OPS-17" in body


def test_stages_are_told_in_their_order(acme, employee, approver, lead, session):
    offered = access.entitlement(
        acme, eligible=[employee], name="two",
        stages=[StageLine(access.named(lead)), StageLine(access.named(approver))],
    )  # fmt: skip

    terms = access.ask(offered, employee, session).terms
    assert [stage["approvers"][0]["name"] for stage in terms["stages"]] == [
        "Lena Lund", "Bob Baker",
    ]  # fmt: skip
