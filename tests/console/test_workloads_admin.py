"""Administrators make applications eligible, and see what they have."""

from datetime import timedelta

import pytest
from django.test import Client as Browser

from access import flows
from access.models import AccessReviewItem, Eligibility, Grant, Need, Workload
from console.previewing import preview
from core import clock
from core.errors import Refusal
from idp.clients.roles import give_role
from idp.clients.workloads import find_workload
from idp.models import ClientRole
from tests import cast
from tests.support import access
from tests.support.api import Api
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db
ADD = "/admin/access/eligibility/add/"
MATRIX = "/admin/access/grant/matrix/"


def text(answer) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def administrator(approver) -> Browser:
    browser = Browser()
    cast.sign_in(browser, approver)
    return browser


@pytest.fixture
def machine(acme):
    return access.machine(acme)


@pytest.fixture
def offered(acme, approver):
    return access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)


def eligible(entitlement, **said) -> dict:
    now = {"starts_at_0": f"{clock.now():%Y-%m-%d}", "starts_at_1": f"{clock.now():%H:%M:%S}"}
    values = {"entitlement": str(entitlement.pk), "user": "", "group": ""}
    return values | {"application": "", "responsible": ""} | now | said


class TestEligibility:
    def test_an_application_is_let_ask(self, administrator, acme, machine, employee, offered):
        said = {"application": "nightly", "responsible": employee.email}
        answer = administrator.post(ADD, eligible(offered, **said))
        assert answer.status_code == 302, text(answer)
        line = Eligibility.objects.within(acme).select_related("workload__responsible").get()
        assert (line.workload_id, line.workload.responsible) == (machine.pk, employee.user)

        editor = text(administrator.get(f"/admin/access/entitlement/{offered.pk}/change/"))
        assert "application nightly, for which alice@acme.example answers" in editor
        listed = text(administrator.get("/admin/access/eligibility/"))
        assert "application nightly" in listed
        seen = administrator.get(f"/admin/access/eligibility/{line.pk}/change/")
        assert "nightly" in text(seen)

    def test_who_answers_for_it_is_asked_once(
        self, administrator, acme, machine, employee, offered
    ):
        more = access.entitlement(acme, name="more", **access.FOR_WORKLOADS)
        access.workload(machine, employee, offered)
        answer = administrator.post(ADD, eligible(more, application="nightly"))
        assert answer.status_code == 302, text(answer)
        assert find_workload(machine).responsible == employee.user

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ({"application": "nightly"}, "Say who answers for this application."),
            ({"application": "nightly", "responsible": "carol@globex.example"}, "no such person"),
            ({"application": "unknown", "responsible": "alice@acme.example"}, "no such application"),
            ({"application": "theirs", "responsible": "alice@acme.example"}, "no such application"),
            ({"application": "acme-web", "responsible": "alice@acme.example"}, "never acts for"),
            ({"responsible": "alice@acme.example", "user": "alice"}, "Only of an application"),
            ({"application": "nightly", "responsible": "alice@acme.example", "user": "alice"},
             "Name a person or a group, or an application"),
        ],
        ids=["nobody", "a stranger", "unknown", "anothers", "of people", "a person's", "both"],
    )  # fmt: skip
    def test_what_cannot_be_is_refused_on_the_form(
        self, administrator, globex, machine, acme_web, employee, outsider, offered, said, words
    ):
        access.machine(globex, "theirs")
        if said.get("user"):
            said = said | {"user": str(employee.user.pk)}
        before = snapshot()
        answer = administrator.post(ADD, eligible(offered, **said))
        assert answer.status_code == 200
        assert words in text(answer)
        assert changed(before) == []

    def test_what_is_for_people_says_so(self, administrator, acme, machine, employee):
        made = access.entitlement(acme, name="people")
        said = {"application": "nightly", "responsible": employee.email}
        answer = administrator.post(ADD, eligible(made, **said))
        assert "This is for people, not for applications" in text(answer)
        assert not Workload.objects.within(acme).exists()

    def test_the_preview_says_what_applications_would_lose(
        self, acme, machine, employee, approver, offered
    ):
        workload = access.workload(machine, employee, offered)
        grant = access.approve(access.ask_by_itself(offered, workload), approver)
        access.begin_by_itself(grant, workload)
        told = preview(
            entitlement=offered, organisation=acme, name="", actor=approver.user,
            offer=access.offer(acme, by=[approver], binds_device=False), describe=str,
        )  # fmt: skip
        assert told.applications == ["nightly"]
        assert "only in the sign-in" in told.unfit
        assert [each.pk for each in told.ended] == [grant.pk]


