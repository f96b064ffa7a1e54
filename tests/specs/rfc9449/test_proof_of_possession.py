"""RFC 9449, OAuth 2.0 Demonstrating Proof of Possession (DPoP)."""

import pytest
from django.test import Client as Browser

from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import dpop, oauth

pytestmark = pytest.mark.django_db

KEY, OTHER = dpop.new_key(), dpop.new_key()


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def text(acme_web: Client, session: LoginSession) -> str:
    reply = dpop.redeem(acme_web, oauth.issue_code(acme_web, session), dpop.proof(KEY))
    return str(reply.json["access_token"])


def shown(text: str, **changes: object) -> str:
    values = {"method": "GET", "path": dpop.USERINFO, "token": text} | changes
    return dpop.proof(KEY, **values)  # type: ignore[arg-type]


@pytest.mark.spec("RFC 9449", "4.3", "exactly one DPoP header, and it holds one JWT")
def test_one_header(acme_web: Client, session: LoginSession) -> None:
    code = oauth.issue_code(acme_web, session)

    reply = dpop.redeem(acme_web, code, f"{dpop.proof(KEY)},{dpop.proof(KEY)}")

    assert (reply.status, reply.error) == (400, "invalid_dpop_proof")


@pytest.mark.spec("RFC 9449", "4.3", "htu is compared without query and fragment")
def test_query_and_fragment(acme_web: Client, session: LoginSession) -> None:
    proof = dpop.proof(KEY, path=f"{dpop.TOKEN}?a=b#c")

    assert dpop.redeem(acme_web, oauth.issue_code(acme_web, session), proof).status == 200


@pytest.mark.spec("RFC 9449", "5", "a DPoP-bound access token has the token_type DPoP")
def test_token_type(acme_web: Client, session: LoginSession) -> None:
    reply = dpop.redeem(acme_web, oauth.issue_code(acme_web, session), dpop.proof(KEY))

    assert reply.json["token_type"] == "DPoP"


@pytest.mark.spec("RFC 9449", "5", "refresh tokens of public clients are bound to the key")
def test_refresh_tokens_of_public_clients(acme_spa: Client, session: LoginSession) -> None:
    code = oauth.issue_code(acme_spa, session)
    token = dpop.redeem(acme_spa, code, dpop.proof(KEY)).json["refresh_token"]

    assert dpop.refresh(acme_spa, token, dpop.proof(OTHER)).error == "invalid_grant"
    assert dpop.refresh(acme_spa, token, dpop.proof(KEY)).status == 200


@pytest.mark.spec("RFC 9449", "5", "those of confidential clients are not: the client is enough")
def test_refresh_tokens_of_confidential_clients(acme_web: Client, session: LoginSession) -> None:
    code = oauth.issue_code(acme_web, session)
    token = dpop.redeem(acme_web, code, dpop.proof(KEY)).json["refresh_token"]

    assert dpop.refresh(acme_web, token, dpop.proof(OTHER)).status == 200


@pytest.mark.spec("RFC 9449", "5.1", "metadata names the algorithms of proofs")
def test_metadata() -> None:
    document = oauth.send("GET", "/.well-known/oauth-authorization-server").json

    assert {"ES256", "PS256"} <= set(document["dpop_signing_alg_values_supported"])


@pytest.mark.spec("RFC 9449", "5.2", "dpop_bound_access_tokens: without a proof nothing is issued")
def test_client_metadata(acme: object, session: LoginSession) -> None:
    strict = cast.client(
        "strict", session.organisation, metadata={"dpop_bound_access_tokens": True}
    )

    reply = oauth.redeem(strict, oauth.issue_code(strict, session))

    assert (reply.status, reply.error) == (400, "invalid_dpop_proof")


@pytest.mark.spec("RFC 9449", "6.1", "cnf.jkt is the SHA-256 thumbprint of the key (RFC 7638)")
def test_confirmation(text: str) -> None:
    assert oauth.claims_of(text)["cnf"] == {"jkt": KEY.thumbprint()}


@pytest.mark.spec("RFC 9449", "6.2", "introspection answers with cnf, and token_type DPoP")
def test_introspection(text: str) -> None:
    answer = oauth.send(
        "POST", "/oauth/introspect", form={"token": text}, authorization=oauth.basic("acme-web")
    ).json

    assert (answer["cnf"], answer["token_type"]) == ({"jkt": KEY.thumbprint()}, "DPoP")


@pytest.mark.spec("RFC 9449", "7.1", "the resource wants the scheme DPoP and a proof with ath")
def test_at_the_resource(text: str) -> None:
    assert dpop.userinfo(text, shown(text)).status == 200
    assert dpop.userinfo(text, shown(text, token=None)).status == 401
    assert dpop.userinfo(text, shown(text, token="another")).status == 401


@pytest.mark.spec("RFC 9449", "7.1", "the challenge names the scheme, the error and the algorithms")
def test_challenge(text: str) -> None:
    challenge = dpop.userinfo(text, None).headers["WWW-Authenticate"]

    assert challenge.startswith('DPoP error="invalid_dpop_proof", algs="ES256 PS256 RS256')


@pytest.mark.spec("RFC 9449", "7.2", "a bound token shown by Bearer is refused")
def test_no_downgrade(text: str) -> None:
    reply = dpop.userinfo(text, None, scheme="Bearer")

    assert (reply.status, reply.error) == (401, "invalid_token")


@pytest.mark.spec("RFC 9449", "8", "use_dpop_nonce comes with the nonce to use")
def test_nonce(acme_web: Client, session: LoginSession, settings: object) -> None:
    settings.DPOP_NONCE_REQUIRED = True  # type: ignore[attr-defined]
    code = oauth.issue_code(acme_web, session)

    first = dpop.redeem(acme_web, code, dpop.proof(KEY))
    second = dpop.redeem(acme_web, code, dpop.proof(KEY, nonce=first.headers["DPoP-Nonce"]))

    assert (first.status, first.error, second.status) == (400, "use_dpop_nonce", 200)


@pytest.mark.spec("RFC 9449", "10", "a code bound by dpop_jkt needs a proof of that key")
def test_code_binding(acme_web: Client, session: LoginSession) -> None:
    code = oauth.issue_code(acme_web, session, terms={"dpop_jkt": KEY.thumbprint()})

    assert dpop.redeem(acme_web, code, dpop.proof(OTHER)).error == "invalid_grant"
    assert dpop.redeem(acme_web, code, dpop.proof(KEY)).status == 200


@pytest.mark.spec("RFC 9449", "11.1", "a proof is accepted once, for a minute")
def test_replay(text: str, later: object) -> None:
    once, late = shown(text), shown(text)
    assert [dpop.userinfo(text, once).status for _ in range(2)] == [200, 401]
    later(seconds=62)  # type: ignore[operator]

    assert dpop.userinfo(text, late).status == 401
