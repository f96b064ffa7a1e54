"""Pages of access as people and approvers use them, by HTTP."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client as Browser

from access import flows
from access.models import Eligibility, Grant, GrantEvent, State
from access.offers import ApproverLine, StageLine
from accounts import flows as accounts
from accounts.models import OutgoingMail
from core import clock
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import access

pytestmark = pytest.mark.django_db
ASK = "/access/request/"


@pytest.fixture
def hers(employee) -> Browser:
    """Of the employee, who has just signed in by two factors."""
    mine = Browser()
    cast.sign_in(mine, employee)
    return mine


@pytest.fixture
def theirs(approver) -> Browser:
    """Of the approver."""
    other = Browser()
    cast.sign_in(other, approver)
    return other


def text(answer: Any) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def form(**changes: str) -> dict[str, str]:
    return {"minutes": "30", "reason": "to mend it", "step": "ask"} | changes


def page_of(grant: Grant, act: str = "") -> str:
    return f"/access/grants/{grant.pk}/{act and f'{act}/'}"


def state(grant: Grant) -> str:
    return access.fresh(grant).state


def query_of(answer: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(answer["Location"]).query)


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


class TestAsking:
    def test_a_link_fills_the_form_in(self, entitlement, hers):
        page = hers.get(ASK, {"entitlement": "db-admin", "duration": "45", "reason": "OPS-7"})

        assert '<option value="45" selected>45 minutes</option>' in page.content.decode()
        assert "OPS-7" in text(page)
        assert Grant.unscoped.count() == 0

    def test_every_rule_is_told_before_anything_is_sent(self, acme, employee, approver, hers):
        access.entitlement(
            acme, by=[approver], eligible=[employee], reason_required=True,
            ticket_pattern="OPS-[0-9]+", required_acr="phr",
        )  # fmt: skip
        page = hers.get(ASK, {"entitlement": "db-admin"}).content.decode()
        marks = dict(re.findall(r'rule--(\w+)" data-rule="(\w+)"', page))
        by_name = {name: mark for mark, name in re.findall(r'rule--(\w+)" data-rule="(\w+)"', page)}

        assert marks
        assert by_name["reason_given"] == by_name["ticket_good"] == "todo"
        assert by_name["strong_enough"] == "proof"
        assert by_name["eligible"] == by_name["entitlement_active"] == "good"
        assert "Please give a reason." in page
        assert approver.email in page

    def test_what_would_happen_changes_nothing(self, entitlement, hers, settings):
        settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
        answer = hers.post(f"{ASK}?entitlement=db-admin", form(step="look"))

        assert answer.status_code == 200
        assert "nothing was asked yet" in text(answer)
        assert "It lasts 30 minutes from the moment that you begin." in text(answer)
        assert Grant.unscoped.count() == GrantEvent.unscoped.count() == 0
        assert OutgoingMail.objects.count() == 0

    def test_asking_makes_a_request_and_shows_it(self, entitlement, hers, employee):
        answer = hers.post(f"{ASK}?entitlement=db-admin", form())
        grant = Grant.unscoped.get()

        assert answer["Location"] == page_of(grant)
        assert grant.duration == timedelta(minutes=30)
        assert (grant.reason, grant.state) == ("to mend it", State.APPROVAL_AWAITED)
        assert "Waiting for approval" in text(hers.get(answer["Location"]))

    def test_a_wished_start_is_in_utc(self, entitlement, hers):
        begins = (clock.now() + timedelta(days=1)).replace(second=0, microsecond=0)
        hers.post(f"{ASK}?entitlement=db-admin", form(starts_at=begins.strftime("%Y-%m-%dT%H:%M")))

        assert Grant.unscoped.get().starts_at == begins

    @pytest.mark.parametrize(
        ("typed", "words"),
        [
            ({"minutes": "61"}, "It lasts 1 hour at most."),
            ({"minutes": "-5"}, "It lasts 1 hour at most."),
            ({"minutes": "soon"}, "It lasts 1 hour at most."),
            ({"reason": ""}, "This field is required."),
            ({"reason": "r" * 1001}, "at most 1000 characters"),
            ({"starts_at": "2020-01-01T00:00"}, "It cannot start in the past, nor that far ahead."),
            ({"starts_at": "whenever"}, "Enter a valid date/time."),
            ({"ticket": "nonsense"}, "This is no number of a ticket as it is asked for."),
            ({"ticket": ""}, "This field is required."),
        ],
        ids=["longer", "negative", "no number", "no reason", "long reason", "past", "no time",
             "another ticket", "no ticket"],
    )  # fmt: skip
    def test_what_is_amiss_is_said_and_nothing_is_written(
        self, acme, employee, approver, hers, typed, words
    ):
        access.entitlement(
            acme, by=[approver], eligible=[employee], reason_required=True,
            ticket_pattern="OPS-[0-9]+",
        )  # fmt: skip

        answer = hers.post(f"{ASK}?entitlement=db-admin", form(ticket="OPS-1") | typed)

        assert answer.status_code in {200, 400}
        assert words in text(answer)
        assert Grant.unscoped.count() == 0

    def test_a_second_request_is_led_to_the_first(self, request_, hers):
        page = hers.get(ASK, {"entitlement": "db-admin"})
        answer = hers.post(f"{ASK}?entitlement=db-admin", form())

        assert page_of(request_) in page.content.decode()
        assert answer.status_code == 409
        assert "You have asked for this already, or have it." in text(answer)
        assert Grant.unscoped.count() == 1

    def test_what_nobody_answered_in_time_is_in_nobodys_way(self, request_, hers, later):
        later(hours=1)
        page = hers.get(ASK, {"entitlement": "db-admin"})

        assert state(request_) == State.APPROVAL_AWAITED
        assert 'id="ask-form"' in page.content.decode()
        hers.post(f"{ASK}?entitlement=db-admin", form())
        assert Grant.unscoped.filter(state=State.APPROVAL_AWAITED).exclude(pk=request_.pk).count()

    def test_a_stronger_sign_in_is_proven_and_what_was_typed_comes_back(
        self, acme, employee, approver, hers
    ):
        access.entitlement(
            acme, by=[approver], eligible=[employee], required_acr="phr",
            max_age=timedelta(minutes=5),
        )  # fmt: skip
        page = f"{ASK}?entitlement=db-admin"

        answer = hers.post(page, form(minutes="15", reason="a long reason of mine"))

        assert urlsplit(answer["Location"]).path == "/step-up/"
        assert query_of(answer) == {"next": [page], "acr": ["phr"], "max_age": ["300"]}
        again = hers.get(page)
        assert "a long reason of mine" in text(again)
        assert '<option value="15" selected>' in again.content.decode()
        assert "a long reason of mine" not in text(hers.get(page))
        assert Grant.unscoped.count() == 0

    def test_nobody_asks_without_end(self, acme, employee, hers, early_in_a_window):
        access.entitlement(acme, eligible=[employee])
        statuses = [
            hers.post(f"{ASK}?entitlement=db-admin", form(step="look")).status_code
            for _ in range(31)
        ]

        assert statuses[-2:] == [200, 429]


class TestWhatIsNotThere:
    """Unknown, not for this person, retired, or of another organisation: all the same."""

    def page(self, hers: Browser, name: str) -> tuple[int, str]:
        answer = hers.get(ASK, {"entitlement": name})
        return answer.status_code, re.sub(r'csrf\w+" value="\w+"|nonce="[^"]+"', "", text(answer))

    def test_it_is_one_kind_page(self, acme, globex, employee, outsider, newcomer, hers):
        access.entitlement(globex, eligible=[outsider], name="theirs")
        access.entitlement(acme, eligible=[newcomer], name="hers")
        retired = access.entitlement(acme, eligible=[employee], name="retired")
        flows.retire_entitlement(entitlement=retired, now=clock.now())
        ended = access.entitlement(acme, name="ended")
        line = flows.add_eligibility(entitlement=ended, user=employee.user, now=clock.now())
        flows.end_eligibility(eligibility=line, now=clock.now())

        unknown = self.page(hers, "unknown")

        assert unknown[0] == 404
        assert "You cannot ask for this" in unknown[1]
        for name in ("theirs", "hers", "retired", "ended", "", "a" * 500, "' OR 1=1", "\x00"):
            assert self.page(hers, name) == unknown, name

    def test_nothing_can_be_sent_to_it(self, acme, newcomer, hers):
        access.entitlement(acme, eligible=[newcomer])

        assert hers.post(f"{ASK}?entitlement=db-admin", form()).status_code == 404
        assert Grant.unscoped.count() == 0


class TestTheWayBack:
    def back(self, hers: Browser, client_id: str, name: str = "db-admin") -> list[str]:
        page = hers.get(ASK, {"entitlement": name, "client_id": client_id}).content.decode()
        return re.findall(r'id="back-to-application" href="([^"]*)"', page)

    def test_it_leads_to_where_an_application_of_ours_is_registered(
        self, entitlement, acme_web, hers
    ):
        assert self.back(hers, acme_web.client_id) == ["https://app.acme.example/"]
        assert self.back(hers, acme_web.client_id, "unknown") == ["https://app.acme.example/"]

    def test_a_page_that_the_organisation_wrote_down_comes_first(self, entitlement, acme_web, hers):
        acme_web.metadata = {"client_uri": "https://acme.example/notes"}
        acme_web.save()

        assert self.back(hers, acme_web.client_id) == ["https://acme.example/notes"]

    def test_the_link_cannot_say_where_to(self, entitlement, acme_web, globex_web, hers):
        acme_web.is_active = False
        acme_web.save()

        for client_id in (
            globex_web.client_id, acme_web.client_id, "https://evil.example/", "unknown", "\x00"
        ):  # fmt: skip
            assert self.back(hers, client_id) == []

    def test_it_goes_along_to_the_request(self, entitlement, acme_web, hers):
        sent = hers.post(f"{ASK}?entitlement=db-admin&client_id={acme_web.client_id}", form())

        assert 'href="https://app.acme.example/"' in hers.get(sent["Location"]).content.decode()


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


class TestExtending:
    def test_it_is_another_request(self, scheduled, hers):
        hers.post(page_of(scheduled, "activate"))

        answer = hers.post(page_of(scheduled, "extend"), {"minutes": "30", "reason": "more"})

        asked = Grant.unscoped.get(extends=scheduled)
        assert answer["Location"] == page_of(asked)
        assert asked.state == State.APPROVAL_AWAITED
        assert "You have asked to have it for longer" in text(hers.get(page_of(scheduled)))

    def test_only_what_is_active_and_ones_own(self, scheduled, hers, theirs):
        assert hers.get(page_of(scheduled, "extend")).status_code == 404
        hers.post(page_of(scheduled, "activate"))
        assert hers.get(page_of(scheduled, "extend")).status_code == 200
        assert theirs.get(page_of(scheduled, "extend")).status_code == 404


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
        from access.reading import answerable

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


class TestEmergencies:
    @pytest.fixture
    def breakable(self, acme, employee, approver):
        role = access.role(acme, "db-admin")
        return access.entitlement(
            acme, by=[approver], eligible=[employee], break_glass_duration=timedelta(minutes=30),
            break_glass_roles=[role],
        )  # fmt: skip

    def test_it_counts_at_once_and_is_reviewed(self, breakable, hers, theirs):
        page = "/access/emergency/?entitlement=db-admin"
        assert "Everybody who would have been asked is told at once" in text(hers.get(page))

        hers.post(page, {"minutes": "30", "reason": "all is on fire"})
        grant = Grant.unscoped.get()
        assert (grant.state, grant.is_break_glass) == (State.ACTIVE, True)

        said = text(theirs.get(page_of(grant)))
        assert "Was this an emergency?" in said
        theirs.post(page_of(grant, "review"), {"verdict": "not", "reason": "it was a drill"})
        assert state(grant) == State.REVOKED

    def test_it_takes_a_reason(self, breakable, hers):
        answer = hers.post(
            "/access/emergency/?entitlement=db-admin", {"minutes": "30", "reason": ""}
        )

        assert answer.status_code == 200
        assert Grant.unscoped.count() == 0

    def test_an_old_proof_is_made_again(self, breakable, hers, later):
        later(minutes=11)
        page = "/access/emergency/?entitlement=db-admin"
        answer = hers.post(page, {"minutes": "15", "reason": "all is on fire"})

        assert query_of(answer)["next"] == [page]
        assert Grant.unscoped.count() == 0

    def test_what_has_no_such_rule_is_not_taken(self, entitlement, hers):
        page = "/access/emergency/?entitlement=db-admin"

        assert hers.get(page).status_code == 404
        assert hers.post(page, {"minutes": "15", "reason": "please"}).status_code == 404
