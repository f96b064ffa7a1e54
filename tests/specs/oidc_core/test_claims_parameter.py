"""OpenID Connect Core 1.0 §5.5: the `claims` parameter, and the defaults that clients register."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client, Consent
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    answer,
    authorize,
    given,
    nothing_was_issued,
    path,
    query,
    refused,
)
from tests.support.oauth import claims_of, redeem, refresh, send


def tokens(browser: Browser, client: Client, claims: Any = None, **changes: Any) -> Any:
    asked = None if claims is None else json.dumps(claims)
    values = answer(authorize(browser, client, claims=asked, **{"scope": "openid"} | changes))
    return redeem(client, values["code"]).json


def id_token(browser: Browser, client: Client, kind: str, claims: Any) -> dict[str, Any]:
    """What the ID token says: the one that came at once, else that of the code."""
    asked = json.dumps(claims)
    response = authorize(browser, client, response_type=kind, claims=asked, scope="openid")
    values = given(response, kind)
    return claims_of(values.get("id_token") or redeem(client, values["code"]).json["id_token"])


def register(client: Client, **more: Any) -> None:
    Client.unscoped.filter(pk=client.pk).update(metadata=client.metadata | more)


def userinfo(answered: Any) -> dict[str, Any]:
    token = answered["access_token"]
    return send("GET", "/oauth/userinfo", authorization=f"Bearer {token}").json


@pytest.mark.spec("OpenID Core", "5.5", "a claim for userinfo is at userinfo, and nowhere else")
def test_an_essential_name_at_userinfo(alices: Browser, acme_web: Client) -> None:
    got = tokens(alices, acme_web, {"userinfo": {"name": {"essential": True}}})

    assert userinfo(got)["name"] == "Alice Arden"
    assert "email" not in userinfo(got)
    assert "name" not in claims_of(got["id_token"])


@pytest.mark.spec("OpenID Core", "5.5", "a claim for the ID token is in it, after refreshing too")
def test_a_claim_in_the_id_token(alices: Browser, acme_web: Client, employee: Person) -> None:
    got = tokens(alices, acme_web, {"id_token": {"email": None}})
    again = refresh(acme_web, got["refresh_token"]).json

    for answered in (got, again):
        assert claims_of(answered["id_token"])["email"] == employee.email
    assert "email" not in userinfo(got)


@pytest.mark.spec("OpenID Core", "5.5", "a claim for the ID token is in the one that comes at once")
def test_a_claim_in_each_id_token(
    alices: Browser, web: Client, employee: Person, kind: str
) -> None:
    asked = {"id_token": {"email": None}}

    assert id_token(alices, web, kind, asked)["email"] == employee.email
    assert "name" not in id_token(alices, web, kind, asked)


@pytest.mark.spec("OpenID Core", "5.5", "only what the registered scopes would give")
def test_nothing_beyond_what_is_registered(alices: Browser, acme_web: Client) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(scopes=["openid", "profile"])
    wanted = {"name": None, "email": {"essential": True}, "unheard_of": None, "iss": None}

    got = tokens(alices, acme_web, {"userinfo": wanted, "id_token": wanted, "other": {}})

    assert userinfo(got).keys() == {"sub", "name"}
    assert "email" not in claims_of(got["id_token"])


@pytest.mark.spec("OpenID Core", "5.5", "malformed requests are refused")
@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"x"', '{"userinfo": []}', '{"id_token": {"name": 1}}',
     '{"id_token": {"acr": {"values": "aal2"}}}', json.dumps({"userinfo": dict.fromkeys(map(str, range(51)))})],
)  # fmt: skip
def test_malformed_claims(alices: Browser, acme_web: Client, text: str) -> None:
    assert refused(authorize(alices, acme_web, claims=text), "code") == "invalid_request"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "5.5.1", "the user allows what claims reveal, as by scope")
def test_claims_need_consent(alices: Browser, acme_spa: Client) -> None:
    asked = json.dumps({"userinfo": {"email": None}})
    response = authorize(alices, acme_spa, scope="openid", claims=asked)
    assert path(response) == "/oauth/consent"

    alices.post("/oauth/consent", {"request": query(response)["id"], "decision": "allow"})

    assert set(Consent.unscoped.get().scopes) == {"openid", "email"}


@pytest.mark.spec("OpenID Core", "5.5.1.1", "an essential acr is met or refused")
def test_an_essential_acr_that_is_met(alices: Browser, web: Client, kind: str) -> None:
    demand = {"id_token": {"acr": {"essential": True, "values": ["aal1"]}}}

    assert id_token(alices, web, kind, demand)["acr"] == "aal1"


@pytest.mark.parametrize("values", [["phrh"], ["urn:unheard:of"]])
def test_an_essential_acr_out_of_reach(
    alices: Browser, web: Client, kind: str, values: list[str]
) -> None:
    demand = json.dumps({"id_token": {"acr": {"essential": True, "values": values}}})

    response = authorize(alices, web, response_type=kind, claims=demand)

    assert refused(response, kind) == "unmet_authentication_requirements"
    assert nothing_was_issued()


def test_an_essential_acr_within_reach_steps_up(web: Client, employee: Person, kind: str) -> None:
    visitor = Browser()
    cast.sign_in(visitor, employee, acr="aal1")
    demand = json.dumps({"id_token": {"acr": {"essential": True, "value": "aal2"}}})

    response = authorize(visitor, web, response_type=kind, claims=demand)

    assert (path(response), query(response)["acr"]) == ("/step-up/", "aal2")
    silent = authorize(visitor, web, response_type=kind, claims=demand, prompt="none")
    assert refused(silent, kind) == "interaction_required"


def test_a_voluntary_acr_is_a_wish(alices: Browser, web: Client, kind: str) -> None:
    wish = {"id_token": {"acr": {"values": ["phrh"]}}}

    assert id_token(alices, web, kind, wish)["acr"] == "aal2"


@pytest.mark.spec("OpenID Core", "5.5.1", "a sub with a value is the signed-in user, or nobody")
def test_a_subject_that_is_expected(
    alices: Browser, web: Client, employee: Person, newcomer: Person, kind: str
) -> None:
    def ask(user: Any) -> Any:
        asked = json.dumps({"id_token": {"sub": {"value": str(user.pk)}}})
        return authorize(alices, web, response_type=kind, claims=asked, prompt="none")

    given(ask(employee.user), kind)
    assert refused(ask(newcomer.user), kind) == "login_required"


@pytest.mark.spec("OpenID Core", "5.5.1", "auth_time as an essential claim is always there")
def test_auth_time_is_there(alices: Browser, web: Client, kind: str) -> None:
    said = id_token(alices, web, kind, {"id_token": {"auth_time": {"essential": True}}})

    assert isinstance(said["auth_time"], int)


@pytest.mark.spec("OpenID Registration", "2", "default_max_age holds where none was sent")
def test_default_max_age(alices: Browser, web: Client, kind: str, later: Any) -> None:
    register(web, default_max_age=60)
    later(minutes=2)

    assert path(authorize(alices, web, response_type=kind)) == "/step-up/"
    given(authorize(alices, web, response_type=kind, max_age="600"), kind)


@pytest.mark.spec("OpenID Registration", "2", "default_acr_values hold where none were sent")
def test_default_acr_values(web: Client, employee: Person, kind: str) -> None:
    register(web, default_acr_values=["aal2"])
    visitor = Browser()
    cast.sign_in(visitor, employee, acr="aal1")

    assert path(authorize(visitor, web, response_type=kind)) == "/step-up/"
    given(authorize(visitor, web, response_type=kind, acr_values="aal1"), kind)


@pytest.mark.spec("Initiating User Registration", "4", "prompt=create leads to the sign-up page")
@pytest.mark.parametrize(
    ("sign_up", "page"), [("open", "/accounts/signup/"), ("invitation", "/accounts/login/")]
)
def test_prompt_create(web: Client, settings: Any, kind: str, sign_up: str, page: str) -> None:
    settings.SIGNUP = sign_up

    response = authorize(Browser(), web, response_type=kind, prompt="create")

    assert path(response) == page
    assert query(response)["next"].startswith("/oauth/authorize/resume?id=")


def test_prompt_create_asks_whoever_is_here_first(alices: Browser, web: Client, kind: str) -> None:
    response = authorize(alices, web, response_type=kind, prompt="create")
    assert path(response) == "/oauth/authorize/account"
    handle = query(response)["id"]

    going_on = alices.post("/oauth/authorize/account", {"request": handle, "decision": "continue"})

    given(alices.get(going_on["Location"]), kind)
