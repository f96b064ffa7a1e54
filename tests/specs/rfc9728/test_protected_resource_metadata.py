"""RFC 9728, OAuth 2.0 Protected Resource Metadata: userinfo and the API are ours."""

import re

import pytest

from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.support import dpop, oauth
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db

WELL_KNOWN = "/.well-known/oauth-protected-resource"
USERINFO = ["", "/oauth/userinfo"]
PATHS = [*USERINFO, "/api/v1"]


@pytest.fixture
def session(client, employee) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.mark.spec("RFC 9728", "3.1", "the well-known path stands between host and path")
@pytest.mark.parametrize("path", PATHS, ids=["issuer", "userinfo", "api"])
def test_the_document(path: str) -> None:
    reply = oauth.send("GET", f"{WELL_KNOWN}{path}")

    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    found = reply.json
    assert found["authorization_servers"] == [ISSUER]
    is_userinfo = path in USERINFO
    assert ("openid" if is_userinfo else "access") in found["scopes_supported"]
    assert found["bearer_methods_supported"] == ["header", "body"][: 1 + is_userinfo]
    assert found["dpop_signing_alg_values_supported"]
    assert not [name for name, value in found.items() if value in ([], None, "")]


@pytest.mark.spec("RFC 9728", "3.3", "resource is the identifier that was asked for")
@pytest.mark.parametrize("path", PATHS, ids=["issuer", "userinfo", "api"])
def test_resource(path: str) -> None:
    assert oauth.send("GET", f"{WELL_KNOWN}{path}").json["resource"] == ISSUER + path


@pytest.mark.parametrize(
    "path", ["/", "/oauth/token", "/oauth/userinfo/", "/oauth", "//evil.example"]
)
def test_nothing_is_said_of_what_is_no_resource(client, path: str) -> None:
    assert client.get(f"{WELL_KNOWN}{path}").status_code in {302, 404}


@pytest.mark.spec("RFC 9728", "4", "discovery lists the protected resources, each with a document")
def test_discovery() -> None:
    for name in ("openid-configuration", "oauth-authorization-server"):
        listed = oauth.send("GET", f"/.well-known/{name}").json["protected_resources"]
        assert listed == [ISSUER + path for path in PATHS]


@pytest.mark.spec("RFC 9728", "5.1", "every challenge of userinfo leads to its metadata")
@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer", "Basic eDp4", "Bearer nonsense", "DPoP nonsense"],
    ids=["none", "empty", "basic", "bearer", "dpop"],
)
def test_challenges(authorization: str | None) -> None:
    reply = oauth.send("GET", "/oauth/userinfo", authorization=authorization)

    assert reply.status == 401
    assert_leads_there(reply)


@pytest.mark.spec("RFC 9728", "5.1", "challenges of other kinds lead there, too")
def test_other_challenges(acme_web: Client, acme_machine: Client, session: LoginSession) -> None:
    key = dpop.new_key()
    code = oauth.issue_code(acme_web, session)
    bound = dpop.redeem(acme_web, code, dpop.proof(key)).json["access_token"]
    machine = oauth.token(acme_machine, {"grant_type": "client_credentials"}).json["access_token"]

    without_proof = dpop.userinfo(bound, None)
    unscoped = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {machine}")

    assert (without_proof.status, unscoped.status) == (401, 403)
    for reply in (without_proof, unscoped):
        assert_leads_there(reply)


@pytest.mark.spec("RFC 9728", "5.1", "both schemes of one answer lead there")
def test_both_schemes() -> None:
    challenge = oauth.send("GET", "/oauth/userinfo").headers["WWW-Authenticate"]

    bearer, dpop_challenge = challenge.split(", DPoP ")
    assert "resource_metadata=" in bearer
    assert "resource_metadata=" in dpop_challenge


def assert_leads_there(reply: oauth.Reply) -> None:
    """The metadata that a challenge names is of the very address that was asked (RFC 9728 §3.3)."""
    found = re.findall('resource_metadata="([^"]+)"', reply.headers["WWW-Authenticate"])
    assert found
    for address in found:
        assert address.startswith(ISSUER)
        document = oauth.send("GET", address.removeprefix(ISSUER)).json
        assert document["resource"] == f"{ISSUER}/oauth/userinfo"
