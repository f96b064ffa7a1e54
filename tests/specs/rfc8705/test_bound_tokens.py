"""RFC 8705 §3: access tokens that are bound to the client's certificate."""

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from idp.models import Client, RefreshFamily
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import dpop, oauth, over_tls
from tests.support.certificates import ANOTHER, MINE, over, thumbprint

pytestmark = pytest.mark.django_db

BOUND = {"tls_client_certificate_bound_access_tokens": True}


@pytest.fixture(autouse=True)
def _proxy(settings: Any) -> None:
    settings.MTLS_HEADER = "X-Client-Cert"
    settings.MTLS_PROXIES = [over_tls.PEER]


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def bank(acme: Organisation) -> Client:
    return cast.client("bank", acme, metadata=BOUND)


@pytest.fixture
def tokens(bank: Client, session: LoginSession) -> dict[str, Any]:
    reply = dpop.redeem(bank, oauth.issue_code(bank, session), None, **over(MINE))
    assert reply.status == 200, reply.body
    return dict(reply.json)


def userinfo(text: str, **environ: Any) -> oauth.Reply:
    return dpop.userinfo(text, None, scheme="Bearer", **environ)


@pytest.mark.spec("RFC 8705", "3.1", "cnf holds the SHA-256 thumbprint of the certificate")
def test_confirmation(tokens: dict[str, Any]) -> None:
    assert oauth.claims_of(tokens["access_token"])["cnf"] == {"x5t#S256": thumbprint(MINE)}
    assert tokens["token_type"] == "Bearer"


@pytest.mark.spec("RFC 8705", "3", "the resource compares the connection's certificate")
def test_at_the_resource(tokens: dict[str, Any], employee: Person) -> None:
    text = tokens["access_token"]

    assert userinfo(text, **over(MINE)).json["email"] == employee.email
    for environ in (over(ANOTHER), {}):
        reply = userinfo(text, **environ)
        assert (reply.status, reply.error) == (401, "invalid_token")


@pytest.mark.spec("RFC 8705", "3", "a header that did not come from the proxy is no certificate")
def test_a_forged_header(tokens: dict[str, Any], settings: Any) -> None:
    settings.MTLS_PROXIES = [ip_network("198.51.100.9/32")]

    reply = userinfo(tokens["access_token"], **over(MINE))

    assert (reply.status, reply.error) == (401, "invalid_token")


@pytest.mark.spec("RFC 8705", "3.2", "introspection answers with cnf")
def test_introspection(tokens: dict[str, Any]) -> None:
    answer = oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": tokens["access_token"]},
        authorization=oauth.basic("bank"),
    ).json

    assert answer["cnf"] == {"x5t#S256": thumbprint(MINE)}
    assert answer["token_type"] == "Bearer"


@pytest.mark.spec("RFC 8705", "3.3", "metadata says that tokens may be bound")
def test_metadata() -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    assert document["tls_client_certificate_bound_access_tokens"] is True


@pytest.mark.spec("RFC 8705", "3.4", "a client that registered for it gets nothing without one")
def test_client_metadata(bank: Client, session: LoginSession) -> None:
    reply = oauth.redeem(bank, oauth.issue_code(bank, session))

    assert (reply.status, reply.error) == (400, "invalid_request")
    assert not RefreshFamily.unscoped.exists()


@pytest.mark.spec("RFC 8705", "4", "refresh tokens of public clients are bound, too")
def test_public_clients(acme: Organisation, session: LoginSession) -> None:
    native = cast.client("native", acme, kind="public", metadata=BOUND)
    code = oauth.issue_code(native, session)
    token = dpop.redeem(native, code, None, **over(MINE)).json["refresh_token"]

    assert dpop.refresh(native, token, None, **over(ANOTHER)).error == "invalid_grant"
    assert dpop.refresh(native, token, None, **over(MINE)).status == 200


@pytest.mark.spec("RFC 8705", "4", "a confidential client may renew its certificate")
def test_confidential_clients(bank: Client, tokens: dict[str, Any]) -> None:
    reply = dpop.refresh(bank, tokens["refresh_token"], None, **over(ANOTHER))

    assert oauth.claims_of(reply.json["access_token"])["cnf"] == {"x5t#S256": thumbprint(ANOTHER)}


def test_the_certificate_is_as_good_as_a_proof_for_fapi_2(
    acme: Organisation, session: LoginSession
) -> None:
    fapi = cast.client("fapi", acme, metadata=BOUND | {"security_profile": "fapi2"})

    reply = dpop.redeem(fapi, oauth.issue_code(fapi, session), None, **over(MINE))

    assert oauth.claims_of(reply.json["access_token"])["cnf"] == {"x5t#S256": thumbprint(MINE)}


def test_both_bind_together(bank: Client, session: LoginSession) -> None:
    key = dpop.new_key()
    code = oauth.issue_code(bank, session)
    text = dpop.redeem(bank, code, dpop.proof(key), **over(MINE)).json["access_token"]

    def ask(**environ: Any) -> oauth.Reply:
        proof = dpop.proof(key, method="GET", path=dpop.USERINFO, token=text)
        return dpop.userinfo(text, proof, **environ)

    assert oauth.claims_of(text)["cnf"].keys() == {"jkt", "x5t#S256"}
    assert ask(**over(MINE)).status == 200
    assert ask(**over(ANOTHER)).status == 401
