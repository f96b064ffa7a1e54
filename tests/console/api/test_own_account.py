"""One's own account by the API: sign-ins, devices, profile, activity and applications."""

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import Lock
from console.api.site import document
from core import clock
from devices.models import Device, State
from idp.flows import grant_consent
from idp.models import Consent, RefreshFamily
from risk.models import SignIn
from sessions.models import LoginSession
from tests import cast
from tests.support import access, exchange, oauth
from tests.support.api import OF_AN_ACCOUNT, ROOT, Api, code_of
from tests.support.machine import Machine
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

CHANGES = [
    ("POST", "/me/sessions/end-others", None), ("DELETE", "/me/sessions/{session}", None),
    ("POST", "/me/sign-ins/{sign_in}/judge", {"verdict": "safe"}),
    ("POST", "/me/devices/{device}/lost", None), ("POST", "/me/devices/{device}/retire", None),
    ("DELETE", "/me/applications/{client}", None),
]  # fmt: skip


@pytest.fixture
def alice(employee) -> Api:
    return Api.of(employee)


@pytest.fixture
def mine(employee, acme_web) -> dict[str, str]:
    """What alice has, by the names of CHANGES."""
    session = access.session_of(employee)
    grant_consent(
        user=employee.user, client=acme_web, scopes=["openid"], session_id=None, now=clock.now()
    )
    return {
        "session": str(session.pk),
        "sign_in": str(SignIn.unscoped.get(session_id=session.pk).pk),
        "device": str(Machine().enrolled_by(employee.user).pk), "client": str(acme_web.pk),
    }  # fmt: skip


def test_it_lists_where_one_is_signed_in_and_ends_one(alice, employee):
    other = access.session_of(employee)

    told = {each["id"]: each["is_this"] for each in alice.get("/me/sessions").json()["items"]}

    assert told == {str(alice.session.pk): True, str(other.pk): False}
    assert alice.send("DELETE", f"/me/sessions/{other.pk}").json() == {"did": True}
    assert LoginSession.unscoped.get(pk=other.pk).ended_at is not None
    assert alice.get("/me").status_code == 200


def test_it_ends_all_others(alice, employee):
    for _ in range(2):
        access.session_of(employee)

    assert alice.post("/me/sessions/end-others").json() == {"count": 2}
    assert [each["is_this"] for each in alice.get("/me/sessions").json()["items"]] == [True]


def test_ones_account_is_locked_without_a_proof(alice, employee, later):
    later(hours=1)
    alice = alice.again()

    assert alice.post("/me/lock").json() == {"did": True}

    assert code_of(alice.get("/me")) == (401, "invalid_token")
    assert Lock.unscoped.get().target == str(employee.user.pk)


def test_a_sign_in_that_was_somebody_else_is_ended(alice, employee):
    other = access.session_of(employee)
    sign_in = SignIn.unscoped.get(session_id=other.pk)
    listed = {each["id"] for each in alice.get("/me/sign-ins").json()["items"]}

    maybe = alice.post(f"/me/sign-ins/{sign_in.pk}/judge", {"verdict": "perhaps"})
    assert code_of(maybe) == (422, "invalid_request")

    told = alice.post(f"/me/sign-ins/{sign_in.pk}/judge", {"verdict": "compromised"}).json()

    assert str(sign_in.pk) in listed
    assert told["verdict"] == "compromised"
    assert LoginSession.unscoped.get(pk=other.pk).ended_at is not None


def test_a_device_is_renamed_explained_and_reported_lost(alice, employee):
    device = Machine().enrolled_by(employee.user)
    path = f"/me/devices/{device.pk}"

    assert [each["id"] for each in alice.get("/me/devices").json()["items"]] == [str(device.pk)]
    assert alice.post(f"{path}/rename", {"name": "the old one"}).json()["name"] == "the old one"
    assert alice.get(f"{path}/score").json()["checks"]
    assert code_of(alice.post(f"{path}/rename", {"name": "\x07"})) == (400, "invalid_request")
    assert alice.post(f"{path}/lost").json()["state"] == "lost"
    assert Device.unscoped.get().state == State.LOST


def test_a_device_that_is_used_no_more_is_retired(alice, employee):
    device = Machine().enrolled_by(employee.user)

    assert alice.post(f"/me/devices/{device.pk}/retire").json()["state"] == "retired"


def test_one_that_others_use_stays_with_them(alice, employee, newcomer):
    device = Machine().enrolled_by(employee.user)
    device.users.create(
        organisation_id=device.organisation_id, user=newcomer.user, added_at=clock.now()
    )

    assert alice.post(f"/me/devices/{device.pk}/retire").json()["others"] == [newcomer.email]

    assert alice.get("/me/devices").json()["items"] == []
    assert Device.unscoped.get().state == State.ENROLLED


