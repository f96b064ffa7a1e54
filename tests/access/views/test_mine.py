"""The page of one's own access."""

from datetime import timedelta

import pytest
from django.test import Client as Browser

from access import flows
from access.models import State
from accounts import flows as accounts
from core import clock
from sessions.models import LoginSession
from tests import cast
from tests.access.pages import ASK, page_of, state, text
from tests.support import access

pytestmark = pytest.mark.django_db


class TestMine:
    def test_it_lists_what_one_may_ask_for(self, entitlement, hers):
        answer = hers.get("/access/")

        assert "db-admin" in text(answer)
        assert f'href="{ASK}?entitlement=db-admin"' in answer.content.decode()

    def test_it_says_until_when_and_where_active_access_counts(self, active, employee, session):
        elsewhere, here = Browser(), Browser()
        cast.sign_in(elsewhere, employee)
        said = text(elsewhere.get("/access/"))

        assert "Active" in said
        assert "Ends" in said
        assert "Counts here" not in said
        assert here.get("/access/").status_code == 302

    def test_it_counts_here_in_the_session_that_began_it(self, scheduled, hers):
        hers.post(page_of(scheduled, "activate"))

        assert "Counts here" in text(hers.get("/access/"))

    def test_what_is_not_for_one_now_says_why(self, acme, employee, approver, hers):
        access.entitlement(acme, by=[approver], eligible=[employee], required_tier=3)

        said = text(hers.get("/access/"))

        assert "This needs a device that is trusted more." in said
        assert "See why not" in said

    def test_what_a_stronger_sign_in_mends_may_be_asked_for(self, acme, employee, hers):
        access.entitlement(acme, eligible=[employee], required_acr="phr")

        assert "See why not" not in text(hers.get("/access/"))

    def test_what_one_may_ask_for_later_says_from_when(self, acme, employee, hers):
        made = access.entitlement(acme)
        flows.add_eligibility(
            entitlement=made, user=employee.user, now=clock.now(),
            starts_at=clock.now() + timedelta(days=3),
        )  # fmt: skip

        said = text(hers.get("/access/"))

        assert "You may ask from" in said

    def test_what_others_may_ask_for_is_not_listed(self, acme, newcomer, hers):
        access.entitlement(acme, eligible=[newcomer], name="vault")

        assert "vault" not in text(hers.get("/access/"))

    def test_standing_roles_are_told_apart(self, active, employee, acme, hers):
        accounts.assign_role(user=employee.user, role=access.role(acme, "auditor"), now=clock.now())
        standing = hers.get("/access/").content.decode().partition('id="standing"')[2]

        assert "auditor" in standing.partition("</section>")[0]
        assert "db-admin" not in standing.partition("</section>")[0]

    def test_what_time_has_ended_is_over_though_no_worker_says_so(self, active, hers, later):
        later(hours=1)
        cast_again = hers.get("/access/")

        assert state(active) == State.ACTIVE
        page = cast_again.content.decode()
        assert "Nothing for now" in page.partition('id="waiting"')[0]
        assert "It has reached its end." in page

    def test_it_asks_the_database_no_more_for_more(
        self, acme, employee, approver, hers, django_assert_max_num_queries
    ):
        for number in range(8):
            made = access.entitlement(acme, by=[approver], eligible=[employee], name=f"e-{number}")
            flows.request_grant(
                entitlement=made, requester=employee.user,
                session_id=LoginSession.unscoped.get(user=employee.user).pk, now=clock.now(),
            )  # fmt: skip

        with django_assert_max_num_queries(45):
            hers.get("/access/")
