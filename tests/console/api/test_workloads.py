"""Applications that ask for access by themselves, and people who ask for theirs."""

import pytest

from access import flows
from access.models import Eligibility, Workload
from access.workloads import OnBehalf
from accounts import flows as accounts
from accounts.models import LockTarget
from console.api import limits
from core import clock
from core.limits import Limit
from idp import flows as idp
from tests import cast
from tests.support import access, authzen
from tests.support.api import Api, application, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine(acme):
    return access.machine(acme)


@pytest.fixture
def offered(acme, approver):
    return access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)


@pytest.fixture
def workload(machine, employee, offered) -> Workload:
    return access.workload(machine, employee, offered)


@pytest.fixture
def nightly(workload, machine) -> Api:
    """The application's own calls."""
    return Api(authzen.token_of(machine, scope="access:request"))


def ask(api: Api, **wish):
    return api.post("/workload/grants", {"entitlement": "db-admin"} | wish)


class TestByItself:
    def test_it_sees_what_it_may_ask_for(self, nightly):
        offers = nightly.get("/workload/entitlements").json()["items"]
        assert [each["name"] for each in offers] == ["db-admin"]

        told = nightly.get("/workload/entitlements/db-admin").json()
        assert told["allowed"], told
        assert told["outcome"] == "approval_awaited"
        assert told["rules"][-1]["passed"]
        assert [stage["approvers"] for stage in told["stages"]] == [["bob@acme.example"]]

    def test_it_asks_begins_and_gives_back(self, nightly, approver, machine):
        asked = ask(nightly, reason="the nightly run")
        assert asked.status_code == 201, asked.content
        told = asked.json()
        assert (told["workload"], told["state"]) == ("nightly", "approval_awaited")
        assert told["requester"]["email"] == "alice@acme.example"
        path = f"/workload/grants/{told['id']}"

        bob = Api.of(approver)
        waiting = bob.get("/access/inbox").json()["items"]
        assert [each["grant"]["workload"] for each in waiting] == ["nightly"]
        assert bob.post(f"/access/grants/{told['id']}/approve", {}).status_code == 200

        begun = nightly.post(f"{path}/activate")
        assert begun.status_code == 200, begun.content
        assert begun.json()["state"] == "active"
        in_full = nightly.get(path).json()
        assert in_full["terms"]["workload"]["asks_by_itself"] is True
        assert [each["kind"] for each in in_full["timeline"]] == [
            "requested", "answered", "approved", "activated",
        ]  # fmt: skip
        assert nightly.post(f"{path}/drop").json()["did"]
        assert nightly.get("/workload/grants", which="past").json()["items"][0]["id"] == told["id"]

    def test_it_extends_and_withdraws(self, nightly, approver, workload):
        grant = access.approve(access.ask_by_itself(self._offer(workload), workload), approver)
        access.begin_by_itself(grant, workload)
        longer = nightly.post(f"/workload/grants/{grant.pk}/extend", {"duration": 600}).json()
        assert longer["extends"] == str(grant.pk)
        assert nightly.post(f"/workload/grants/{longer['id']}/cancel").json()["did"]

    def _offer(self, workload):
        return Eligibility.objects.within_id(workload.organisation_id).get().entitlement

    def test_a_dry_run_asks_for_nothing(self, nightly):
        tried = ask(nightly, dry_run=True)
        assert tried.status_code == 200
        assert (tried.json()["id"], tried.json()["state"]) == (None, "approval_awaited")
        assert nightly.get("/workload/grants").json()["items"] == []

    def test_what_it_may_not_ask_for_does_not_exist(self, nightly, acme):
        access.entitlement(acme, name="other", **access.FOR_WORKLOADS)
        assert code_of(ask(nightly, entitlement="other")) == (404, "not_found")
        assert code_of(ask(nightly, entitlement="none")) == (404, "not_found")

    def test_why_not_is_said(self, nightly, acme, offered):
        flows.update_entitlement(
            entitlement=offered, offer=access.offer(acme, binds_session=False), now=clock.now()
        )
        refused = ask(nightly)
        assert code_of(refused) == (403, "not_allowed")
        assert "only on the device that begins it" in refused.json()["detail"]
        told = nightly.get("/workload/entitlements/db-admin").json()
        assert told["allowed"] is False
        assert told["rules"][0]["name"] == "for_workloads"

    def test_it_begins_nothing_of_anothers(self, nightly, acme, newcomer, offered, approver):
        other = access.workload(access.machine(acme, "other"), newcomer, offered)
        grant = access.approve(access.ask_by_itself(offered, other), approver)
        for act in ("activate", "cancel", "drop"):
            answer = nightly.post(f"/workload/grants/{grant.pk}/{act}")
            assert code_of(answer) == (404, "not_found")
        assert code_of(nightly.get(f"/workload/grants/{grant.pk}")) == (404, "not_found")


