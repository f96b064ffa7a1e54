"""The inbox, and the page on which approvers answer."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser

from access import flows
from access.models import State
from access.offers import ApproverLine, StageLine
from access.reading import answerable
from accounts import flows as accounts
from core import clock
from sessions.models import LoginSession
from tests import cast
from tests.access.pages import page_of, query_of, state, text
from tests.cast import Person
from tests.support import access

pytestmark = pytest.mark.django_db


class TestInbox:
    def test_who_has_waited_longest_comes_first(
        self, acme, employee, newcomer, approver, entitlement, theirs, later
    ):
        other = access.entitlement(acme, by=[approver], eligible=[newcomer], name="vault")
        access.ask(entitlement, employee, access.session_of(employee))
        later(minutes=1)
        access.ask(other, newcomer, access.session_of(newcomer))

        page = theirs.get("/access/inbox/").content.decode()

        assert 0 < page.index("db-admin") < page.index("vault")
        assert "To be answered until" in page

    def test_every_page_counts_what_waits(self, request_, theirs, hers):
        assert "2 waiting" not in text(theirs.get("/"))
        assert "1 waiting" in text(theirs.get("/"))
        assert "1 request for access to answer" in text(theirs.get("/"))
        assert "To answer" not in text(hers.get("/"))

    def inbox(self, who: Person) -> int:
        hers = Browser()
        cast.sign_in(hers, who)
        page = hers.get("/access/inbox/").content.decode()
        return page.count("/access/grants/")

    def test_it_is_for_those_who_are_named_in_whatever_way(
        self, acme, employee, lead, newcomer, approver
    ):
        group = accounts.create_group(organisation=acme, name="leads", now=clock.now())
        accounts.add_group_member(group=group, user=lead.user, now=clock.now())
        role = access.role(acme, "approver-of-all")
        accounts.assign_role(user=approver.user, role=role, now=clock.now())
        made = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine([ApproverLine(group=group), ApproverLine(role=role)])],
        )  # fmt: skip
        access.ask(made, employee, access.session_of(employee))

        assert [self.inbox(who) for who in (lead, approver, newcomer, employee)] == [1, 1, 0, 0]

    def test_a_stage_that_escalates_reaches_others_later(
        self, acme, employee, lead, approver, later
    ):
        stage = StageLine(
            [*access.named(approver), *access.named(lead, is_escalation=True)],
            escalate_after=timedelta(minutes=10),
        )
        made = access.entitlement(acme, eligible=[employee], stages=[stage])
        access.ask(made, employee, access.session_of(employee))

        assert [self.inbox(approver), self.inbox(lead)] == [1, 0]
        later(minutes=10)
        assert [self.inbox(approver), self.inbox(lead)] == [1, 1]

    def test_what_is_too_late_is_gone_though_no_worker_says_so(self, request_, approver, later):
        later(hours=1)

        assert state(request_) == State.APPROVAL_AWAITED
        assert self.inbox(approver) == 0

    def test_what_one_has_answered_is_gone(self, acme, employee, approver, lead):
        made = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(access.named(approver, lead), approvals_needed=2)],
        )  # fmt: skip
        grant = access.ask(made, employee, access.session_of(employee))
        access.approve(grant, approver)

        assert [self.inbox(approver), self.inbox(lead)] == [0, 1]

    def test_a_request_of_another_account_of_ones_own_is_not_in_it(
        self, request_, employee, approver
    ):
        approver.user.person_id = employee.user.person_id
        approver.user.save(update_fields=["person_id"])

        assert self.inbox(approver) == 0

    def test_it_is_one_statement(self, request_, approver, django_assert_num_queries):
        with django_assert_num_queries(1):
            assert answerable(approver.user, clock.now()).count() == 1


class TestAnswering:
    def test_one_screen_says_who_what_why_how_unusual_and_on_what(self, request_, employee, theirs):
        said = text(theirs.get(page_of(request_)))

        for words in (
            employee.email, "to mend it", "db-admin", "1 hour", "As usual", "Two factors",
            "No enrolled device", "Never asked for it within 90 days", "Your yes is enough",
            "Your no is final",
        ):  # fmt: skip
            assert words in said, words

    def test_it_tells_how_often_before(self, scheduled, employee, entitlement, theirs):
        flows.cancel_grant(grant=scheduled, requester=employee.user, now=clock.now())
        again = access.ask(entitlement, employee, access.session_of(employee))

        said = text(theirs.get(page_of(again)))

        assert "Asked for it 1 time within 90 days" in said
        assert "Withdrawn" in said

    def test_a_yes_counts(self, request_, theirs):
        answer = theirs.post(
            page_of(request_, "answer"), {"decision": "approve", "reason": "fine"}, follow=True
        )

        assert state(request_) == State.SCHEDULED
        assert "Approved. Its owner is told and may begin." in text(answer)
        assert access.fresh(request_).approvals.get().reason == "fine"

    def test_a_no_counts(self, request_, theirs, hers):
        theirs.post(page_of(request_, "answer"), {"decision": "deny", "reason": "not today"})

        assert state(request_) == State.DENIED
        assert "not today" in text(hers.get(page_of(request_)))

    def test_what_is_neither_is_not_taken(self, request_, theirs):
        answer = theirs.post(page_of(request_, "answer"), {"decision": "maybe"}, follow=True)

        assert "Select a valid choice" in text(answer)
        assert state(request_) == State.APPROVAL_AWAITED

    def test_an_old_proof_is_made_again_and_the_reason_comes_back(self, request_, theirs, later):
        later(minutes=11)
        said = {"decision": "approve", "reason": "I know her"}
        answer = theirs.post(page_of(request_, "answer"), said)

        assert urlsplit(answer["Location"]).path == "/step-up/"
        LoginSession.unscoped.update(auth_time=clock.now())
        assert theirs.get(query_of(answer)["next"][0])["Location"] == page_of(request_)
        assert "I know her" in text(theirs.get(page_of(request_)))
        assert "I know her" not in text(theirs.get(page_of(request_)))
        assert state(request_) == State.APPROVAL_AWAITED

    def test_one_factor_is_not_enough(self, request_, approver):
        weak = Browser()
        cast.sign_in(weak, approver, acr="aal1")

        answer = weak.post(page_of(request_, "answer"), {"decision": "approve"})

        assert query_of(answer)["acr"] == ["aal2"]
        assert state(request_) == State.APPROVAL_AWAITED

    def test_nobody_answers_their_own_nor_what_is_not_theirs_to_answer(
        self, request_, hers, newcomer
    ):
        stranger = Browser()
        cast.sign_in(stranger, newcomer)
        for who in (hers, stranger):
            answer = who.post(page_of(request_, "answer"), {"decision": "approve"})
            assert answer.status_code == 404

        assert state(request_) == State.APPROVAL_AWAITED

    def test_a_reason_that_is_asked_for_is_given(self, acme, employee, approver, theirs):
        made = access.entitlement(
            acme, by=[approver], eligible=[employee], approver_reason_required=True
        )
        grant = access.ask(made, employee, access.session_of(employee))

        theirs.post(page_of(grant, "answer"), {"decision": "approve", "reason": " "})
        assert state(grant) == State.APPROVAL_AWAITED
        theirs.post(page_of(grant, "answer"), {"decision": "approve", "reason": "yes"})
        assert state(grant) == State.SCHEDULED

    def test_stages_are_told_and_passed(self, acme, employee, approver, lead, theirs):
        made = access.entitlement(
            acme, eligible=[employee],
            stages=[StageLine(access.named(approver)), StageLine(access.named(lead))],
        )  # fmt: skip
        grant = access.ask(made, employee, access.session_of(employee))

        said = text(theirs.get(page_of(grant)))
        assert "Stage 1 of 2" in said
        assert "Your yes passes this stage; the next one is asked." in said
        theirs.post(page_of(grant, "answer"), {"decision": "approve"})
        assert "You are no approver of this request as it stands." in text(
            theirs.get(page_of(grant))
        ) or "You have answered." in text(theirs.get(page_of(grant)))
        assert state(grant) == State.APPROVAL_AWAITED

    def test_what_was_given_is_taken_away(self, active, theirs, hers):
        theirs.post(page_of(active, "revoke"), {"reason": "no longer needed"})

        assert state(active) == State.REVOKED
        assert "no longer needed" in text(hers.get(page_of(active)))

    def test_it_is_not_taken_away_without_a_reason_nor_by_its_owner(self, active, theirs, hers):
        theirs.post(page_of(active, "revoke"), {"reason": ""})
        assert hers.post(page_of(active, "revoke"), {"reason": "x"}).status_code == 404

        assert state(active) == State.ACTIVE
