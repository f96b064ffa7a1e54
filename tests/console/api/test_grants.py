"""Asking, answering and what follows, by the API: the same flows as on pages."""

from datetime import datetime, timedelta

import pytest
from django.test import Client as Browser

from access import flows
from access.models import Grant, State
from access.offers import StageLine
from core import clock
from tests import cast
from tests.support import access
from tests.support.api import Api, code_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(acme, employee, approver):
    return access.entitlement(acme, by=[approver], eligible=[employee])


@pytest.fixture
def alice(offered, employee) -> Api:
    return Api.of(employee)


@pytest.fixture
def bob(offered, approver) -> Api:
    return Api.of(approver)


def asked(alice: Api, **wish) -> str:
    answer = alice.post("/access/grants", {"entitlement": "db-admin"} | wish)
    assert answer.status_code == 201, answer.content
    return answer.json()["id"]


def test_somebody_asks_is_approved_begins_and_gives_it_back(alice, bob):
    grant = asked(alice, duration=1800, reason="to mend it")
    assert alice.get(f"/access/grants/{grant}").json()["state"] == "approval_awaited"

    yes = bob.post(f"/access/grants/{grant}/approve", {"reason": "fine"})
    assert (yes.status_code, yes.json()["state"]) == (200, "scheduled")

    begun = alice.post(f"/access/grants/{grant}/activate")
    assert (begun.status_code, begun.json()["state"]) == (200, "active")
    assert begun.json()["is_here"] is True
    assert access.roles_in(alice.session) == ["db-admin"]
    assert "db-admin" in [role["name"] for role in alice.get("/me").json()["roles"]]

    dropped = alice.post(f"/access/grants/{grant}/drop")
    assert dropped.json()["did"] is True
    assert dropped.json()["grant"]["state"] == "ended"
    assert access.roles_in(alice.session) == []
    kinds = [line["kind"] for line in bob.get(f"/access/grants/{grant}").json()["timeline"]]
    assert kinds == ["requested", "answered", "approved", "activated", "dropped"]


def test_what_is_on_offer_is_told_with_its_rules_and_who_could_approve(alice):
    (offer,) = alice.get("/access/entitlements").json()["items"]
    assert (offer["name"], offer["roles"], offer["grant"]) == ("db-admin", ["db-admin"], None)

    told = alice.get("/access/entitlements/db-admin").json()
    assert (told["allowed"], told["outcome"]) == (True, "approval_awaited")
    assert told["stages"][0]["approvers"] == ["bob@acme.example"]
    assert all(rule["passed"] for rule in told["rules"])


def test_a_dry_run_says_what_would_become_of_it_and_asks_nobody(alice):
    answer = alice.post("/access/grants", {"entitlement": "db-admin", "dry_run": True})

    assert (answer.status_code, answer.json()["state"]) == (200, "approval_awaited")
    assert answer.json()["id"] is None
    assert not Grant.unscoped.exists()


def test_a_request_is_denied_and_another_withdrawn(alice, bob):
    first = asked(alice)
    assert bob.post(f"/access/grants/{first}/deny", {}).json()["state"] == "denied"

    second = asked(alice)
    assert alice.post(f"/access/grants/{second}/cancel").json()["did"] is True
    assert alice.post(f"/access/grants/{second}/cancel").json()["did"] is False
    listed = alice.get("/access/grants", which="past").json()["items"]
    assert [each["state"] for each in listed] == ["cancelled", "denied"]


def test_it_is_asked_for_longer(alice, bob):
    grant = asked(alice)
    bob.post(f"/access/grants/{grant}/approve", {})
    alice.post(f"/access/grants/{grant}/activate")

    longer = alice.post(f"/access/grants/{grant}/extend", {"duration": 600})

    assert longer.status_code == 201, longer.content
    assert (longer.json()["extends"], longer.json()["state"]) == (grant, "approval_awaited")


def test_an_approver_takes_it_away(alice, bob):
    grant = asked(alice)
    bob.post(f"/access/grants/{grant}/approve", {})
    alice.post(f"/access/grants/{grant}/activate")

    gone = bob.post(f"/access/grants/{grant}/revoke", {"reason": "enough"})

    assert gone.json()["grant"]["state"] == "revoked"
    assert access.roles_in(alice.session) == []


def test_nobody_answers_a_request_of_their_own(alice):
    grant = asked(alice)
    for answer in ("approve", "deny", "revoke"):
        refused = alice.post(f"/access/grants/{grant}/{answer}", {})
        assert code_of(refused) == (403, "not_allowed")
    assert Grant.unscoped.get().state == State.APPROVAL_AWAITED


@pytest.mark.parametrize("action", ["", "/approve", "/activate", "/cancel", "/drop", "/revoke"])
def test_what_is_not_ones_business_does_not_exist(alice, newcomer, outsider, action):
    grant = asked(alice)
    for stranger in (newcomer, outsider):
        theirs = Api.of(stranger)
        path = f"/access/grants/{grant}{action}"
        body = {} if action in {"/approve", "/revoke"} else None
        refused = theirs.post(path, body) if action else theirs.get(path)
        assert code_of(refused) == (404, "not_found")


def test_what_one_may_not_ask_for_does_not_exist(offered, newcomer):
    nina = Api.of(newcomer, acr="aal1")

    assert nina.get("/access/entitlements").json()["items"] == []
    assert code_of(nina.get("/access/entitlements/db-admin")) == (404, "not_found")
    refused = nina.post("/access/grants", {"entitlement": "db-admin"})
    assert code_of(refused) == (404, "not_found")


