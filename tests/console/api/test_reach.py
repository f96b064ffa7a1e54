"""Whoever administers every organisation does by a call what they do on a page, to whose it is."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import Client as Browser

from access import flows as access_flows
from access.models import AccessReviewItem
from accounts import flows as accounts
from accounts.models import Invitation, LockTarget, RoleAssignment
from audit.models import AuditEvent
from console.api import door
from core import clock
from tests import cast
from tests.attacks.test_a141_api import Acme
from tests.support import access
from tests.support.api import Api, code_of
from tests.support.decisions import write_batch
from tests.support.machine import Machine

pytestmark = pytest.mark.django_db

ADMIN = "/admin/"
NOW = {"starts_at_0": "2020-01-01", "starts_at_1": "00:00:00"}


@pytest.fixture
def theirs(employee, approver) -> Acme:
    return Acme(employee, approver)


@pytest.fixture
def ruth(globex) -> cast.Person:
    """Of globex; she administers every organisation."""
    return cast.person("ruth@globex.example", globex, totp=True, is_staff=True, is_superuser=True)


@pytest.fixture
def root(ruth) -> Api:
    return Api.of(ruth)


@pytest.fixture
def pages(ruth) -> Browser:
    browser = Browser()
    cast.sign_in(browser, ruth)
    browser.get("/")
    return browser


def trail(act: Callable[[], Any]) -> list[tuple[str, UUID | None, str, str]]:
    """What an act writes down: event, organisation, by whom and about what. It is taken back."""
    seen = list(AuditEvent.objects.values_list("pk", flat=True))
    with transaction.atomic():
        answer = act()
        assert answer.status_code in {200, 201, 202, 302}, answer.content
        written = AuditEvent.objects.exclude(pk__in=seen).order_by("id")
        found = [
            (each.event, each.organisation_id, each.actor, each.subject.partition(":")[0])
            for each in written
        ]
        transaction.set_rollback(True)
    return found


ACTIONS = [
    ("accounts/user", "deactivate", "user_id", "POST /users/{}/deactivate"),
    ("accounts/user", "sign_out", "user_id", "POST /users/{}/sign-out"),
    ("accounts/invitation", "withdraw", "invitation_id", "POST /invitations/{}/withdraw"),
    ("accounts/lock", "lift", "lock_id", "POST /locks/{}/lift"),
    ("accounts/roleassignment", "take_back", "assignment_id", "DELETE /assignments/{}"),
    ("accounts/resource", "remove", "resource_id", "DELETE /resources/{}"),
    ("access/entitlement", "retire", "entitlement_id", "POST /entitlements/{}/retire"),
    ("access/eligibility", "end", "eligibility_id", "DELETE /eligibilities/{}"),
    ("access/grant", "suspend", "grant_id", "POST /grants/{}/suspend"),
    ("access/grant", "revoke", "grant_id", "POST /grants/{}/revoke"),
    ("access/accessreview", "close", "review_id", "POST /reviews/{}/close"),
    ("access/chatwebhook", "send_test", "room_id", "POST /chat-rooms/{}/test"),
    ("access/chatwebhook", "remove", "room_id", "DELETE /chat-rooms/{}"),
    ("devices/device", "suspend", "device_id", "POST /devices/{}/suspend"),
    ("devices/device", "revoke", "device_id", "POST /devices/{}/revoke"),
    ("devices/device", "retire", "device_id", "POST /devices/{}/retire"),
    ("devices/connector", "rotate_secret", "connector_id", "POST /connectors/{}/rotate-secret"),
    ("devices/connector", "forget", "connector_id", "POST /connectors/{}/forget"),
    ("devices/connector", "switch_off", "connector_id", "POST /connectors/{}/switch-off"),
    ("devices/deviceidentifier", "take_away", "identifier_id", "DELETE /device-identifiers/{}"),
    ("idp/client", "rotate_secret", "client", "POST /clients/{}/rotate-secret"),
    ("idp/client", "deactivate", "client", "POST /clients/{}/deactivate"),
    ("idp/proxiedhost", "remove", "host_id", "DELETE /proxied-hosts/{}"),
    ("idp/initialaccesstoken", "withdraw", "token_id", "POST /initial-access-tokens/{}/withdraw"),
    ("idp_sessions/loginsession", "end", "session_id", "DELETE /sessions/{}"),
    ("risk/signin", "judge_compromised", "sign_in_id", "POST /sign-ins/{}/judge"),
]
SAID = {
    "revoke": {"reason": "because"}, "judge": {"verdict": "compromised"},
    "suspend": {}, "rotate-secret": {},
}  # fmt: skip
TAKES_NOTHING = ("connectors", "grants/{}/suspend")


@pytest.mark.parametrize(
    ("model", "action", "key", "call"), ACTIONS, ids=[f"{each[0]} {each[1]}" for each in ACTIONS]
)
def test_what_is_done_to_a_row_is_the_same_act(
    theirs, ruth, root, pages, acme, model, action, key, call
):
    pk = theirs.ids[key]
    method, _, path = call.partition(" ")
    said = SAID.get(path.rpartition("/")[2])
    if any(part in path for part in TAKES_NOTHING):
        said = None
    form = {"action": action, "_selected_action": [str(pk)], "reason": "because"}

    by_page = trail(lambda: pages.post(f"{ADMIN}{model}/", form, follow=True))
    by_call = trail(lambda: root.send(method, f"{path.format(pk)}?organisation=acme", said))

    assert by_call == by_page
    assert {whose for _, whose, _, _ in by_call} == {acme.pk}
    assert f"accounts.User:{ruth.user.pk}" in {who for _, _, who, _ in by_call}
    assert code_of(root.send(method, path.format(pk), said)) == (404, "not_found")


def forms(theirs: Acme) -> dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]]:
    """The form of a page, and the body of a call, that make the same."""
    ids = {key: str(value) for key, value in theirs.ids.items()}
    other = access.role(theirs.session.user.organisation, "other")
    whose = {"organisation": str(theirs.session.user.organisation_id)}
    return {
        "a role": (
            "accounts/role/add/",
            whose | {
                "name": "boss", "required_acr": "", "required_tier": "0",
                "permissions-TOTAL_FORMS": "0", "permissions-INITIAL_FORMS": "0",
            },
            "/roles", {"name": "boss"},
        ),
        "a group": (
            "accounts/group/add/",
            whose | {
                "name": "others",
                "groupmember_set-TOTAL_FORMS": "0", "groupmember_set-INITIAL_FORMS": "0",
                "grouprole_set-TOTAL_FORMS": "0", "grouprole_set-INITIAL_FORMS": "0",
            },
            "/groups", {"name": "others"},
        ),
        "a role for somebody": (
            "accounts/roleassignment/add/",
            NOW | {"user": ids["user_id"], "role": str(other.pk)},
            "/assignments", {"user": ids["user_id"], "role": str(other.pk)},
        ),
        "an invitation": (
            "accounts/invitation/add/", whose | {"email": "val@acme.example", "role": str(other.pk)},
            "/invitations", {"email": "val@acme.example", "role": str(other.pk)},
        ),
        "a lock": (
            "accounts/lock/add/",
            whose | {"target_type": "user", "target": ids["user_id"], "reason": "because"},
            "/locks", {"target_type": "user", "target": ids["user_id"], "reason": "because"},
        ),
        "a resource": (
            "accounts/resource/add/",
            whose | {
                "type": "report", "name": "q4", "classification": "internal", "properties": "{}",
            },
            "/resources", {"type": "report", "name": "q4"},
        ),
        "somebody who may ask": (
            "access/eligibility/add/",
            NOW | {"entitlement": ids["entitlement_id"], "group": ids["group_id"]},
            "/eligibilities", {"entitlement": ids["entitlement_id"], "group": ids["group_id"]},
        ),
        "a review": ("access/accessreview/open/", {"organisation": "acme"}, "/reviews", {}),
        "a decision": (
            f"access/accessreview/items/{ids['item_id']}/", {"decision": "remove"},
            f"/reviews/{ids['review_id']}/items/{ids['item_id']}/decide", {"decision": "remove"},
        ),
        "a chat room": (
            "access/chatwebhook/add/",
            whose | {
                "name": "#sec", "format": "slack", "address": "https://hooks.chat.example/two",
                "happenings": ["requested"],
            },
            "/chat-rooms",
            {
                "name": "#sec", "format": "slack", "url": "https://hooks.chat.example/two",
                "happenings": ["requested"],
            },
        ),
        "an application": (
            "idp/client/add/",
            whose | {
                "kind": "confidential", "name": "another", "redirect_uris": "https://a.example/",
                "grant_types": ["authorization_code"], "scopes": "openid", "signing_alg": "ES256",
                "token_endpoint_auth_method": "client_secret_basic", "required_tier": "0",
            },
            "/clients",
            {
                "kind": "confidential", "name": "another",
                "redirect_uris": ["https://a.example/"],
            },
        ),
        "a role for an application": (
            "idp/clientrole/add/", {"client": ids["client"], "role": str(other.pk)},
            f"/clients/{ids['client']}/roles", {"role": str(other.pk)},
        ),
        "a token to register by": (
            "idp/initialaccesstoken/add/", whose | {"uses": "1", "days": "1"},
            "/initial-access-tokens", {},
        ),
        "a connector": (
            "devices/connector/add/",
            whose | {"kind": "fleet", "name": "another", "authentication": "secret"},
            "/connectors", {"kind": "fleet", "name": "another", "authentication": "secret"},
        ),
        "a name of a device": (
            "devices/deviceidentifier/add/",
            {"device": ids["device_id"], "kind": "serial", "value": "ACME-2"},
            "/device-identifiers",
            {"device": ids["device_id"], "kind": "serial", "value": "ACME-2"},
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [
        "a role", "a group", "a role for somebody", "an invitation", "a lock", "a resource",
        "somebody who may ask", "a review", "a decision", "a chat room", "an application",
        "a role for an application", "a token to register by", "a connector",
        "a name of a device",
    ],
)  # fmt: skip
def test_what_is_made_is_made_by_the_same_act(theirs, ruth, root, pages, acme, what):
    form, fields, path, body = forms(theirs)[what]
    if what == "a review":
        access_flows.close_review(review=AccessReviewItem.unscoped.first().review, now=clock.now())

    by_page = trail(lambda: pages.post(f"{ADMIN}{form}", fields))
    by_call = trail(lambda: root.post(f"{path}?organisation=acme", body))

    assert by_call == by_page
    assert by_call
    assert {whose for _, whose, _, _ in by_call} == {acme.pk}
    assert f"accounts.User:{ruth.user.pk}" in {who for _, _, who, _ in by_call}


def test_an_application_of_another_organisation_is_made_eligible(
    root, pages, acme, employee, approver
):
    machine = cast.client("nightly", acme, grant_types=["client_credentials"])
    offered = access.entitlement(
        acme, by=[approver], binds_session=False, binds_device=False, required_acr=""
    )
    form = NOW | {
        "entitlement": str(offered.pk), "application": "nightly", "responsible": employee.email,
    }  # fmt: skip
    body = {
        "entitlement": str(offered.pk), "workload": machine.client_id,
        "responsible": str(employee.user.pk),
    }  # fmt: skip

    by_page = trail(lambda: pages.post(f"{ADMIN}access/eligibility/add/", form))
    by_call = trail(lambda: root.post("/eligibilities?organisation=acme", body))

    assert by_call == by_page
    assert len(by_call) == 2
    assert {whose for _, whose, _, _ in by_call} == {acme.pk}


def test_what_a_review_takes_away_by_whoever_administers_all_is_told_without_their_address(
    theirs, root, ruth, approver
):
    """The database takes their decision, and no one of acme's learns who they are."""
    path = f"/reviews/{theirs.ids['review_id']}/items/{theirs.ids['item_id']}/decide"
    assert root.post(f"{path}?organisation=acme", {"decision": "remove"}).json() == {"did": True}

    bob = Browser()
    cast.sign_in(bob, approver)
    seen = bob.get(f"{ADMIN}access/accessreview/{theirs.ids['review_id']}/change/")

    assert "says an administrator of every organisation" in seen.content.decode()
    assert ruth.email not in seen.content.decode()
    assert AccessReviewItem.unscoped.get(pk=theirs.ids["item_id"]).decided_by == ruth.user


