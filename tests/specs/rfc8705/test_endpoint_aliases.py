"""RFC 8705 §5: the same endpoints at a second address, where clients are asked for certificates."""

import re
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import assertions, dpop, oauth
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db

ALIAS = "https://mtls.acme.example"
HERE = {"HTTP_HOST": "mtls.acme.example"}


@pytest.fixture(autouse=True)
def _alias(settings: Any) -> None:
    settings.MTLS_HEADER = "X-Client-Cert"
    settings.MTLS_BASE_URL = ALIAS


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.mark.spec("RFC 8705", "5", "discovery names the aliases of endpoints that exist above")
def test_discovery() -> None:
    found = oauth.send("GET", "/.well-known/openid-configuration").json

    aliases = found["mtls_endpoint_aliases"]
    assert {"token_endpoint", "userinfo_endpoint", "introspection_endpoint"} <= aliases.keys()
    assert "authorization_endpoint" not in aliases
    for name, address in aliases.items():
        assert name.endswith("_endpoint")
        assert address == found[name].replace(ISSUER, ALIAS)
    assert found["issuer"] == ISSUER
    assert oauth.send("GET", "/.well-known/openid-configuration", **HERE).json == found


def test_there_are_none_without_the_setting(settings: Any) -> None:
    settings.MTLS_BASE_URL = ""

    found = oauth.send("GET", "/.well-known/openid-configuration").json

    assert "mtls_endpoint_aliases" not in found
    assert oauth.send("GET", "/oauth/jwks", **HERE).status == 400


@pytest.mark.spec("RFC 8705", "5", "the endpoints answer at the alias as they do at the issuer")
def test_the_endpoints(acme_web: Client, session: LoginSession, client: Browser) -> None:
    reply = dpop.redeem(acme_web, oauth.issue_code(acme_web, session), None, **HERE)

    assert reply.status == 200, reply.body
    assert oauth.claims_of(reply.json["access_token"])["iss"] == ISSUER
    told = dpop.userinfo(reply.json["access_token"], None, scheme="Bearer", **HERE)
    assert told.json["sub"] == str(session.user_id)
    for path in ("/oauth/authorize", "/accounts/login/", "/"):
        assert client.get(path, headers={"host": "mtls.acme.example"}).status_code == 400, path


@pytest.mark.parametrize("base", [ISSUER, ALIAS], ids=["issuer", "alias"])
@pytest.mark.parametrize("environ", [{}, HERE], ids=["at-issuer", "at-alias"])
def test_htu_of_a_proof_names_either_address(
    acme_web: Client, session: LoginSession, base: str, environ: dict[str, str]
) -> None:
    key, code = dpop.new_key(), oauth.issue_code(acme_web, session)
    proof = dpop.proof(key, htu=f"{base}/oauth/token")

    reply = dpop.redeem(acme_web, code, proof, **environ)

    assert reply.json["token_type"] == "DPoP", reply.body
    assert dpop.redeem(acme_web, code, proof, **environ).error == "invalid_dpop_proof"


@pytest.mark.parametrize(
    "htu",
    ["https://evil.example/oauth/token", f"{ALIAS}/oauth/userinfo", f"{ALIAS}:444/oauth/token"],
)
def test_no_other_address_will_do(acme_web: Client, session: LoginSession, htu: str) -> None:
    proof = dpop.proof(dpop.new_key(), htu=htu)

    reply = dpop.redeem(acme_web, oauth.issue_code(acme_web, session), proof, **HERE)

    assert (reply.status, reply.error) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("audience", "is_good"),
    [
        (f"{ALIAS}/oauth/token", True),
        (f"{ALIAS}/oauth/introspect", True),
        (f"{ALIAS}/oauth/revoke", False),
        (ALIAS, False),
        ("https://evil.example/oauth/token", False),
    ],
)
def test_aud_of_an_assertion_names_either_address(
    acme: Organisation, audience: str, is_good: bool
) -> None:
    assertions.client(acme)
    assertion = assertions.sign(assertions.claims(aud=audience))
    form = {
        "token": "x", "client_assertion": assertion, "client_assertion_type": assertions.TYPE,
    }  # fmt: skip

    reply = oauth.send("POST", "/oauth/introspect", form=form, **HERE)

    assert (reply.status == 200) is is_good, reply.body


@pytest.mark.spec(
    "RFC 9728", "3.3", "a challenge at the alias leads to the metadata of that address"
)
def test_metadata_of_the_address_that_was_asked() -> None:
    reply = oauth.send("GET", "/oauth/userinfo", **HERE)

    (address, *_) = re.findall('resource_metadata="([^"]+)"', reply.headers["WWW-Authenticate"])
    assert address.startswith(ALIAS)
    document = oauth.send("GET", address.removeprefix(ALIAS), **HERE).json
    assert document["resource"] == f"{ALIAS}/oauth/userinfo"
    assert document["authorization_servers"] == [ISSUER]