class TestWhoCalls:
    def test_it_does_nothing_that_people_do(self, nightly, offered):
        for path in ("/me", "/access/grants", "/access/inbox", "/entitlements"):
            assert code_of(nightly.get(path)) == (403, "not_allowed")

    def test_people_do_not_call_here(self, workload, employee):
        assert code_of(Api.of(employee).get("/workload/grants")) == (403, "not_allowed")

    def test_without_the_scope(self, workload, machine):
        api = Api(authzen.token_of(machine, scope="roles"))
        assert code_of(api.get("/workload/grants")) == (403, "insufficient_scope")

    def test_for_another_audience(self, acme, employee, offered):
        machine = access.machine(acme, "elsewhere")
        machine.audience = "https://other.example"
        machine.save(update_fields=["audience"])
        access.workload(machine, employee, offered)
        api = Api(authzen.token_of(machine, scope="access:request"))
        assert code_of(api.get("/workload/grants")) == (401, "invalid_token")

    def test_nobody_answers_for_it(self, acme):
        api = Api(authzen.token_of(access.machine(acme, "nobodys"), scope="access:request"))
        assert code_of(api.get("/workload/grants")) == (403, "not_allowed")

    def test_switched_off_or_locked(self, nightly, acme, machine):
        lock = accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.CLIENT, target="nightly", reason="x",
            now=clock.now(), actor=None,
        )  # fmt: skip
        assert code_of(nightly.get("/workload/grants")) == (401, "invalid_token")
        accounts.lift_lock(lock=lock, now=clock.now(), actor=None)
        assert nightly.get("/workload/grants").status_code == 200
        idp.deactivate_client(client=machine, now=clock.now())
        assert code_of(nightly.get("/workload/grants")) == (401, "invalid_token")

    def test_not_too_often(self, nightly, monkeypatch, early_in_a_window):
        few = Limit("api-few", 2, limits.BY_AN_APPLICATION.period, "a test")
        monkeypatch.setattr(limits, "BY_AN_APPLICATION", few)
        answers = [nightly.get("/workload/grants").status_code for _ in range(3)]
        assert answers == [200, 200, 429]

    def test_nor_asks_it_without_end(self, nightly, early_in_a_window):
        answers = [ask(nightly, dry_run=True) for _ in range(31)]

        assert {each.status_code for each in answers[:30]} == {200}
        assert answers[30].status_code == 429


