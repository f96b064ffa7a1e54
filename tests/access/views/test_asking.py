"""The page that asks for access, and the one that asks for longer."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client as Browser

from access import flows
from access.models import Grant, GrantEvent, State
from accounts.models import OutgoingMail
from core import clock
from tests.access.pages import ASK, form, page_of, query_of, state, text
from tests.support import access

pytestmark = pytest.mark.django_db


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
