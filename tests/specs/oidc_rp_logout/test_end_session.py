"""OpenID Connect RP-Initiated Logout 1.0. The conformance modules' names stand in the tests' names."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client as Browser
from joserfc import jwt
from joserfc.jwk import ECKey

from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize
from tests.support.oauth import claims_of, header_of, issue_code, redeem, send

RETURN_TO = "https://app.acme.example/"
STATE = "~!@#$%^&*()_+-=[]{}|;:,.<>/?"


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def hint(alices: Browser, acme_web: Client, employee: Person) -> str:
    session = employee.user.login_sessions.get()
    return str(redeem(acme_web, issue_code(acme_web, session)).json["id_token"])


def end(browser: Browser, **parameters: str) -> Any:
    return browser.get(f"/oauth/end-session?{urlencode(parameters)}")


def live() -> int:
    return LoginSession.unscoped.filter(ended_at=None).count()


@pytest.mark.spec("RP-Initiated Logout", "2.1", "the endpoint is in discovery")
def test_discovery_endpoint_verification(db: None) -> None:
    document = send("GET", "/.well-known/openid-configuration").json

    assert document["end_session_endpoint"] == f"{document['issuer']}/oauth/end-session"


@pytest.mark.spec("RP-Initiated Logout", "3", "back to the registered address with state alone")
def test_rp_initiated_logout(alices: Browser, acme_web: Client, hint: str) -> None:
    response = end(alices, id_token_hint=hint, post_logout_redirect_uri=RETURN_TO, state=STATE)

    location = urlsplit(response["Location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == RETURN_TO
    assert parse_qsl(location.query) == [("state", STATE)]
    assert live() == 0
    silent = authorize(alices, acme_web, prompt="none")
    assert answer(silent)["error"] == "login_required"


@pytest.mark.spec("RP-Initiated Logout", "3", "without state none is added")
def test_no_state(alices: Browser, hint: str) -> None:
    response = end(alices, id_token_hint=hint, post_logout_redirect_uri=RETURN_TO)

    assert response["Location"] == RETURN_TO


@pytest.mark.spec("RP-Initiated Logout", "3", "an address that is not registered is not gone to")
@pytest.mark.parametrize("uri", ["https://evil.example/", f"{RETURN_TO}?foo=bar"])
def test_bad_post_logout_redirect_uri(alices: Browser, hint: str, uri: str) -> None:
    response = end(alices, id_token_hint=hint, post_logout_redirect_uri=uri)

    assert response.status_code == 200
    assert not response.has_header("Location")


@pytest.mark.spec("RP-Initiated Logout", "4", "a hint that does not verify leads nowhere")
def test_modified_id_token_hint(alices: Browser, hint: str) -> None:
    _, payload, _ = hint.split(".")

    response = end(
        alices, id_token_hint=f"eyJhbGciOiJub25lIn0.{payload}.", post_logout_redirect_uri=RETURN_TO
    )

    assert response.status_code == 200
    assert not response.has_header("Location")
    assert live() == 1


@pytest.mark.spec("RP-Initiated Logout", "4", "a hint of another issuer leads nowhere")
def test_bad_id_token_hint(alices: Browser, acme_web: Client, hint: str) -> None:
    key = ECKey.generate_key("P-256")
    claims = claims_of(hint)
    claims |= {"iss": claims["aud"], "aud": claims["iss"]}
    forged = jwt.encode(header_of(hint), claims, key, algorithms=["ES256"])

    response = end(
        alices, id_token_hint=forged, client_id=acme_web.client_id,
        post_logout_redirect_uri=RETURN_TO,
    )  # fmt: skip

    assert response.status_code == 200
    assert not response.has_header("Location")
    assert not response.has_header("Refresh")
    assert live() == 1


@pytest.mark.spec("RP-Initiated Logout", "2", "without a hint the user is asked")
@pytest.mark.parametrize(
    "sent", [{}, {"state": "s"}, {"post_logout_redirect_uri": RETURN_TO, "state": "s"}]
)
def test_no_id_token_hint(alices: Browser, acme_web: Client, sent: dict[str, str]) -> None:
    response = end(alices, **sent)
    assert response.status_code == 200
    assert live() == 1

    confirmed = alices.post(
        "/oauth/end-session",
        urlencode(sent | {"decision": "logout"}),
        content_type="application/x-www-form-urlencoded",
    )

    assert confirmed.status_code == 200
    assert not confirmed.has_header("Refresh")
    assert live() == 0


@pytest.mark.spec("RP-Initiated Logout", "2", "a hint alone signs out")
def test_no_post_logout_redirect_uri(alices: Browser, hint: str) -> None:
    response = end(alices, id_token_hint=hint)

    assert response.status_code == 200
    assert live() == 0


@pytest.mark.spec("RP-Initiated Logout", "2", "an expired hint is accepted")
def test_an_expired_hint_is_accepted(alices: Browser, hint: str, later: Any) -> None:
    later(hours=2)

    response = end(alices, id_token_hint=hint, post_logout_redirect_uri=RETURN_TO)

    assert response["Location"] == RETURN_TO
    assert live() == 0


@pytest.mark.spec("RP-Initiated Logout", "2", "client_id must match the hint's audience")
def test_a_client_id_that_contradicts_the_hint(
    alices: Browser, acme_spa: Client, hint: str
) -> None:
    response = end(
        alices,
        id_token_hint=hint,
        client_id=acme_spa.client_id,
        post_logout_redirect_uri=RETURN_TO,
    )

    assert response.status_code == 200
    assert live() == 1


@pytest.mark.spec("RP-Initiated Logout", "2", "GET and POST are both supported")
def test_post_is_supported(alices: Browser, hint: str) -> None:
    posted = alices.post(
        "/oauth/end-session",
        urlencode({"id_token_hint": hint, "post_logout_redirect_uri": RETURN_TO}),
        content_type="application/x-www-form-urlencoded",
    )

    assert posted.status_code == 303
    assert alices.get(posted["Location"])["Location"] == RETURN_TO
    assert live() == 0