def test_whoever_is_invited_from_elsewhere_learns_not_by_whom(root, ruth, acme, mailoutbox):
    told = root.post("/invitations?organisation=acme", {"email": "val@acme.example"}).json()

    assert (told["organisation"], told["invited_by"]) == ("acme", None)
    assert Invitation.unscoped.get().organisation == acme
    assert ruth.email not in mailoutbox[-1].body
    written = AuditEvent.objects.get(event="accounts.invitation.created")
    assert (written.organisation_id, written.actor) == (acme.pk, f"accounts.User:{ruth.user.pk}")


def test_nobody_is_made_what_only_their_organisation_could(root, acme, ruth, globex):
    """What belongs to one organisation goes with nothing of another's, whoever says so."""
    role = access.role(acme, "auditor")
    mine = access.role(globex, "mine")
    user = cast.person("una@acme.example", acme).user
    across = {"user": str(user.pk), "role": str(mine.pk)}

    assert code_of(root.post("/assignments?organisation=acme", across)) == (404, "not_found")
    assert code_of(root.post("/assignments", across)) == (404, "not_found")
    link = f"/users/{user.pk}/link?organisation=acme"
    assert code_of(root.post(link, {"other": str(ruth.user.pk)})) == (404, "not_found")
    assert root.post(
        "/assignments?organisation=acme", {"user": str(user.pk), "role": str(role.pk)}
    ).status_code == 201  # fmt: skip
    assert RoleAssignment.unscoped.get().organisation == acme


