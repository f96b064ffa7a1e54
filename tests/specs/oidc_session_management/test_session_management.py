"""OpenID Connect Session Management 1.0. What the frame answers is tested in a real browser:
tests/browser/test_session_management.py."""

import hashlib
from http.cookies import Morsel
from typing import Any

import pytest
from django.test import Client as Browser

from idp.machine import discovery
from idp.models import Client
from sessions.browser_state import state_of
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, answer_and_mode, authorize
from tests.support.over_tls import ISSUER

COOKIE = "__Host-browser-state"
ORIGIN = "https://app.acme.example"


@pytest.fixture
def switched_on(settings: Any) -> None:
    settings.SESSION_MANAGEMENT = True


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def session(alices: Browser, employee: Person) -> LoginSession:
    return employee.user.login_sessions.get()


def expected(client: Client | str, origin: str, state: str, said: str) -> str:
    """What the frame computes of its own cookie, the asker's origin and the salt (§3.2)."""
    client_id = client if isinstance(client, str) else client.client_id
    salt = said.partition(".")[2]
    digest = hashlib.sha256(f"{client_id} {origin} {state} {salt}".encode()).hexdigest()
    return f"{digest}.{salt}"


def cookie_of(response: Any) -> "Morsel[str] | None":
    return response.cookies.get(COOKIE)