def test_a_profile_is_said_anew_and_what_is_amiss_is_named(alice, employee):
    said = alice.send(
        "PUT", "/me/profile",
        {"name": "Alice Ames", "locale": "de_ch", "country": "Latvia", "birthdate": "1990-04-30"},
    ).json()  # fmt: skip

    assert (said["name"], said["locale"], said["country"]) == ("Alice Ames", "de-CH", "Latvia")
    assert alice.get("/me/profile").json() == said
    before = snapshot()
    for member, value in (
        ("birthdate", "yesterday"), ("website", "javascript:alert(1)"), ("name", ""),
        ("zoneinfo", "Moon/Base"), ("phone_number", "call me"), ("preferred_username", "a@b.c"),
    ):  # fmt: skip
        refused = alice.send("PUT", "/me/profile", {"name": "Alice", member: value})
        assert code_of(refused) == (422, "invalid_request"), member
        assert [each["name"] for each in refused.json()["errors"]] == [member]
    assert changed(before) == []


def test_a_user_name_that_is_taken_is_refused(alice, newcomer):
    accounts.update_profile(
        user=newcomer.user, name="Nina", claims={"preferred_username": "ace"}, address={},
        now=clock.now(),
    )  # fmt: skip

    refused = alice.send("PUT", "/me/profile", {"name": "Alice", "preferred_username": "ace"})

    assert code_of(refused) == (409, "conflict")


def test_what_happened_is_told_and_nothing_of_others(alice, employee, newcomer):
    accounts.update_profile(user=employee.user, name="Al", claims={}, address={}, now=clock.now())
    accounts.update_profile(user=newcomer.user, name="Ni", claims={}, address={}, now=clock.now())

    told = alice.get("/me/activity", limit=200).json()["items"]

    updates = [each["actor"] for each in told if each["event"] == "accounts.profile.updated"]
    assert updates == [f"accounts.User:{employee.user.pk}"]


def test_an_application_is_told_and_taken_back(alice, employee, acme_web):
    grant_consent(
        user=employee.user, client=acme_web, scopes=["openid"], session_id=None, now=clock.now()
    )
    session = cast.sign_in(Browser(), employee)
    oauth.redeem(acme_web, oauth.issue_code(acme_web, session, scope="openid offline_access"))

    told = {each["client_id"]: each for each in alice.get("/me/applications").json()["items"]}
    assert told["acme-web"]["id"] == str(acme_web.pk)
    ended = alice.send("DELETE", f"/me/applications/{acme_web.pk}").json()

    assert ended == {"refresh_tokens": 1}
    assert not Consent.unscoped.filter(client=acme_web, revoked_at=None).exists()
    assert not RefreshFamily.unscoped.filter(client=acme_web, revoked_at=None).exists()


@pytest.mark.parametrize(
    ("method", "path", "body"), CHANGES, ids=[path.rpartition("/")[2] for _, path, _ in CHANGES]
)
def test_what_matters_needs_a_proof_of_the_last_minutes(alice, mine, later, method, path, body):
    later(minutes=15, seconds=1)
    alice, before = alice.again(), snapshot()

    refused = alice.send(method, path.format(**mine), body)

    assert code_of(refused) == (401, "insufficient_user_authentication")
    assert changed(before) == []


@pytest.mark.parametrize("who", ["newcomer", "outsider"])
def test_what_is_somebody_elses_does_not_exist(mine, who, request):
    theirs = Api.of(request.getfixturevalue(who))
    before = snapshot()

    for method, path, body in [
        *CHANGES, ("POST", "/me/devices/{device}/rename", {"name": "x"}),
        ("GET", "/me/devices/{device}/score", None),
    ]:  # fmt: skip
        if "{" not in path or (who == "newcomer" and "{client}" in path):
            continue
        answer = theirs.send(method, path.format(**mine), body)
        assert code_of(answer) == (404, "not_found"), path
    for path in ("sessions", "sign-ins", "devices", "activity", "applications"):
        told = theirs.get(f"/me/{path}").content.decode()
        assert not [each for each in mine.values() if each in told], path
    assert changed(before) == []


def of_an_account(mine: dict[str, str]) -> list[tuple[str, str]]:
    """Method and path of every operation on an account, about what alice has."""
    found = []
    for template, methods in json.loads(document())["paths"].items():
        path = re.sub(r"{(\w+?)(_id)?}", lambda part: mine.get(part.group(1), "-"), template)
        found += [
            (method.upper(), path.removeprefix(ROOT))
            for method, operation in methods.items()
            if f"api:{operation['operationId']}" in OF_AN_ACCOUNT
        ]
    return found


def outcomes(api: Api, mine: dict[str, str]) -> set[tuple[int, str]]:
    return {code_of(api.send(method, path)) for method, path in of_an_account(mine)}


def test_no_token_for_access_or_administration_looks_after_an_account(employee, mine):
    narrow = Api.of(employee, scope="access admin")
    before = snapshot()

    assert outcomes(narrow, mine) == {(403, "insufficient_scope")}
    assert changed(before) == []


def test_nobody_does_it_in_anothers_name(acme, employee, mine):
    gateway: Any = exchange.api(
        acme, "acme-gateway", audience=f"{settings.ISSUER}{ROOT}", scopes=["account"]
    )
    caller = cast.client("acme-caller", acme, audience=gateway.client_id, scopes=["account"])
    session = cast.sign_in(Browser(), employee)
    subject = oauth.redeem(caller, oauth.issue_code(caller, session, scope="account")).json
    handed = Api(exchange.exchange(gateway, subject["access_token"]).json["access_token"])
    before = snapshot()

    assert outcomes(handed, mine) == {(403, "not_allowed")}
    assert changed(before) == []
