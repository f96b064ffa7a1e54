"""Administering by the API: the same flows as in the browser, about the own organisation."""

import json
from datetime import timedelta

import pytest
from django.conf import settings

from access.models import Entitlement, Grant
from accounts.models import Lock, Role, RoleAssignment
from audit.models import AuditEvent
from core import clock
from devices.models import Device
from tests.support import access
from tests.support.api import Api, code_of
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob(approver) -> Api:
    return Api.of(approver)


@pytest.fixture
def root(approver) -> Api:
    """Bob, administrator of every organisation."""
    approver.user.is_superuser = True
    approver.user.save(update_fields=["is_superuser"])
    return Api.of(approver)


def made(answer) -> dict:
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_an_entitlement_is_made_read_changed_and_retired(bob, employee, approver):
    role = made(bob.post("/roles", {"name": "db-admin", "required_acr": "aal2"}))
    terms = {
        "roles": [role["id"]], "max_duration": 3600, "description": "The database",
        "stages": [{
            "approvers": [{"user": str(approver.user.pk)}], "escalate_after": None,
        }],
        "thresholds": [{"approve": 2, "filter": 'input.reviewer.name != ""'}],
    }  # fmt: skip

    told = made(bob.post("/entitlements", terms | {"name": "db-admin"}))

    assert (told["name"], told["version"], told["max_duration"]) == ("db-admin", 1, 3600)
    assert told["roles"] == [role["id"]]
    assert told["stages"][0]["approvers"][0]["user"] == str(approver.user.pk)
    assert told["thresholds"] == [{"approve": 2, "deny": 1, "filter": 'input.reviewer.name != ""'}]
    read = bob.get(f"/entitlements/{told['id']}").json()
    assert read | {"ticket_secret": None} == told
    again = {name: read[name] for name in read if name in terms or name.startswith("required")}
    changed = bob.send("PUT", f"/entitlements/{told['id']}", again | {"max_duration": 600})
    assert (changed.json()["version"], changed.json()["max_duration"]) == (2, 600)
    assert bob.post(f"/entitlements/{told['id']}/retire").json() == {"did": True}
    assert bob.post(f"/entitlements/{told['id']}/retire").json() == {"did": False}


def test_what_questions_about_tickets_are_signed_with_is_told_once(bob):
    role = made(bob.post("/roles", {"name": "db-admin"}))
    terms = {"roles": [role["id"]]}
    told = made(bob.post("/entitlements", terms | {"name": "db-admin"}))
    assert told["ticket_secret"] is None
    where, webhook = f"/entitlements/{told['id']}", {"ticket_webhook": "https://tickets.example/"}

    first = bob.send("PUT", where, terms | webhook).json()
    second = bob.send("PUT", where, terms | webhook | {"description": "Others"}).json()

    assert first["ticket_secret"].startswith("whsec_")
    assert second["ticket_secret"] is None
    assert "ticket_secret" not in bob.get(where).json()


def test_terms_that_cannot_be_are_refused_with_the_reason(bob, acme):
    role = str(access.role(acme, "db-admin").pk)
    offer = {"name": "x", "roles": [role]}
    for member, value, status in (
        ("condition", "this is no rule", 400), ("max_duration", 15 * 86_400, 400),
        ("max_duration", 0, 400), ("required_acr", "aal9", 422), ("binds_session", "no", 422),
        ("stages", [{"approvers": []}], 400), ("thresholds", [{"approve": 99}], 400),
        ("ticket_webhook", "http://inside/", 400), ("roles", [], 400), ("name", "No Such Name", 400),
        ("is_active", False, 422), ("organisation", "globex", 422), ("version", 7, 422),
    ):  # fmt: skip
        refused = bob.post("/entitlements", offer | {member: value})
        assert code_of(refused) == (status, "invalid_request"), member
    assert not Entitlement.unscoped.exists()


def test_people_are_made_eligible_and_not_any_more(bob, acme, employee):
    offered = access.entitlement(acme)
    line = {"entitlement": str(offered.pk), "user": str(employee.user.pk)}

    told = made(bob.post("/eligibilities", line))

    session = access.session_of(employee)
    grant = access.activate(access.ask(offered, employee, session), employee, session)
    assert code_of(bob.post("/eligibilities", line)) == (409, "conflict")
    listed = bob.get("/eligibilities", entitlement=str(offered.pk)).json()["items"]
    assert [each["id"] for each in listed] == [told["id"]]
    assert bob.send("DELETE", f"/eligibilities/{told['id']}").json() == {"did": True}
    assert Grant.unscoped.get(pk=grant.pk).state == "revoked"
    past = {"ends_at": "2020-01-01T00:00:00Z"}
    assert code_of(bob.post("/eligibilities", line | past)) == (400, "invalid_request")