def test_their_own_sign_in_is_what_has_to_be_fresh(acme, ruth, later):
    root = Api.of(ruth)
    later(hours=8, seconds=1)

    refused = root.again().get("/users", organisation="acme")

    assert code_of(refused) == (401, "insufficient_user_authentication")


def test_nobody_answers_in_another_organisation(theirs, root, employee, approver, acme):
    """Not even who administers it: requests are for those to answer whom it names."""
    offered = access.entitlement(acme, name="more", by=[approver], eligible=[employee])
    asked = access.ask(offered, employee, theirs.session)

    refused = root.post(f"/access/grants/{asked.pk}/approve", {})

    assert code_of(refused) == (404, "not_found")
    asked.refresh_from_db()
    assert asked.state == "approval_awaited"


@pytest.mark.parametrize("how", ["slug", "pk"])
def test_an_organisation_is_named_by_its_slug_or_its_id(root, acme, employee, how):
    told = root.get("/users", organisation=str(getattr(acme, how))).json()["items"]

    assert [(each["email"], each["organisation"]) for each in told] == [
        ("alice@acme.example", "acme")
    ]


def test_an_organisation_that_looks_like_anothers_id_is_not_taken_for_it(root, acme, employee):
    accounts.create_organisation(slug=str(acme.pk), name="Not Acme", now=clock.now())

    told = root.get("/users", organisation=str(acme.pk)).json()["items"]

    assert [each["organisation"] for each in told] == ["acme"]