@pytest.mark.usefixtures("switched_on")
class TestSwitchedOn:
    @pytest.mark.spec("Session Management", "3.3", "discovery names the frame")
    def test_discovery_endpoint_verification(self, db: None) -> None:
        discovery.document.cache_clear()
        document = oauth.send("GET", "/.well-known/openid-configuration").json
        discovery.document.cache_clear()

        assert document["check_session_iframe"] == f"{ISSUER}/session/check/"
        assert document["end_session_endpoint"]

    @pytest.mark.spec("Session Management", "2", "answers carry session_state")
    def test_rp_session_state(
        self, alices: Browser, acme_web: Client, session: LoginSession
    ) -> None:
        response = authorize(alices, acme_web)

        said = answer(response)["session_state"]
        assert " " not in said
        cookie = cookie_of(response)
        assert cookie is not None
        assert said == expected(acme_web, ORIGIN, cookie.value, said)

    @pytest.mark.spec("Session Management", "2", "the salt differs every time")
    def test_two_answers_differ(self, alices: Browser, acme_web: Client) -> None:
        first, second = (answer(authorize(alices, acme_web))["session_state"] for _ in range(2))

        assert first != second

    @pytest.mark.parametrize("mode", ["fragment", "form_post"])
    @pytest.mark.spec("Session Management", "2", "in every response mode")
    def test_other_modes(self, alices: Browser, acme_web: Client, mode: str) -> None:
        values, how = answer_and_mode(authorize(alices, acme_web, response_mode=mode))

        assert how == mode
        assert "session_state" in values

    @pytest.mark.spec("Session Management", "2", "inside a signed answer, not beside it")
    def test_a_signed_answer(self, alices: Browser, acme_web: Client) -> None:
        values = answer(authorize(alices, acme_web, response_mode="jwt"))

        assert values.keys() == {"response"}
        assert "session_state" in oauth.claims_of(values["response"])

    @pytest.mark.parametrize(
        ("uri", "origin"),
        [
            ("https://APP.example:443/back", "https://app.example"),
            ("https://app.example:8443/back", "https://app.example:8443"),
            ("http://localhost:9999/back", "http://localhost:9999"),
            ("http://[::1]:9999/back", "http://[::1]:9999"),
        ],
        ids=["default-port", "own-port", "this-computer", "ipv6"],
    )
    @pytest.mark.spec("Session Management", "3.2", "the origin is the one that browsers send")
    def test_the_origin(
        self, alices: Browser, acme: Any, session: LoginSession, uri: str, origin: str
    ) -> None:
        client = cast.client("acme-there", acme, is_first_party=True, redirect_uris=[uri])

        location = authorize(alices, client, redirect_uri=uri)["Location"]

        said = location.partition("session_state=")[2].partition("&")[0]
        assert said == expected(client, origin, state_of(session.id), said)

    def test_a_native_application_has_no_page_that_could_ask(
        self, alices: Browser, acme: Any
    ) -> None:
        uri = "com.example.app:/callback"
        client = cast.client("app", acme, kind="public", is_first_party=True, redirect_uris=[uri])

        location = authorize(alices, client, redirect_uri=uri)["Location"]

        assert "code=" in location
        assert "session_state" not in location

    def test_without_openid_there_is_none(self, alices: Browser, acme_web: Client) -> None:
        assert "session_state" not in answer(authorize(alices, acme_web, scope="profile"))

    def test_an_error_has_none(self, acme_web: Client) -> None:
        values = answer(authorize(Browser(), acme_web, prompt="none"))

        assert values["error"] == "login_required"
        assert "session_state" not in values

    @pytest.mark.spec("Session Management", "3.2", "the browser state is readable and says nothing")
    def test_the_cookie(self, alices: Browser, session: LoginSession, employee: Person) -> None:
        response = alices.get("/sessions/")

        cookie = cookie_of(response)
        assert cookie is not None
        assert cookie.value == state_of(session.id)
        assert not cookie["httponly"]
        assert (cookie["path"], cookie["domain"]) == ("/", "")
        assert (cookie["samesite"], cookie["secure"]) == ("None", True)
        assert str(session.id).replace("-", "") not in cookie.value
        alices.cookies[COOKIE] = cookie.value
        assert cookie_of(alices.get("/sessions/")) is None, "it is set once"

    def test_over_https_it_reaches_frames_on_other_sites(
        self, settings: Any, alices: Browser
    ) -> None:
        settings.IS_SECURE = True

        cookie = cookie_of(alices.get("/sessions/"))

        assert cookie is not None
        assert (cookie["samesite"], cookie["secure"]) == ("None", True)

    @pytest.mark.spec("Session Management", "3.2", "it changes as the sign-in ends and begins")
    def test_another_sign_in_has_another_state(
        self, alices: Browser, employee: Person, acme_web: Client
    ) -> None:
        first = cookie_of(alices.get("/sessions/"))
        gone = alices.post("/accounts/logout/")
        cast.sign_in(alices, employee)
        second = cookie_of(alices.get("/sessions/"))

        deleted = cookie_of(gone)
        assert deleted is not None
        assert (deleted.value, deleted["max-age"]) == ("", "0")
        assert first is not None
        assert second is not None
        assert first.value != second.value

    def test_a_session_that_ended_elsewhere_loses_it_at_the_next_page(
        self, alices: Browser, session: LoginSession, later: Any
    ) -> None:
        alices.get("/sessions/")
        later(days=8)

        deleted = cookie_of(alices.get("/accounts/login/"))

        assert deleted is not None
        assert deleted.value == ""

    def test_a_frame_without_our_session_cookie_takes_nothing_away(
        self, alices: Browser, session: LoginSession
    ) -> None:
        """SameSite=Lax keeps the session's cookie out of frames on other sites."""
        elsewhere = Browser()
        elsewhere.cookies[COOKIE] = state_of(session.id)

        assert cookie_of(elsewhere.get("/session/check/")) is None
        assert cookie_of(elsewhere.get("/accounts/login/")) is None

    @pytest.mark.spec("Session Management", "3.3", "the frame may be loaded by applications")
    def test_the_frame(self, db: None) -> None:
        response = Browser().get("/session/check/")

        assert response.status_code == 200
        assert not response.has_header("X-Frame-Options")
        directives = dict(
            part.strip().partition(" ")[::2]
            for part in response["Content-Security-Policy"].split(";")
        )
        assert directives.pop("frame-ancestors") == "https:"
        assert directives.pop("script-src").startswith("'nonce-")
        assert directives.pop("require-trusted-types-for") == "'script'"
        assert set(directives.values()) == {"'none'"}
        assert response.content.count(b"<script") == 1
        assert "no-store" in response["Cache-Control"]

    def test_over_https_only_such_pages_may_load_it(self, settings: Any, db: None) -> None:
        settings.IS_SECURE = True

        policy = Browser().get("/session/check/")["Content-Security-Policy"]

        assert "frame-ancestors https:;" in f"{policy};"

    def test_it_is_the_only_page_that_may_be_framed(self, alices: Browser) -> None:
        for path in ("/accounts/login/", "/sessions/", "/oauth/end-session", "/step-up/"):
            response = alices.get(path)
            assert response["X-Frame-Options"] == "DENY", path
            assert "frame-ancestors 'none'" in response["Content-Security-Policy"], path

    def test_nothing_is_posted_to_it(self, db: None) -> None:
        assert Browser().post("/session/check/").status_code == 405


class TestSwitchedOff:
    """As it comes: it costs nothing and is not there."""

    def test_there_is_nothing(self, alices: Browser, acme_web: Client) -> None:
        response = authorize(alices, acme_web)

        assert "session_state" not in answer(response)
        assert cookie_of(response) is None
        assert "check_session_iframe" not in discovery.metadata()
        frame = alices.get("/session/check/")
        assert frame.status_code == 404
        assert frame["X-Frame-Options"] == "DENY"