def test_a_grant_is_suspended_resumed_and_taken_away(bob, acme, employee):
    offered = access.entitlement(acme, eligible=[employee])
    session = access.session_of(employee)
    grant = access.activate(access.ask(offered, employee, session), employee, session)

    assert bob.post(f"/grants/{grant.pk}/suspend").json()["grant"]["state"] == "suspended"
    assert access.roles_in(session) == []
    assert bob.post(f"/grants/{grant.pk}/resume").json()["grant"]["state"] == "active"
    assert access.roles_in(session) == ["db-admin"]
    gone = bob.post(f"/grants/{grant.pk}/revoke", {"reason": "enough"}).json()
    assert (gone["did"], gone["grant"]["state"]) == (True, "revoked")
    assert [each["state"] for each in bob.get("/grants", which="past").json()["items"]] == [
        "revoked"
    ]


def test_roles_are_given_by_name_by_group_and_taken_back(bob, acme, employee, later):
    role = made(bob.post("/roles", {"name": "auditor"}))
    permission = made(
        bob.post(f"/roles/{role['id']}/permissions", {"resource_type": "report", "action": "read"})
    )
    user = str(employee.user.pk)
    assignment = made(bob.post("/assignments", {"user": user, "role": role["id"]}))
    group = made(bob.post("/groups", {"name": "keepers"}))
    bob.send("PUT", f"/groups/{group['id']}/members/{user}")
    told = bob.send("PUT", f"/groups/{group['id']}/roles/{role['id']}").json()
    assert [each["name"] for each in told["members"]] == ["alice@acme.example"]
    assert [each["name"] for each in told["roles"]] == ["auditor"]

    held = bob.get("/holdings").json()["items"]
    assert sorted((each["email"], each["group"] or "") for each in held) == [
        ("alice@acme.example", ""), ("alice@acme.example", "keepers"),
    ]  # fmt: skip
    before = (clock.now() - timedelta(hours=1)).isoformat()
    assert bob.get("/holdings", at=before).json()["items"] == []

    assert bob.send("DELETE", f"/assignments/{assignment['id']}").json() == {"did": True}
    assert RoleAssignment.unscoped.get().ended_at is not None
    path = f"/roles/{role['id']}/permissions/{permission['id']}"
    assert bob.send("DELETE", path).json() == {"did": True}
    assert bob.get("/roles").json()["items"][0]["permissions"] == []
    assert Role.unscoped.get().name == "auditor"


def test_somebody_is_locked_and_let_in_again(bob, employee):
    alice = Api.of(employee)
    path = f"/users/{employee.user.pk}"

    assert bob.post(f"{path}/lock", {"reason": "a stolen laptop"}).json()["is_locked"] is True
    assert code_of(alice.get("/me")) == (401, "invalid_token")
    assert Lock.unscoped.get().created_by.endswith(str(bob.session.user_id))
    assert bob.post(f"{path}/unlock").json()["is_locked"] is False
    (told,) = bob.get("/users", email="alice@acme.example").json()["items"]
    assert (told["is_locked"], told["is_active"]) == (False, True)


def test_somebody_is_signed_out_and_closed_but_nobody_themselves(bob, employee, approver):
    alice = Api.of(employee)
    assert [s["email"] for s in bob.get("/sessions", user=str(employee.user.pk)).json()["items"]]

    assert bob.post(f"/users/{employee.user.pk}/sign-out").json() == {"count": 1}
    assert code_of(alice.get("/me")) == (401, "invalid_token")
    assert bob.post(f"/users/{employee.user.pk}/deactivate").json()["is_active"] is False
    assert bob.post(f"/users/{employee.user.pk}/reactivate").json()["is_active"] is True
    own = bob.post(f"/users/{approver.user.pk}/deactivate")
    assert code_of(own) == (403, "not_allowed")


def test_a_device_is_revoked_for_a_reason(bob, employee):
    device = Machine().enrolled_by(employee.user)

    refused = bob.post(f"/devices/{device.pk}/revoke", {"reason": " "})
    assert code_of(refused) == (400, "invalid_request")
    told = bob.post(f"/devices/{device.pk}/revoke", {"reason": "stolen"}).json()

    assert (told["state"], told["state_reason"], told["tier"]) == ("revoked", "stolen", 0)
    assert Device.unscoped.get().state == "revoked"


