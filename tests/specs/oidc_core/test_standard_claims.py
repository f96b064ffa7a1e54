"""OpenID Connect Core 1.0 §5.1, §5.4: claims about a person, and which scope gives which.

The names of conformance modules stand beside what they exercise (oidcc-…).
"""

import json
from typing import Any

import pytest

from accounts import flows
from core import clock
from idp.models import Client
from idp.tokens import standard_claims
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

SAID = {
    "given_name": "Alice", "middle_name": "Ann", "family_name": "Arden", "nickname": "Al",
    "preferred_username": "alice", "profile": "https://acme.example/people/alice",
    "picture": "https://acme.example/people/alice.png", "website": "https://alice.example/",
    "gender": "female", "birthdate": "1990-04-30", "zoneinfo": "Europe/Berlin", "locale": "en-GB",
    "phone_number": "+49301234567",
}  # fmt: skip
ADDRESS = {"street_address": "Hafenweg 1", "locality": "Hamburg", "country": "Germany"}
SCOPES = ["openid", "profile", "email", "address", "phone", "roles"]


@pytest.fixture
def app(acme_web: Client) -> Client:
    acme_web.scopes = SCOPES
    acme_web.save()
    return acme_web


@pytest.fixture
def session(client: Any, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def profile(employee: Person) -> None:
    flows.update_profile(
        user=employee.user, name="Alice Arden", claims=SAID, address=ADDRESS, now=clock.now()
    )


def userinfo(app: Client, session: LoginSession, scope: str) -> dict[str, Any]:
    tokens = oauth.redeem(app, oauth.issue_code(app, session, scope=f"openid {scope}")).json
    answer = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}")
    assert answer.status == 200, answer.body
    return answer.json


@pytest.mark.spec("OpenID Core", "5.4", "scope profile gives every profile claim")
def test_scope_profile(app: Client, session: LoginSession, profile: None) -> None:
    """oidcc-scope-profile"""
    claims = userinfo(app, session, "profile")

    assert claims.keys() == {
        "sub", "name", "given_name", "middle_name", "family_name", "nickname",
        "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo",
        "locale", "updated_at", "organisation",
    }  # fmt: skip
    for name in SAID.keys() - {"phone_number"}:
        assert claims[name] == SAID[name]


@pytest.mark.spec("OpenID Core", "5.1", "updated_at is a number of seconds")
def test_updated_at(app: Client, session: LoginSession, profile: None) -> None:
    updated_at = userinfo(app, session, "profile")["updated_at"]

    assert type(updated_at) is int
    assert 0 <= clock.now().timestamp() - updated_at < 60


@pytest.mark.spec("OpenID Core", "5.4", "scope email gives email and a boolean email_verified")
def test_scope_email(app: Client, session: LoginSession, profile: None) -> None:
    """oidcc-scope-email"""
    claims = userinfo(app, session, "email")

    assert claims.keys() == {"sub", "email", "email_verified"}
    assert claims["email_verified"] is True


@pytest.mark.spec("OpenID Core", "5.1.1", "scope address gives a JSON object of what is known")
def test_scope_address(app: Client, session: LoginSession, profile: None) -> None:
    """oidcc-scope-address"""
    claims = userinfo(app, session, "address")

    assert claims.keys() == {"sub", "address"}
    assert claims["address"] == {"formatted": "Hafenweg 1\nHamburg\nGermany", **ADDRESS}


@pytest.mark.spec("OpenID Core", "5.4", "scope phone gives a number and a boolean")
def test_scope_phone(app: Client, session: LoginSession, profile: None) -> None:
    """oidcc-scope-phone"""
    claims = userinfo(app, session, "phone")

    assert claims.keys() == {"sub", "phone_number", "phone_number_verified"}
    assert claims["phone_number"] == "+49301234567"
    assert claims["phone_number_verified"] is False


@pytest.mark.spec("OpenID Core", "5.4", "all scopes together give all claims")
def test_scope_all(app: Client, session: LoginSession, profile: None) -> None:
    """oidcc-scope-all"""
    claims = userinfo(app, session, "profile email address phone roles")

    assert claims.keys() == {"sub", *standard_claims.NAMES}
    assert (
        set(oauth.send("GET", "/.well-known/openid-configuration").json["claims_supported"])
        >= claims.keys()
    )


@pytest.mark.spec("OpenID Core", "5.3.2", "claims that are not known are left out")
def test_empty_claims_are_left_out(app: Client, session: LoginSession, employee: Person) -> None:
    employee.user.name = ""
    employee.user.save()

    before = userinfo(app, session, "profile email address phone")
    flows.update_profile(
        user=employee.user, name="", claims={"nickname": "Al"}, address={}, now=clock.now()
    )
    after = userinfo(app, session, "profile email address phone")

    always = {"sub", "organisation", "updated_at", "email", "email_verified"}
    assert before.keys() == always
    assert after.keys() == always | {"nickname"}
    assert not {"", None, "null"} & {json.dumps(value).strip('"') for value in after.values()}


@pytest.mark.spec("OpenID Core", "5.4", "openid alone gives sub alone")
def test_scope_openid(app: Client, session: LoginSession, profile: None) -> None:
    assert userinfo(app, session, "").keys() == {"sub"}


@pytest.mark.spec("OpenID Discovery", "3", "scopes and claims that are supported are listed")
def test_discovery() -> None:
    metadata = oauth.send("GET", "/.well-known/openid-configuration").json

    assert set(SCOPES) <= set(metadata["scopes_supported"])
    assert set(standard_claims.NAMES) <= set(metadata["claims_supported"])


def test_a_refresh_does_not_read_the_profile(
    app: Client, session: LoginSession, statements: list[str]
) -> None:
    tokens = oauth.redeem(app, oauth.issue_code(app, session)).json
    oauth.refresh(app, tokens["refresh_token"])

    assert statements
    assert not any("accounts_profile" in statement for statement in statements)
