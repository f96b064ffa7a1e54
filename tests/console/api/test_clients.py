"""Applications by the API: registered, changed, given secrets and roles, and switched off."""

from datetime import timedelta
from typing import Any

import pytest

from accounts import flows as accounts
from audit.models import AuditEvent
from core import clock
from idp.models import Client, ClientRole, InitialAccessToken
from tests.support import oauth
from tests.support.api import code_of
from tests.support.rows import changed, snapshot

pytestmark = pytest.mark.django_db

WORKER = {"name": "worker", "kind": "confidential", "grant_types": ["client_credentials"]}


@pytest.fixture
def worker(bob) -> dict[str, Any]:
    """A registration as the API answers it, with its secret."""
    return made(bob.post("/clients", WORKER))


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def tokens(client_id: str, secret: str) -> int:
    """What becomes of asking for a token by this secret."""
    return oauth.send(
        "POST", "/oauth/token", form={"grant_type": "client_credentials"},
        authorization=oauth.basic(client_id, secret),
    ).status  # fmt: skip


def terms(told: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What PUT takes, as GET told it."""
    names = (
        "name", "redirect_uris", "post_logout_redirect_uris", "grant_types", "scopes",
        "is_first_party", "required_acr", "required_tier", "scope_tiers", "audience",
        "signing_alg", "token_endpoint_auth_method", "metadata",
    )  # fmt: skip
    return {name: told[name] for name in names} | changes


def test_its_secret_is_told_once_and_works(bob, worker):
    assert tokens(worker["client"]["client_id"], worker["secret"]) == 200

    read = bob.get(f"/clients/{worker['client']['id']}")
    listed = bob.get("/clients", limit=200)
    assert worker["secret"] not in read.content.decode() + listed.content.decode()
    assert read.json() == worker["client"]
    assert worker["client"]["id"] in [each["id"] for each in listed.json()["items"]]
    kept = AuditEvent.objects.get(
        event="idp.client.registered", subject__endswith=read.json()["id"]
    )
    assert worker["secret"] not in str(kept.facts)
    assert bob.get(f"/clients/{worker['client']['id']}")["Cache-Control"] == "no-store"


def test_a_public_one_has_none(bob):
    told = made(
        bob.post(
            "/clients",
            {"name": "page", "kind": "public", "redirect_uris": ["https://page.example/back"]},
        )
    )

    assert told["secret"] is None
    assert told["client"]["token_endpoint_auth_method"] == "none"


@pytest.mark.parametrize(
    ("member", "value", "status"),
    [
        ("redirect_uris", ["http://far.example/"], 400),
        ("redirect_uris", ["https://a.example/*"], 400),
        ("grant_types", ["password"], 400), ("scopes", ["a b"], 400),
        ("required_acr", "aal9", 400), ("required_tier", 9, 400),
        ("scope_tiers", {"x": 9}, 400), ("signing_alg", "none", 400),
        ("metadata", {"unknown": 1}, 400), ("metadata", {"backchannel_logout_uri": 5}, 400),
        ("token_endpoint_auth_method", "magic", 400), ("name", " ", 400),
        ("kind", "secret", 422), ("redirect_uris", "https://a.example/", 422),
        ("is_first_party", "yes", 422), ("client_id", "mine", 422), ("secret", "mine", 422),
        ("organisation", "globex", 422), ("is_active", False, 422), ("metadata", [], 422),
    ],
)  # fmt: skip
def test_what_cannot_be_registered_is_refused_and_nothing_is_written(bob, member, value, status):
    before = snapshot()
    refused = bob.post("/clients", WORKER | {member: value})

    assert code_of(refused)[0] == status, refused.content
    assert changed(before) == []


def test_what_is_registered_is_set_anew_all_of_it(bob, worker):
    path = f"/clients/{worker['client']['id']}"
    told = bob.send("PUT", path, terms(worker["client"], name="engine", scopes=["authzen"])).json()

    assert (told["name"], told["scopes"]) == ("engine", ["authzen"])
    assert tokens(told["client_id"], worker["secret"]) == 200
    partly = bob.send("PUT", path, {"name": "left out"})
    assert code_of(partly) == (422, "invalid_request")
    unfit = bob.send("PUT", path, terms(told, grant_types=["authorization_code"]))
    assert code_of(unfit)[0] == 400
    assert Client.unscoped.get(pk=told["id"]).name == "engine"


def test_a_new_secret_replaces_the_old_one_at_once_or_later(bob, worker, later):
    row, client_id = worker["client"]["id"], worker["client"]["client_id"]

    second = made(bob.post(f"/clients/{row}/rotate-secret", {}))["secret"]
    assert [tokens(client_id, each) for each in (worker["secret"], second)] == [401, 200]
    third = made(bob.post(f"/clients/{row}/rotate-secret", {"keep_old_for": 3600}))["secret"]
    assert [tokens(client_id, each) for each in (second, third)] == [200, 200]
    later(hours=1)
    assert [tokens(client_id, each) for each in (second, third)] == [401, 200]
    too_long = bob.again().post(f"/clients/{row}/rotate-secret", {"keep_old_for": 31 * 86_400})
    assert code_of(too_long) == (400, "invalid_request")


def test_one_that_is_switched_off_gets_nothing(bob, worker):
    row = worker["client"]["id"]

    assert bob.post(f"/clients/{row}/deactivate").json()["is_active"] is False
    assert tokens(worker["client"]["client_id"], worker["secret"]) == 401


def test_a_role_is_given_to_it_and_taken_back(bob, worker, acme):
    role = accounts.create_role(organisation=acme, name="reader", now=clock.now())
    path = f"/clients/{worker['client']['id']}/roles"

    given = made(bob.post(path, {"role": str(role.pk)}))
    assert code_of(bob.post(path, {"role": str(role.pk)})) == (409, "conflict")
    assert [each["name"] for each in bob.get(path).json()["items"]] == ["reader"]
    assert bob.send("DELETE", f"{path}/{given['id']}").json() == {"did": True}
    assert bob.send("DELETE", f"{path}/{given['id']}").json() == {"did": False}
    assert ClientRole.unscoped.get().ended_at is not None
    past = (clock.now() - timedelta(days=1)).isoformat()
    refused = bob.post(path, {"role": str(role.pk), "ends_at": past})
    assert code_of(refused) == (400, "invalid_request")


def test_a_role_of_another_application_is_not_taken_by_this_path(bob, worker, acme):
    role = accounts.create_role(organisation=acme, name="reader", now=clock.now())
    other = made(bob.post("/clients", WORKER | {"name": "other"}))["client"]["id"]
    given = made(bob.post(f"/clients/{other}/roles", {"role": str(role.pk)}))

    path = f"/clients/{worker['client']['id']}/roles/{given['id']}"
    assert code_of(bob.send("DELETE", path)) == (404, "not_found")
    assert ClientRole.unscoped.get().ended_at is None


def test_another_organisations_do_not_exist(bob, carol, worker, acme):
    row = worker["client"]["id"]
    role = str(accounts.create_role(organisation=acme, name="reader", now=clock.now()).pk)
    before = snapshot()

    for method, path, body in (
        ("GET", "", None), ("PUT", "", terms(worker["client"])), ("POST", "/deactivate", None),
        ("POST", "/rotate-secret", {}), ("GET", "/roles", None),
        ("POST", "/roles", {"role": role}),
    ):  # fmt: skip
        refused = carol.send(method, f"/clients/{row}{path}", body)
        assert code_of(refused) == (404, "not_found"), path
    assert row not in carol.get("/clients").content.decode()
    assert changed(before) == []


def test_a_token_to_register_by_is_told_once_and_withdrawn(bob, carol):
    told = made(bob.post("/initial-access-tokens", {"name": "partner", "uses": 3}))
    row = told["row"]["id"]

    (listed,) = bob.get("/initial-access-tokens").json()["items"]
    assert (listed["uses_left"], listed["name"]) == (3, "partner")
    assert told["token"] not in str(listed)
    path = f"/initial-access-tokens/{row}/withdraw"
    assert code_of(carol.post(path)) == (404, "not_found")
    assert carol.get("/initial-access-tokens").json()["items"] == []
    assert bob.post(path).json() == {"did": True}
    assert bob.post(path).json() == {"did": False}
    assert InitialAccessToken.unscoped.get().uses_left == 0
    for wish in ({"uses": 0}, {"lifetime": 0}, {"grant_types": ["password"]}, {"scopes": ["a b"]}):
        assert code_of(bob.post("/initial-access-tokens", wish))[0] == 400, wish
    assert InitialAccessToken.unscoped.count() == 1
