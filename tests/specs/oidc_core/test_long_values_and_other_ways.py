"""What relying parties may send that is longer, or in another way, than most send it."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import dpop, oauth
from tests.support.authorize import answer, authorize
from tests.support.registering import initial_token, register

pytestmark = pytest.mark.django_db
spec = pytest.mark.spec
USERINFO = "/oauth/userinfo"


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def text(acme_web: Client, session: LoginSession) -> str:
    reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session))
    return str(reply.json["access_token"])


@spec("FAPI 2.0 Security Profile", "5.3.2.2", "a state of 1000 characters comes back")
def test_a_long_state(alices: Browser, acme_web: Client) -> None:
    assert answer(authorize(alices, acme_web, state="s" * 1000))["state"] == "s" * 1000


@spec("OpenID Core", "3.1.2.1", "a nonce of 64 or 384 characters comes back")
@pytest.mark.parametrize("length", [64, 384])
def test_a_long_nonce(alices: Browser, acme_web: Client, length: int) -> None:
    code = answer(authorize(alices, acme_web, nonce="n" * length))["code"]

    id_token = oauth.claims_of(oauth.redeem(acme_web, code).json["id_token"])
    assert id_token["nonce"] == "n" * length


@spec("OpenID Core", "9", "client_secret_post")
def test_client_secret_post(acme: Organisation, session: LoginSession) -> None:
    poster = cast.client("poster", acme, token_endpoint_auth_method="client_secret_post")
    form: dict[str, Any] = {
        "grant_type": "authorization_code", "code": oauth.issue_code(poster, session),
        "redirect_uri": cast.REDIRECT_URI, "code_verifier": oauth.VERIFIER,
        "client_id": poster.client_id,
    }  # fmt: skip

    wrong = oauth.send("POST", "/oauth/token", form=form | {"client_secret": "x"})
    right = oauth.send("POST", "/oauth/token", form=form | {"client_secret": cast.SECRET})

    assert wrong.error == "invalid_client"
    assert right.status == 200


@spec("OpenID Core", "5.3.1", "userinfo by GET and POST, with the token in the header or the form")
def test_userinfo_each_way(text: str, employee: Person) -> None:
    bearer = f"Bearer {text}"
    replies = [
        oauth.send("GET", USERINFO, authorization=bearer),
        oauth.send("POST", USERINFO, authorization=bearer),
        oauth.send("POST", USERINFO, form={"access_token": text}),
    ]

    assert [reply.status for reply in replies] == [200] * 3
    assert {reply.json["email"] for reply in replies} == {employee.email}


@spec("RFC 9110", "11.1", "the name of the scheme may be written in any case")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "bEaReR"])
def test_the_case_of_the_scheme(text: str, scheme: str) -> None:
    reply = oauth.send("GET", USERINFO, authorization=f"{scheme} {text}")

    assert reply.status == 200
    assert reply.headers["Date"]


@spec("RFC 9449", "7.1", "the scheme DPoP may be written in any case")
@pytest.mark.parametrize("scheme", ["DPoP", "dpop"])
def test_the_case_of_dpop(acme_web: Client, session: LoginSession, scheme: str) -> None:
    key = dpop.new_key()
    reply = dpop.redeem(acme_web, oauth.issue_code(acme_web, session), dpop.proof(key))
    bound = str(reply.json["access_token"])
    shown = dpop.proof(key, method="GET", path=dpop.USERINFO, token=bound)

    assert dpop.userinfo(bound, shown, scheme=scheme).status == 200


@spec("OpenID Core", "3.1.2.1", "the order of scopes does not matter")
def test_the_order_of_scopes(alices: Browser, acme_web: Client) -> None:
    scopes = {
        oauth.redeem(acme_web, answer(authorize(alices, acme_web, scope=scope))["code"]).json[
            "scope"
        ]
        for scope in ("openid profile", "profile openid")
    }

    assert {frozenset(scope.split()) for scope in scopes} == {frozenset({"openid", "profile"})}


@spec("OpenID Registration", "2", "who names no algorithm gets RS256, with a kid")
def test_the_default_algorithm(acme: Organisation) -> None:
    token = initial_token(acme)
    registered = register(token).json
    row = Client.unscoped.get(client_id=registered["client_id"])

    assert registered["id_token_signed_response_alg"] == "RS256"
    assert row.signing_alg == "RS256"
