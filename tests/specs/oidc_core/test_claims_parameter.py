"""OpenID Connect Core 1.0 §5.5: the `claims` parameter, and the defaults that clients register."""

import json
from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client, Consent
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, nothing_was_issued, path, query
from tests.support.oauth import claims_of, redeem, refresh, send


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


def tokens(browser: Browser, client: Client, claims: Any = None, **changes: Any) -> Any:
    asked = None if claims is None else json.dumps(claims)
    values = answer(authorize(browser, client, claims=asked, **{"scope": "openid"} | changes))
    return redeem(client, values["code"]).json


def userinfo(answered: Any) -> dict[str, Any]:
    token = answered["access_token"]
    return send("GET", "/oauth/userinfo", authorization=f"Bearer {token}").json


@pytest.mark.spec("OpenID Core", "5.5", "a claim for userinfo is at userinfo, and nowhere else")
def test_an_essential_name_at_userinfo(alices: Browser, acme_web: Client) -> None:
    given = tokens(alices, acme_web, {"userinfo": {"name": {"essential": True}}})

    assert userinfo(given)["name"] == "Alice Arden"
    assert "email" not in userinfo(given)
    assert "name" not in claims_of(given["id_token"])


@pytest.mark.spec("OpenID Core", "5.5", "a claim for the ID token is in it, after refreshing too")
def test_a_claim_in_the_id_token(alices: Browser, acme_web: Client, employee: Person) -> None:
    given = tokens(alices, acme_web, {"id_token": {"email": None}})
    again = refresh(acme_web, given["refresh_token"]).json

    for answered in (given, again):
        assert claims_of(answered["id_token"])["email"] == employee.email
    assert "email" not in userinfo(given)


@pytest.mark.spec("OpenID Core", "5.5", "only what the registered scopes would give")
def test_nothing_beyond_what_is_registered(alices: Browser, acme_web: Client) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(scopes=["openid", "profile"])
    wanted = {"name": None, "email": {"essential": True}, "unheard_of": None, "iss": None}

    given = tokens(alices, acme_web, {"userinfo": wanted, "id_token": wanted, "other": {}})

    assert userinfo(given).keys() == {"sub", "name"}
    assert "email" not in claims_of(given["id_token"])


@pytest.mark.spec("OpenID Core", "5.5", "malformed requests are refused")
@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"x"', '{"userinfo": []}', '{"id_token": {"name": 1}}',
     '{"id_token": {"acr": {"values": "aal2"}}}', json.dumps({"userinfo": dict.fromkeys(map(str, range(51)))})],
)  # fmt: skip
def test_malformed_claims(alices: Browser, acme_web: Client, text: str) -> None:
    assert answer(authorize(alices, acme_web, claims=text))["error"] == "invalid_request"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "5.5.1", "the user allows what claims reveal, as by scope")
def test_claims_need_consent(alices: Browser, acme_spa: Client) -> None:
    asked = json.dumps({"userinfo": {"email": None}})
    response = authorize(alices, acme_spa, scope="openid", claims=asked)
    assert path(response) == "/oauth/consent"

    alices.post("/oauth/consent", {"request": query(response)["id"], "decision": "allow"})

    assert set(Consent.unscoped.get().scopes) == {"openid", "email"}


@pytest.mark.spec("OpenID Core", "5.5.1.1", "an essential acr is met or refused")
def test_an_essential_acr_that_is_met(alices: Browser, acme_web: Client) -> None:
    demand = {"id_token": {"acr": {"essential": True, "values": ["aal1"]}}}

    assert claims_of(tokens(alices, acme_web, demand)["id_token"])["acr"] == "aal1"


@pytest.mark.parametrize("values", [["phrh"], ["urn:unheard:of"]])
def test_an_essential_acr_out_of_reach(
    alices: Browser, acme_web: Client, values: list[str]
) -> None:
    demand = json.dumps({"id_token": {"acr": {"essential": True, "values": values}}})

    response = authorize(alices, acme_web, claims=demand)

    assert answer(response)["error"] == "unmet_authentication_requirements"
    assert nothing_was_issued()


def test_an_essential_acr_within_reach_steps_up(acme_web: Client, employee: Person) -> None:
    visitor = Browser()
    cast.sign_in(visitor, employee, acr="aal1")
    demand = json.dumps({"id_token": {"acr": {"essential": True, "value": "aal2"}}})

    response = authorize(visitor, acme_web, claims=demand)

    assert (path(response), query(response)["acr"]) == ("/step-up/", "aal2")
    silent = authorize(visitor, acme_web, claims=demand, prompt="none")
    assert answer(silent)["error"] == "interaction_required"


def test_a_voluntary_acr_is_a_wish(alices: Browser, acme_web: Client) -> None:
    given = tokens(alices, acme_web, {"id_token": {"acr": {"values": ["phrh"]}}})

    assert claims_of(given["id_token"])["acr"] == "aal2"


@pytest.mark.spec("OpenID Core", "5.5.1", "a sub with a value is the signed-in user, or nobody")
def test_a_subject_that_is_expected(
    alices: Browser, acme_web: Client, employee: Person, newcomer: Person
) -> None:
    def ask(user: Any) -> Any:
        asked = json.dumps({"id_token": {"sub": {"value": str(user.pk)}}})
        return answer(authorize(alices, acme_web, claims=asked, prompt="none"))

    assert "code" in ask(employee.user)
    assert ask(newcomer.user)["error"] == "login_required"


@pytest.mark.spec("OpenID Core", "5.5.1", "auth_time as an essential claim is always there")
def test_auth_time_is_there(alices: Browser, acme_web: Client) -> None:
    given = tokens(alices, acme_web, {"id_token": {"auth_time": {"essential": True}}})

    assert isinstance(claims_of(given["id_token"])["auth_time"], int)


@pytest.mark.spec("OpenID Registration", "2", "default_max_age holds where none was sent")
def test_default_max_age(alices: Browser, acme_web: Client, later: Any) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(metadata={"default_max_age": 60})
    later(minutes=2)

    assert path(authorize(alices, acme_web)) == "/step-up/"
    assert "code" in answer(authorize(alices, acme_web, max_age="600"))


@pytest.mark.spec("OpenID Registration", "2", "default_acr_values hold where none were sent")
def test_default_acr_values(acme_web: Client, employee: Person) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(metadata={"default_acr_values": ["aal2"]})
    visitor = Browser()
    cast.sign_in(visitor, employee, acr="aal1")

    assert path(authorize(visitor, acme_web)) == "/step-up/"
    assert "code" in answer(authorize(visitor, acme_web, acr_values="aal1"))


@pytest.mark.spec("Initiating User Registration", "4", "prompt=create leads to the sign-up page")
@pytest.mark.parametrize(
    ("sign_up", "page"), [("open", "/accounts/signup/"), ("invitation", "/accounts/login/")]
)
def test_prompt_create(acme_web: Client, settings: Any, sign_up: str, page: str) -> None:
    settings.SIGNUP = sign_up

    response = authorize(Browser(), acme_web, prompt="create")

    assert path(response) == page
    assert query(response)["next"].startswith("/oauth/authorize/resume?id=")


def test_prompt_create_asks_whoever_is_here_first(alices: Browser, acme_web: Client) -> None:
    response = authorize(alices, acme_web, prompt="create")
    assert path(response) == "/oauth/authorize/account"
    handle = query(response)["id"]

    going_on = alices.post("/oauth/authorize/account", {"request": handle, "decision": "continue"})

    assert "code" in answer(alices.get(going_on["Location"]))