def test_an_organisation_that_is_not_there_is_a_row_that_is_not_there(root):
    there_is_none = root.get("/users/00000000-0000-0000-0000-000000000001")

    for said in ("nowhere", "00000000-0000-0000-0000-000000000001", ""):
        assert root.get("/users", organisation=said).content == there_is_none.content
    twice = root.send("GET", "/users?organisation=acme&organisation=globex")
    assert code_of(twice) == (400, "invalid_request")


def test_an_administrator_may_name_their_own(employee, approver, acme):
    bob = Api.of(approver)
    own = bob.get("/users").json()

    for said in (acme.slug, str(acme.pk)):
        assert bob.get("/users", organisation=said).json() == own


def test_lists_of_all_say_whose_each_row_is(theirs, root, ruth, globex):
    access.role(globex, "clerk")
    accounts.create_group(organisation=globex, name="clerks", now=clock.now())
    device = Machine().enrolled_by(ruth.user)
    accounts.place_lock(
        organisation_id=theirs.session.user.organisation_id, target_type=LockTarget.USER,
        target=str(theirs.session.user_id), reason="because", now=clock.now(),
    )  # fmt: skip

    for path in ("/users", "/roles", "/groups", "/devices", "/sessions", "/audit", "/clients"):
        told = root.get(path, organisation="*", limit=200).json()["items"]
        assert {each["organisation"] for each in told} >= {"acme", "globex"}, path
        own = root.get(path, limit=200).json()["items"]
        assert {each["organisation"] for each in own} == {"globex"}, path
    assert device.pk
    people = root.get("/users", organisation="*").json()["items"]
    assert [each["email"] for each in people if each["is_locked"]] == ["alice@acme.example"]
    one = root.get(f"/users/{theirs.session.user_id}", organisation="*").json()
    assert (one["organisation"], one["is_locked"]) == ("acme", True)


