"""OpenID Connect Front-Channel Logout 1.0. The conformance modules' names stand in the tests' names."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client as Browser

from core import clock
from idp.flows import deactivate_client
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth, registering
from tests.support.authorize import answer, authorize
from tests.support.over_tls import ISSUER

RETURN_TO = "https://app.acme.example/"
ADDRESS = "https://app.acme.example/frontchannel_logout"


@pytest.fixture
def acme_framed(acme: Any) -> Client:
    metadata = {
        "frontchannel_logout_uri": ADDRESS,
        "frontchannel_logout_session_required": True,
    }
    return cast.client("acme-framed", acme, is_first_party=True, metadata=metadata)


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def session(alices: Browser, employee: Person) -> LoginSession:
    return employee.user.login_sessions.get()


@pytest.fixture
def hint(acme_framed: Client, session: LoginSession) -> str:
    return str(oauth.redeem(acme_framed, oauth.issue_code(acme_framed, session)).json["id_token"])


def end(browser: Browser, **parameters: str) -> Any:
    return browser.get(f"/oauth/end-session?{urlencode(parameters)}")


def frames(response: Any) -> list[str]:
    """Where the frames of a page lead."""
    found = re.findall(r'<iframe [^>]*src="([^"]*)"', response.content.decode())
    return [unescape(src) for src in found]


def frame_sources(response: Any) -> list[str] | None:
    for directive in response["Content-Security-Policy"].split(";"):
        name, *values = directive.split()
        if name == "frame-src":
            return values
    return None


@pytest.mark.spec("Front-Channel Logout", "3", "discovery says what is supported")
def test_discovery_endpoint_verification(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    assert document["frontchannel_logout_supported"] is True
    assert document["frontchannel_logout_session_supported"] is True


@pytest.mark.spec("Front-Channel Logout", "2", "the address with iss and sid, and then back")
def test_rp_initiated_logout(
    alices: Browser, acme_framed: Client, hint: str, session: LoginSession
) -> None:
    response = end(alices, id_token_hint=hint, post_logout_redirect_uri=RETURN_TO, state="a b&c")

    (frame,) = frames(response)
    assert frame.partition("?")[0] == ADDRESS
    assert parse_qsl(urlsplit(frame).query) == [("iss", ISSUER), ("sid", str(session.id))]
    assert oauth.claims_of(hint)["sid"] == str(session.id)
    assert response["Refresh"] == f"4;url={RETURN_TO}?state=a%20b%26c"
    assert f'href="{RETURN_TO}?state=a%20b%26c"'.encode() in response.content
    assert LoginSession.unscoped.get().end_reason == "signed_out"
    assert answer(authorize(alices, acme_framed, prompt="none"))["error"] == "login_required"


@pytest.mark.spec("Front-Channel Logout", "2", "a query that was registered is kept")
def test_an_address_with_a_query(
    alices: Browser, acme_framed: Client, hint: str, session: LoginSession
) -> None:
    acme_framed.metadata = {"frontchannel_logout_uri": f"{ADDRESS}?tenant=1"}
    acme_framed.save(update_fields=["metadata"])

    (frame,) = frames(end(alices, id_token_hint=hint))

    assert parse_qsl(urlsplit(frame).query) == [
        ("tenant", "1"), ("iss", ISSUER), ("sid", str(session.id)),
    ]  # fmt: skip


@pytest.mark.spec("Front-Channel Logout", "2", "every client of the session, and no other")
def test_who_is_told(
    alices: Browser, acme: Any, acme_web: Client, hint: str, session: LoginSession,
    employee: Person,
) -> None:  # fmt: skip
    def framed(name: str) -> Client:
        metadata = {"frontchannel_logout_uri": f"https://{name}.example:8443/out"}
        return cast.client(name, acme, metadata=metadata)

    second, elsewhere, closed, _ = map(framed, ("second", "elsewhere", "closed", "unused"))
    other_session = cast.sign_in(Browser(), employee)
    for client in (acme_web, second, second, closed):
        oauth.redeem(client, oauth.issue_code(client, session))
    oauth.redeem(elsewhere, oauth.issue_code(elsewhere, other_session))
    deactivate_client(client=closed, now=clock.now())

    response = end(alices, id_token_hint=hint)

    assert [urlsplit(frame).netloc for frame in frames(response)] == [
        "app.acme.example", "second.example:8443",
    ]  # fmt: skip
    assert frame_sources(response) == ["https://app.acme.example", "https://second.example:8443"]
    assert not response.has_header("Refresh"), "no address was given"


def test_without_such_clients_nobody_waits(
    alices: Browser, acme_web: Client, session: LoginSession
) -> None:
    tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json

    response = end(alices, id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO)

    assert (response.status_code, response["Location"]) == (303, RETURN_TO)


def test_no_other_page_may_have_frames(alices: Browser, hint: str) -> None:
    asked = end(alices)
    assert b"logout-form" in asked.content
    assert frame_sources(asked) is None
    end(alices, id_token_hint=hint)
    assert frame_sources(alices.get("/accounts/login/")) is None


def test_after_a_question_the_page_has_frames_and_a_link(
    alices: Browser, acme_framed: Client, hint: str
) -> None:
    """Without a hint nobody is sent back by itself."""
    form = {"client_id": acme_framed.client_id, "post_logout_redirect_uri": RETURN_TO}
    response = alices.post(
        "/oauth/end-session", urlencode(form | {"decision": "logout"}),
        content_type="application/x-www-form-urlencoded",
    )  # fmt: skip

    assert len(frames(response)) == 1
    assert not response.has_header("Refresh")
    assert f'href="{RETURN_TO}"'.encode() in response.content


def test_a_session_that_is_over_already_has_nobody_to_tell(alices: Browser, hint: str) -> None:
    end(alices, id_token_hint=hint)

    again = end(alices, id_token_hint=hint, post_logout_redirect_uri=RETURN_TO)

    assert (again.status_code, again["Location"]) == (303, RETURN_TO)


class TestOurOwnButton:
    def test_it_tells_them_too(self, alices: Browser, hint: str) -> None:
        response = alices.post("/accounts/logout/")

        assert len(frames(response)) == 1
        assert b"You are signed out" in response.content
        assert LoginSession.unscoped.get().end_reason == "signed_out"

    def test_with_nobody_to_tell_it_leads_to_the_sign_in(self, alices: Browser) -> None:
        response = alices.post("/accounts/logout/")

        assert (response.status_code, response["Location"]) == (302, "/")
        assert LoginSession.unscoped.get().ended_at is not None

    def test_the_page_that_asks_leads_there(self, alices: Browser) -> None:
        asked = alices.get("/accounts/logout/")

        assert b'action="/accounts/logout/"' in asked.content
        assert LoginSession.unscoped.get().ended_at is None

    def test_ending_ones_own_session_by_its_id_leads_there_too(
        self, alices: Browser, hint: str
    ) -> None:
        session = LoginSession.unscoped.get()
        led = alices.post(f"/sessions/{session.id}/end/")

        assert led["Location"] == "/accounts/logout/"
        assert b'action="/accounts/logout/"' in alices.get(led["Location"]).content
        assert len(frames(alices.post(led["Location"]))) == 1
        session.refresh_from_db()
        assert session.end_reason == "signed_out"

    def test_it_takes_a_post_of_our_own(self, employee: Person) -> None:
        strict = Browser(enforce_csrf_checks=True)
        cast.sign_in(strict, employee)

        assert strict.post("/accounts/logout/").status_code == 403
        assert LoginSession.unscoped.get().ended_at is None

    def test_a_stranger_is_led_to_the_sign_in(self, db: None) -> None:
        assert Browser().get("/accounts/logout/")["Location"] == "/"
        assert Browser().post("/accounts/logout/")["Location"] == "/"


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example;script-src/x", "https://a@b.example/", "javascript:alert(1)",
        "https://a,b.example/", "https://x.example:99999999/", "//x.example/", "https://*/",
    ],
)  # fmt: skip
def test_an_address_that_could_change_the_policy_is_left_out(
    alices: Browser, acme_framed: Client, hint: str, uri: str
) -> None:
    """Registration refuses these; the page does not rest on it."""
    acme_framed.metadata = {"frontchannel_logout_uri": uri}
    acme_framed.save(update_fields=["metadata"])

    response = end(alices, id_token_hint=hint)

    assert frames(response) == []
    assert frame_sources(response) is None


class TestRegistration:
    """The address is where the client is, or browsers would be sent to somebody else's."""

    @pytest.mark.spec("Front-Channel Logout", "2", "scheme, host and port are a redirect URI's")
    @pytest.mark.parametrize(
        "uri",
        [
            "https://other.example/out", "https://app.acme.example:8443/out",
            "https://app.acme.example.evil.example/out", "http://localhost/callback",
        ],
        ids=["host", "port", "longer-host", "scheme"],
    )  # fmt: skip
    def test_another_place_is_refused(self, acme: Any, uri: str) -> None:
        token = registering.initial_token(acme)

        reply = registering.register(token, frontchannel_logout_uri=uri)

        assert (reply.status, reply.error) == (400, "invalid_client_metadata")
        assert not Client.unscoped.exists()

    def test_one_of_the_redirect_uris_is_enough_and_the_default_port_is_the_same(
        self, acme: Any
    ) -> None:
        reply = registering.register(
            registering.initial_token(acme),
            redirect_uris=["https://first.example/cb", "https://second.example:443/cb"],
            frontchannel_logout_uri="https://SECOND.example/out",
        )

        assert reply.status == 201, reply.json

    def test_a_redirect_uri_cannot_move_away_from_it(self, acme: Any) -> None:
        registered = registering.register(
            registering.initial_token(acme), frontchannel_logout_uri=ADDRESS
        ).json
        changed = {
            "client_id": registered["client_id"],
            "redirect_uris": ["https://moved.example/callback"],
            "frontchannel_logout_uri": ADDRESS,
        }

        reply = registering.manage("PUT", registered, **changed)

        assert (reply.status, reply.error) == (400, "invalid_client_metadata")
        assert Client.unscoped.get().redirect_uris == [cast.REDIRECT_URI]

    def test_administrators_are_held_to_it_too(self, approver: Person) -> None:
        browser = Browser()
        cast.sign_in(browser, approver)
        form = {
            "name": "Framed", "kind": "confidential", "redirect_uris": cast.REDIRECT_URI,
            "grant_types": ["authorization_code"], "scopes": "openid", "required_acr": "aal1",
            "signing_alg": "ES256",
        }  # fmt: skip

        def add(uri: str) -> str:
            metadata = json.dumps({"frontchannel_logout_uri": uri})
            answer = browser.post("/admin/idp/client/add/", form | {"metadata": metadata})
            assert answer.status_code == 200, answer.content.decode()
            return answer.content.decode()

        assert "one of the redirect_uris" in add("https://other.example/out")
        assert not Client.unscoped.exists()

        assert "client-secret" in add(ADDRESS)
        assert Client.unscoped.get().metadata["frontchannel_logout_uri"] == ADDRESS