class TestWhoHasWhat:
    @pytest.fixture
    def active(self, machine, employee, approver, offered) -> Grant:
        workload = access.workload(machine, employee, offered)
        grant = access.approve(access.ask_by_itself(offered, workload), approver)
        return access.begin_by_itself(grant, workload)

    def cells(self, answer) -> dict:
        return {
            (line.holder.email, role.name): [held.words for held in cell]
            for line in answer.context["lines"]
            for role, cell in zip(answer.context["roles"], line.cells, strict=True)
            if cell
        }

    def test_the_matrix_tells_of_applications(
        self, administrator, approver, acme, machine, active, later
    ):
        give_role(client=machine, role=access.role(acme, "reader"), now=clock.now())
        assert self.cells(administrator.get(MATRIX)) == {
            ("nightly", "db-admin"): ["elevated"],
            ("nightly", "reader"): ["standing"],
        }
        assert self.cells(administrator.get(MATRIX, {"person": "night", "role": "reader"})) == {
            ("nightly", "reader"): ["standing"]
        }
        assert self.cells(administrator.get(MATRIX, {"person": "alice"})) == {}
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        assert self.cells(administrator.get(MATRIX))["nightly", "db-admin"] == [
            "elevated, suspended"
        ]
        table = administrator.get("/admin/access/grant/matrix.csv").getvalue().decode()
        assert "nightly,an application,db-admin" in table

        was = clock.now()
        later(hours=2)
        cast.sign_in(administrator, approver)
        assert ("nightly", "db-admin") not in self.cells(administrator.get(MATRIX))
        then = {"day": f"{was:%Y-%m-%d}", "time": f"{was + timedelta(seconds=1):%H:%M:%S}"}
        assert self.cells(administrator.get(MATRIX, then))["nightly", "db-admin"] == [
            "elevated, suspended"
        ]

    def test_so_does_the_api(self, acme, machine, active, approver):
        give_role(client=machine, role=access.role(acme, "reader"), now=clock.now())
        told = Api.of(approver).get("/holdings").json()
        assert [
            (each["workload"], each["role_name"], each["grant"], each["user"])
            for each in told["items"]
        ] == [("nightly", "db-admin", str(active.pk), None), ("nightly", "reader", None, None)]

    def test_not_of_those_that_are_switched_off(self, administrator, acme, machine, active):
        from idp.flows import deactivate_client

        give_role(client=machine, role=access.role(acme, "reader"), now=clock.now())
        deactivate_client(client=machine, now=clock.now())
        assert self.cells(administrator.get(MATRIX)) == {}

    def test_grants_say_for_which_application(self, administrator, active):
        listed = text(administrator.get("/admin/access/grant/"))
        assert "nightly" in listed
        page = text(administrator.get(f"/admin/access/grant/{active.pk}/change/"))
        assert "the application nightly, which asked by itself" in page


class TestReviews:
    def test_they_ask_about_applications(self, acme, machine, employee, approver, offered):
        access.workload(machine, employee, offered)
        given = give_role(client=machine, role=access.role(acme, "reader"), now=clock.now())
        review = flows.open_review(organisation=acme, actor=approver.user, now=clock.now())
        items = AccessReviewItem.objects.within(acme).filter(review=review)
        assert set(items.values_list("subject", "what")) == {
            ("application nightly", "may ask for db-admin"),
            ("application nightly", "role reader"),
        }

        for item in items:
            flows.decide_item(
                item=item, decision=Need.REMOVE, reviewer=approver.user, now=clock.now()
            )
        assert ClientRole.unscoped.get(pk=given.pk).ended_at is not None
        assert Eligibility.objects.within(acme).get().ended_at is not None

    def test_what_is_kept_stays(self, acme, machine, approver):
        given = give_role(client=machine, role=access.role(acme, "reader"), now=clock.now())
        flows.open_review(organisation=acme, actor=approver.user, now=clock.now())
        item = AccessReviewItem.objects.within(acme).get()
        flows.decide_item(item=item, decision=Need.KEEP, reviewer=approver.user, now=clock.now())
        assert ClientRole.unscoped.get(pk=given.pk).ended_at is None

    def test_nobody_reviews_what_they_answer_for(self, acme, machine, approver, offered):
        access.workload(machine, approver, offered)
        give_role(client=machine, role=access.role(acme, "reader"), now=clock.now())
        flows.open_review(organisation=acme, actor=approver.user, now=clock.now())
        for item in AccessReviewItem.objects.within(acme):
            with pytest.raises(Refusal, match="of their own"):
                flows.decide_item(
                    item=item, decision=Need.KEEP, reviewer=approver.user, now=clock.now()
                )