class TestPeople:
    def test_who_answers_for_it_asks_begins_and_gives_back(self, workload, employee, approver):
        alice = Api.of(employee)
        asked = alice.post(
            "/access/grants", {"entitlement": "db-admin", "workload": "nightly", "reason": "now"}
        )
        assert asked.status_code == 201, asked.content
        grant_id = asked.json()["id"]
        bob = Api.of(approver)
        assert bob.post(f"/access/grants/{grant_id}/approve", {}).status_code == 200
        begun = alice.post(f"/access/grants/{grant_id}/activate")
        assert begun.status_code == 200, begun.content
        assert [each["workload"] for each in alice.get("/access/grants").json()["items"]] == [
            "nightly"
        ]
        assert alice.post(f"/access/grants/{grant_id}/drop").json()["did"]

    def test_what_it_asked_for_is_theirs_to_see(self, nightly, employee):
        grant_id = ask(nightly).json()["id"]
        alice = Api.of(employee)
        assert alice.get(f"/access/grants/{grant_id}").json()["workload"] == "nightly"
        refused = alice.post(f"/access/grants/{grant_id}/approve", {})
        assert code_of(refused) == (403, "not_allowed")

    def test_nobody_else_asks_for_it(self, workload, newcomer):
        answer = Api.of(newcomer).post(
            "/access/grants", {"entitlement": "db-admin", "workload": "nightly"}
        )
        assert code_of(answer) == (404, "not_found")

    def test_an_administrator_asks(self, workload, approver, acme):
        ada = cast.person("ada@acme.example", acme, totp=True, is_staff=True)
        asked = Api.of(ada).post(
            "/access/grants", {"entitlement": "db-admin", "workload": "nightly"}
        )
        assert asked.status_code == 201
        assert asked.json()["requester"]["email"] == "ada@acme.example"


class TestAdministration:
    def test_an_application_is_made_eligible(self, machine, employee, offered, approver):
        bob = Api.of(approver)
        body = {
            "entitlement": str(offered.pk), "workload": "nightly",
            "responsible": str(employee.user.pk),
        }  # fmt: skip
        made = bob.post("/eligibilities", body)
        assert made.status_code == 201, made.content
        assert made.json()["workload"] == "nightly"
        listed = bob.get("/eligibilities").json()["items"]
        assert [each["workload"] for each in listed] == ["nightly"]
        assert bob.send("DELETE", f"/eligibilities/{made.json()['id']}").json()["did"]

    @pytest.mark.parametrize(
        ("said", "code"),
        [
            ({"workload": "nightly"}, (400, "invalid_request")),
            ({"workload": "unknown", "responsible": "alice"}, (404, "not_found")),
            ({"workload": "acme-web", "responsible": "alice"}, (400, "invalid_request")),
            ({"responsible": "alice"}, (400, "invalid_request")),
            ({"workload": "nightly", "responsible": "carol"}, (404, "not_found")),
        ],
        ids=["nobody responsible", "unknown", "of people", "no application", "elsewhere"],
    )
    def test_what_cannot_be_is_refused(
        self, machine, acme_web, employee, outsider, offered, approver, said, code
    ):
        people = {"alice": str(employee.user.pk), "carol": str(outsider.user.pk)}
        body = {"entitlement": str(offered.pk)} | {
            name: people.get(value, value) for name, value in said.items()
        }
        assert code_of(Api.of(approver).post("/eligibilities", body)) == code
        assert not Workload.objects.within_id(machine.organisation_id).exists()

    def test_what_does_not_fit_leaves_nothing(self, acme, machine, employee, approver):
        made = access.entitlement(acme, name="people")
        body = {
            "entitlement": str(made.pk), "workload": "nightly",
            "responsible": str(employee.user.pk),
        }  # fmt: skip
        refused = Api.of(approver).post("/eligibilities", body)
        assert code_of(refused) == (403, "not_allowed")
        assert "This is for people" in refused.json()["detail"]
        assert not Workload.objects.within(acme).exists()

    def test_grants_are_found_by_it(self, nightly, workload, offered, approver, employee, acme):
        ask(nightly)
        flows.add_eligibility(entitlement=offered, user=employee.user, now=clock.now())
        access.ask(offered, employee, access.session_of(employee))
        bob = Api.of(approver)
        assert len(bob.get("/grants").json()["items"]) == 2
        found = bob.get("/grants", workload="nightly").json()["items"]
        assert [each["workload"] for each in found] == ["nightly"]

    def test_application_of_the_api_stays_one_for_people(self, acme):
        """A public client never acts for itself."""
        with pytest.raises(Exception, match="never acts for itself"):
            from idp.clients.workloads import make_workload

            make_workload(client=application(acme), responsible=None, now=clock.now())


def test_who_asks_is_told_by_behalf(workload, offered, employee):
    session = access.session_of(employee)
    grant = access.ask(offered, employee, session, behalf=OnBehalf(workload))
    assert grant.beneficiary == "nightly"