def test_a_review_asks_and_takes_away(bob, acme, employee):
    role = access.role(acme, "auditor")
    bob.post("/assignments", {"user": str(employee.user.pk), "role": str(role.pk)})
    review = made(bob.post("/reviews", {}))

    (item,) = bob.get(f"/reviews/{review['id']}/items").json()["items"]
    path = f"/reviews/{review['id']}/items/{item['id']}/decide"
    assert bob.post(path, {"decision": "remove", "reason": "left the team"}).json()["did"] is True

    assert RoleAssignment.unscoped.get().ended_at is not None
    assert bob.post(f"/reviews/{review['id']}/close").json() == {"did": True}
    assert code_of(bob.post(path, {"decision": "maybe"})) == (422, "invalid_request")


def test_audit_tells_what_an_administrator_did(bob, acme, approver):
    bob.post("/roles", {"name": "auditor"})

    told = bob.get("/audit", event="accounts.role.created").json()["items"]

    assert [each["facts"]["role"] for each in told] == ["auditor"]
    assert told[0]["actor"] == f"accounts.User:{approver.user.pk}"
    count = AuditEvent.objects.filter(organisation_id=acme.pk).count()
    assert len(bob.get("/audit", limit=200).json()["items"]) == count
    assert code_of(bob.send("GET", "/audit?facts__role=x"))[0] == 400


def test_policy_is_written_tried_published_by_another_and_gone_back_from(
    root, acme, employee, approver
):
    modules = {
        path.name: path.read_text() for path in (settings.BASE_DIR / "policies").glob("*.rego")
    }
    modules["extra.rego"] = "package sallyport.extra\n\nimport rego.v1\n\nanswer := 42\n"
    broken = root.post(
        "/policy/test", {"modules": modules | {"x.rego": "package sallyport.x\n\n]"}}
    )
    assert broken.json()["is_good"] is False
    assert broken.json()["faults"][0]["file"] == "x.rego"
    refused = root.post("/policy/versions", {"modules": {"x.rego": "nonsense"}, "note": "x"})
    assert code_of(refused) == (400, "invalid_request")

    version = made(root.post("/policy/versions", {"modules": modules, "note": "one more"}))
    tried = root.post(f"/policy/versions/{version['id']}/simulate", {"days": 1}).json()
    assert tried["changed"] == 0
    assert (tried["is_cut_off"], tried["stopped"]) == (False, "")
    where = f"/policy/versions/{version['id']}"
    compared = root.get(f"{where}/differences").json()
    assert {each["file"] for each in compared["items"]} == {"extra.rego"}
    assert "+answer := 42" in compared["items"][0]["lines"]
    assert root.get(f"{where}/request").json()["stages"][0]["approvers"] == []

    employee.user.is_staff = employee.user.is_superuser = True
    employee.user.save(update_fields=["is_staff", "is_superuser"])
    other = Api.of(employee)
    explained = root.get(f"{where}/request").json()
    assert explained["stages"][0]["approvers"] == [employee.email]
    tried = root.post(f"{where}/request", {"reason": "nights", "dry_run": True}).json()
    assert (tried["id"], tried["state"]) == (None, "approval_awaited")
    assert not Grant.unscoped.exists()
    asked = made(root.post(f"{where}/request", {"reason": "nights", "simulate_days": 1}))
    assert (asked["policy_version"], asked["roles"]) == (version["id"], [])
    assert asked["policy_revision"] == version["revision"]
    agreed = {"grant": asked["id"]}
    assert code_of(root.post(f"{where}/publish", agreed)) == (409, "conflict")
    own = root.post(f"/access/grants/{asked['id']}/approve", {})
    assert code_of(own) == (403, "not_allowed")
    (waits,) = other.get("/access/inbox").json()["items"]
    assert waits["grant"]["id"] == asked["id"]
    shown = other.get(f"/access/grants/{asked['id']}").json()["terms"]["publication"]
    assert (shown["version"], shown["simulation"]["changed"]) == (version["id"], 0)
    approved = other.post(f"/access/grants/{asked['id']}/approve", {}).json()
    assert approved["state"] == "scheduled"
    assert code_of(other.post(f"{where}/publish", agreed)) == (403, "not_allowed")
    assert code_of(root.post(f"/access/grants/{asked['id']}/activate")) == (409, "conflict")
    published = made(root.post(f"{where}/publish", agreed))
    assert (published["revision"], published["approval"]) == (version["revision"], asked["id"])
    assert code_of(root.post(f"{where}/publish", agreed)) == (409, "conflict")
    assert code_of(root.post("/policy/roll-back"))[0] == 422
    assert code_of(root.post("/policy/roll-back", {"reason": ""}))[0] == 422
    back = made(other.post("/policy/roll-back", {"reason": "It locks us out"}))
    assert (back["revision"], back["is_rollback"], back["reason"]) == ("", True, "It locks us out")
    assert len(json.dumps(root.get("/policy/publications").json()["items"])) > 2