@pytest.mark.parametrize(
    "path",
    [
        "/users", "/roles", "/groups", "/assignments", "/invitations", "/clients",
        "/initial-access-tokens", "/resources", "/devices", "/devices/tiers",
        "/device-identifiers", "/connectors", "/sessions", "/sign-ins", "/locks", "/audit",
        "/decisions", "/decisions/export", "/entitlements", "/eligibilities", "/grants",
        "/reviews", "/chat-rooms", "/proxied-hosts",
    ],
)  # fmt: skip
def test_every_list_may_be_of_all(theirs, root, path):
    answer = root.get(path, organisation="*")

    assert answer.status_code == 200, answer.content
    if path not in {"/devices/tiers", "/decisions/export"}:
        found = answer.json()["items"]
        assert "acme" in {each["organisation"] for each in found}, path


@pytest.mark.parametrize("path", ["/holdings", "/alerts"])
def test_what_is_found_for_one_organisation_asks_for_one(theirs, root, path):
    assert code_of(root.get(path, organisation="*")) == (400, "invalid_request")
    assert root.get(path, organisation="acme").status_code == 200


def test_decisions_say_whose_they_are(root, ruth, employee):
    now = clock.now()
    for person in (employee, ruth):
        write_batch(person.user.pk, now)

    def told(**asked: str) -> set[tuple[str, str]]:
        found = root.get("/decisions", **asked).json()["items"]
        return {(each["organisation"], each["email"]) for each in found}

    assert told(organisation="acme") == {("acme", employee.email)}
    assert told() == {("globex", ruth.email)}
    assert told(organisation="*") == {("acme", employee.email), ("globex", ruth.email)}


def test_a_cursor_is_of_the_organisation_that_it_was_made_for(root, acme, globex):
    for organisation in (acme, globex):
        for name in ("one", "two"):
            access.role(organisation, name)
    first = root.get("/roles", organisation="acme", limit=1).json()

    assert root.get("/roles", organisation="acme", cursor=first["next"]).json()["items"]
    for elsewhere in ({}, {"organisation": "globex"}, {"organisation": "*"}):
        refused = root.get("/roles", cursor=first["next"], **elsewhere)
        assert code_of(refused) == (400, "invalid_request")


def test_administration_asks_nothing_but_whom_the_call_is_about():
    """Rows are found by `lookup`; whose administrators are is never whose it is that they change."""
    administration = {
        path.name: text
        for path in (Path(door.__file__).parent).glob("*.py")
        if "auth=Administrator()" in (text := path.read_text())
    }
    own = re.compile(r"(caller|auth)\.user\.organisation|\.named\b|within_id\(|\.within\(")

    assert len(administration) > 20
    assert {
        name: own.findall(text) for name, text in administration.items() if own.search(text)
    } == {}
