"""OpenID Connect Back-Channel Logout 1.0. The conformance modules' names stand in the tests' names."""

from typing import Any
from urllib.parse import parse_qs, urlencode

import pytest
from django.test import Client as Browser
from joserfc import jws
from joserfc.jwk import KeySet

from idp import tasks
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, authorize
from tests.support.elsewhere import Elsewhere

EVENT = "http://schemas.openid.net/event/backchannel-logout"
RETURN_TO = "https://app.acme.example/"


@pytest.fixture
def acme_told(acme: Any, elsewhere: Elsewhere) -> Client:
    metadata = {
        "backchannel_logout_uri": elsewhere.serve("/backchannel_logout", b""),
        "backchannel_logout_session_required": True,
    }
    return cast.client("acme-told", acme, is_first_party=True, metadata=metadata)


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def hint(alices: Browser, acme_told: Client, employee: Person) -> str:
    session = employee.user.login_sessions.get()
    return str(oauth.redeem(acme_told, oauth.issue_code(acme_told, session)).json["id_token"])


@pytest.fixture
def logged_out(alices: Browser, hint: str) -> Any:
    """Alice signs out from the application; the answer, after a worker has done its round."""
    query = {"id_token_hint": hint, "post_logout_redirect_uri": RETURN_TO, "state": "s"}
    response = alices.get(f"/oauth/end-session?{urlencode(query)}")
    tasks.deliver_logout_tokens()
    return response


@pytest.fixture
def received(logged_out: Any, elsewhere: Elsewhere) -> tuple[dict[str, str], str]:
    """Headers and body of the one request."""
    ((method, path, headers, body),) = elsewhere.requests
    assert (method, path) == ("POST", "/backchannel_logout")
    return headers, body.decode()


@pytest.mark.spec("Back-Channel Logout", "2.1", "discovery says what is supported")
def test_discovery_endpoint_verification(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True


@pytest.mark.spec("Back-Channel Logout", "2.5", "a form with the logout token alone is posted")
def test_the_request(received: tuple[dict[str, str], str]) -> None:
    headers, body = received

    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert list(parse_qs(body, strict_parsing=True)) == ["logout_token"]


@pytest.mark.spec("Back-Channel Logout", "2.4", "the claims of a logout token")
def test_the_claims(received: tuple[dict[str, str], str], hint: str, acme_told: Client) -> None:
    token = parse_qs(received[1])["logout_token"][0]
    claims, id_claims = oauth.claims_of(token), oauth.claims_of(hint)

    assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"}
    assert claims["events"] == {EVENT: {}}
    assert claims["aud"] == acme_told.client_id
    for name in ("iss", "sub", "sid"):
        assert claims[name] == id_claims[name]
    assert claims["exp"] - claims["iat"] == 120
    assert len(claims["jti"]) >= 22


@pytest.mark.spec("Back-Channel Logout", "2.4", "signed like the client's ID tokens, and typed")
@pytest.mark.parametrize("alg", ["ES256", "RS256"])
def test_the_signature(
    alices: Browser, acme_told: Client, elsewhere: Elsewhere, employee: Person, alg: str
) -> None:
    acme_told.signing_alg = alg
    acme_told.save(update_fields=["signing_alg"])
    session = employee.user.login_sessions.get()
    oauth.redeem(acme_told, oauth.issue_code(acme_told, session))
    alices.post("/accounts/logout/")
    tasks.deliver_logout_tokens()
    token = parse_qs(elsewhere.requests[0][3].decode())["logout_token"][0]

    header = oauth.header_of(token)
    assert (header["typ"], header["alg"]) == ("logout+jwt", alg)
    published = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    jws.deserialize_compact(token, published, algorithms=[alg])


@pytest.mark.spec("Back-Channel Logout", "2.3", "then back to the application, signed out")
def test_rp_initiated_logout(
    alices: Browser, acme_told: Client, logged_out: Any, received: Any
) -> None:
    assert logged_out["Location"] == f"{RETURN_TO}?state=s"
    silent = authorize(alices, acme_told, prompt="none")
    assert answer(silent)["error"] == "login_required"


@pytest.mark.spec("Back-Channel Logout", "4", "a logout token is no ID token, and no access token")
def test_a_logout_token_passes_for_nothing_else(
    acme_told: Client, received: tuple[dict[str, str], str], employee: Person
) -> None:
    token = parse_qs(received[1])["logout_token"][0]
    other = Browser()
    cast.sign_in(other, employee)

    response = other.get(f"/oauth/end-session?{urlencode({'id_token_hint': token})}")
    assert b"logout-form" in response.content
    bearer = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")
    assert (bearer.status, bearer.error) == (401, "invalid_token")


@pytest.mark.spec("Back-Channel Logout", "2.4", "the subject is the one of the client's ID tokens")
def test_a_pairwise_subject(
    alices: Browser, acme_told: Client, employee: Person, elsewhere: Elsewhere
) -> None:
    acme_told.metadata |= {"subject_type": "pairwise"}
    acme_told.save(update_fields=["metadata"])
    session = employee.user.login_sessions.get()
    id_token = oauth.redeem(acme_told, oauth.issue_code(acme_told, session)).json["id_token"]
    alices.post("/accounts/logout/")
    tasks.deliver_logout_tokens()
    token = parse_qs(elsewhere.requests[0][3].decode())["logout_token"][0]

    assert oauth.claims_of(token)["sub"] == oauth.claims_of(id_token)["sub"]
    assert oauth.claims_of(token)["sub"] != str(employee.user.id)
