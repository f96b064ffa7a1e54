"""The page of one grant, and what its owner does there."""

from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser

from access.models import Eligibility, GrantEvent, State
from core import clock
from tests import cast
from tests.access.pages import page_of, query_of, state, text
from tests.support import access

pytestmark = pytest.mark.django_db


class TestOneGrant:
    def test_only_its_owner_and_who_may_answer_see_it(
        self, request_, hers, theirs, newcomer, outsider, lead
    ):
        assert hers.get(page_of(request_)).status_code == 200
        assert theirs.get(page_of(request_)).status_code == 200
        for other in (newcomer, outsider, lead):
            stranger = Browser()
            cast.sign_in(stranger, other)
            assert stranger.get(page_of(request_)).status_code == 404, other.email

    def test_an_administrator_sees_it_once_two_factors_are_proven(self, request_, acme):
        admin = cast.person("ada@acme.example", acme, totp=True, is_staff=True)
        weak, strong = Browser(), Browser()
        cast.sign_in(weak, admin, acr="aal1")
        cast.sign_in(strong, admin)

        assert weak.get(page_of(request_)).status_code == 404
        assert strong.get(page_of(request_)).status_code == 200

    def test_an_administrator_of_another_organisation_does_not(self, request_, globex):
        admin = cast.person("ada@globex.example", globex, totp=True, is_staff=True)
        hers = Browser()
        cast.sign_in(hers, admin)

        assert hers.get(page_of(request_)).status_code == 404

    def test_its_timeline_names_people(self, active, employee, approver, hers):
        said = text(hers.get(page_of(active)))

        assert f"Asked for by {employee.user}" in said
        assert f"Approved by {approver.user}" in said
        assert f"Began by {employee.user}" in said

    def test_looking_changes_nothing(self, scheduled, hers, theirs):
        events = GrantEvent.unscoped.count()
        for act in ("", "activate", "extend", "answer", "revoke", "review"):
            for who in (hers, theirs):
                who.get(page_of(scheduled, act))

        assert state(scheduled) == State.SCHEDULED
        assert GrantEvent.unscoped.count() == events

    @pytest.mark.parametrize("act", ["activate", "drop", "cancel", "answer", "revoke", "review"])
    def test_a_forged_form_does_nothing(self, scheduled, employee, approver, act):
        for person in (employee, approver):
            strict = Browser(enforce_csrf_checks=True)
            cast.sign_in(strict, person)
            assert strict.post(page_of(scheduled, act), {"decision": "deny"}).status_code == 403

        assert state(scheduled) == State.SCHEDULED


class TestBeginning:
    def test_a_fresh_proof_begins_it(self, scheduled, hers):
        answer = hers.post(page_of(scheduled, "activate"))

        assert answer["Location"] == page_of(scheduled)
        assert state(scheduled) == State.ACTIVE

    def test_a_proof_that_is_two_minutes_old_is_made_again(self, scheduled, hers, later):
        later(minutes=2, seconds=1)
        answer = hers.post(page_of(scheduled, "activate"))

        assert urlsplit(answer["Location"]).path == "/step-up/"
        assert query_of(answer)["max_age"] == ["120"]
        assert state(scheduled) == State.SCHEDULED

    def test_what_the_entitlement_asks_for_is_asked_for(self, acme, employee, hers):
        free = access.entitlement(acme, eligible=[employee], required_acr="phr")
        grant = access.ask(free, employee, access.session_of(employee, acr="phr"))

        answer = hers.post(page_of(grant, "activate"))

        assert query_of(answer)["acr"] == ["phr"]
        assert query_of(answer)["next"] == [page_of(grant, "activate")]
        assert hers.get(page_of(grant, "activate"))["Location"] == page_of(grant)
        assert state(grant) == State.SCHEDULED

    def test_why_it_cannot_begin_is_said(self, scheduled, hers):
        Eligibility.unscoped.update(ended_at=clock.now())

        answer = hers.post(page_of(scheduled, "activate"), follow=True)

        assert "Only people who were made eligible may ask for this." in text(answer)
        assert state(scheduled) == State.ACTIVATION_FAILED

    def test_nobody_begins_somebody_elses(self, scheduled, theirs):
        assert theirs.post(page_of(scheduled, "activate")).status_code == 404

    def test_it_is_given_back_and_withdrawn(self, scheduled, employee, hers, entitlement):
        hers.post(page_of(scheduled, "activate"))
        hers.post(page_of(scheduled, "drop"))
        assert state(scheduled) == State.ENDED

        second = access.ask(entitlement, employee, access.session_of(employee))
        hers.post(page_of(second, "cancel"))
        assert state(second) == State.CANCELLED

    def test_what_waits_is_not_given_back(self, scheduled, hers):
        answer = hers.post(page_of(scheduled, "drop"), follow=True)

        assert "This has not begun yet: withdraw it instead." in text(answer)

    @pytest.mark.parametrize("act", ["drop", "cancel"])
    def test_nobody_gives_back_somebody_elses(self, scheduled, theirs, act):
        assert theirs.post(page_of(scheduled, act)).status_code == 404