def test_to_begin_somebody_has_to_have_just_proven_to_be_there(alice, bob, later):
    grant = asked(alice)
    bob.post(f"/access/grants/{grant}/approve", {})
    later(minutes=2, seconds=1)

    refused = alice.post(f"/access/grants/{grant}/activate")

    assert code_of(refused) == (401, "insufficient_user_authentication")
    told = refused.json()
    assert (told["acr_values"], told["max_age"]) == ("aal2", 120)
    assert 'acr_values="aal2", max_age="120"' in refused["WWW-Authenticate"]
    assert told["step_up_uri"].endswith("/step-up/")
    assert Grant.unscoped.get().state == State.SCHEDULED


def test_to_decide_somebody_has_to_have_proven_to_be_there_lately(alice, bob, later):
    grant = asked(alice)
    later(minutes=10, seconds=1)

    refused = bob.post(f"/access/grants/{grant}/approve", {})

    assert code_of(refused) == (401, "insufficient_user_authentication")
    assert Grant.unscoped.get().state == State.APPROVAL_AWAITED


def test_a_weak_sign_in_is_told_what_would_do(acme, employee, approver):
    access.entitlement(acme, by=[approver], eligible=[employee], required_acr="phr")
    alice = Api.of(employee)

    refused = alice.post("/access/grants", {"entitlement": "db-admin"})

    assert code_of(refused) == (401, "insufficient_user_authentication")
    assert refused.json()["acr_values"] == "phr"


def test_what_rests_in_a_sign_in_by_a_condition_says_so(acme, employee, later):
    access.entitlement(
        acme, eligible=[employee], binds_session=False,
        condition="input.session.authentication_age < 120",
    )  # fmt: skip
    alice = Api.of(employee)
    grant = asked(alice)
    begun = alice.post(f"/access/grants/{grant}/activate").json()
    assert (begun["is_here"], begun["rests_here"]) == (True, False)

    later(minutes=2)
    (told,) = alice.get("/access/grants").json()["items"]
    assert (told["state"], told["is_here"], told["rests_here"]) == ("active", False, True)


def test_it_begins_in_the_sign_in_that_the_token_is_of(alice, bob, employee):
    grant = asked(alice)
    bob.post(f"/access/grants/{grant}/approve", {})
    alice.post(f"/access/grants/{grant}/activate")

    elsewhere = Api.of(employee)

    assert elsewhere.get(f"/access/grants/{grant}").json()["is_here"] is False
    assert [each["name"] for each in elsewhere.get("/me").json()["roles"]] == []
    assert access.roles_in(cast.sign_in(Browser(), employee)) == []


def test_what_time_has_ended_is_past_though_no_worker_says_so(alice, bob, later):
    waits = asked(alice)
    later(hours=1)
    alice, bob = alice.again(), bob.again()

    assert Grant.unscoped.get(pk=waits).state == State.APPROVAL_AWAITED
    assert alice.get("/access/grants", which="open").json()["items"] == []
    (past,) = alice.get("/access/grants", which="past").json()["items"]
    assert (past["id"], past["state"], past["until"]) == (waits, "expired", None)
    assert [each["id"] for each in bob.get("/grants", which="past").json()["items"]] == [waits]
    begun = asked(alice)
    (now_open,) = bob.get("/grants", which="open").json()["items"]
    assert now_open["id"] == begun


def test_until_is_when_the_stage_denies_by_itself(acme, employee, approver):
    stage = StageLine(access.named(approver), auto_deny_after=timedelta(minutes=10))
    access.entitlement(acme, name="vault", eligible=[employee], stages=[stage])
    alice = Api.of(employee)

    told = alice.post("/access/grants", {"entitlement": "vault"}).json()

    row = Grant.unscoped.get(pk=told["id"])
    late = datetime.fromisoformat(told["until"]) - row.stage_since - timedelta(minutes=10)
    assert abs(late) < timedelta(milliseconds=1)
    assert row.pending_until > row.stage_since + timedelta(minutes=10)


def test_what_may_not_be_asked_for_now_says_why(acme, employee, approver):
    access.entitlement(acme, name="far", eligible=[employee], required_tier=3)
    access.entitlement(acme, name="free", eligible=[employee])
    access.entitlement(acme, name="strong", eligible=[employee], required_acr="phr")
    later_on = access.entitlement(acme, name="soon", by=[approver])
    flows.add_eligibility(
        entitlement=later_on, user=employee.user, now=clock.now(),
        starts_at=clock.now() + timedelta(days=3),
    )  # fmt: skip

    listed = Api.of(employee).get("/access/entitlements").json()["items"]

    told = {offer["name"]: offer for offer in listed}
    assert told["far"]["against"] == ["This needs a device that is trusted more."]
    assert (told["free"]["against"], told["free"]["asks_nobody"]) == ([], True)
    assert told["strong"]["asks_step_up"] is True
    assert told["soon"]["starts_at"] is not None
    assert told["soon"]["asks_nobody"] is False


def test_nobody_asks_without_end(alice, early_in_a_window):
    wish = {"entitlement": "db-admin", "dry_run": True}
    for _ in range(30):
        assert alice.post("/access/grants", wish).status_code == 200

    refused = alice.post("/access/grants", wish)

    assert code_of(refused) == (429, "too_many_attempts")
    assert int(refused["Retry-After"]) > 0
