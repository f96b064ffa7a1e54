"""The demo client against the product: what it refuses, and the journey that it shows."""

import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from core import clock
from examples.demo_client.browser_sessions import BrowserSession
from examples.demo_client.relying_party import Tokens
from examples.demo_client.settings import Settings, SettingsError, read_settings
from examples.demo_client.web import DemoClient
from tests.support.instance import Instance

pytestmark = pytest.mark.instance
PORT = 18010


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with Instance(with_demo=True) as running:
        yield running


@pytest.fixture
def browser(instance: Instance) -> "DemoBrowser":
    (client,) = (each for each in instance.demo["clients"] if each["name"] == "demo")
    settings = Settings(
        issuer=instance.base_url,
        client_id=client["client_id"],
        client_secret=client["client_secret"],
        port=PORT,
    )
    return DemoBrowser(DemoClient(settings))


class DemoBrowser:
    """Calls the WSGI application as a browser would, with one cookie and no JavaScript."""

    def __init__(self, application: DemoClient) -> None:
        self.application = application
        self.cookie = ""
        self.status = 0
        self.headers: dict[str, str] = {}

    def get(self, path: str, **query: str) -> str:
        return self._call("GET", path, query=urlencode(query))

    def press(self, path: str, *, csrf_token: str | None = None) -> str:
        """Press the button of a form; its hidden token is read from the start page."""
        if csrf_token is None:
            csrf_token = _hidden(self.get("/"), "csrf_token")
        return self._call("POST", path, form=urlencode({"csrf_token": csrf_token}))

    def _call(self, method: str, path: str, *, query: str = "", form: str = "") -> str:
        from io import BytesIO

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            self.status = int(status.split(maxsplit=1)[0])
            self.headers = dict(headers)

        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "HTTP_HOST": f"localhost:{PORT}",
            "HTTP_COOKIE": self.cookie,
            "CONTENT_LENGTH": str(len(form)),
            "wsgi.input": BytesIO(form.encode()),
        }
        body = b"".join(self.application(environ, start)).decode()
        if "Set-Cookie" in self.headers:
            self.cookie = self.headers["Set-Cookie"].split(";")[0]
        return body


def _hidden(html: str, name: str) -> str:
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            fields = dict(attrs)
            if tag == "input" and fields.get("name") == name:
                found.append(fields["value"] or "")

    Reader().feed(html)
    return found[0]


def _begin(browser: DemoBrowser) -> dict[str, str]:
    """Press "Sign in"; the parameters with which the browser is sent away."""
    browser.press("/sign-in")
    assert browser.status == 303
    query = parse_qs(urlsplit(browser.headers["Location"]).query)
    return {name: values[0] for name, values in query.items()}


def test_it_asks_with_pkce_state_and_nonce(browser: DemoBrowser) -> None:
    asked = _begin(browser)

    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 43
    assert len(asked["nonce"]) >= 43
    assert "client_secret" not in asked
    assert "code_verifier" not in asked


def test_it_never_asks_the_same_way_twice(browser: DemoBrowser) -> None:
    first, second = _begin(browser), _begin(browser)

    assert not {first[name] for name in ("state", "nonce", "code_challenge")} & set(second.values())


def test_it_refuses_a_state_of_another_browser(browser: DemoBrowser, instance: Instance) -> None:
    victim = DemoBrowser(browser.application)
    asked = _begin(browser)
    victim.get("/")

    page = victim.get("/callback", state=asked["state"], code="c", iss=instance.base_url)

    assert victim.status == 400
    assert "not one we began" in page


def test_it_takes_an_answer_once(browser: DemoBrowser, instance: Instance) -> None:
    asked = _begin(browser)
    browser.get("/callback", state=asked["state"], error="access_denied", iss=instance.base_url)

    browser.get("/callback", state=asked["state"], code="c", iss=instance.base_url)

    assert browser.status == 400


@pytest.mark.parametrize("iss", [{"iss": "https://evil.example"}, {}], ids=["another", "none"])
def test_it_refuses_an_answer_of_another_issuer(browser: DemoBrowser, iss: dict[str, str]) -> None:
    asked = _begin(browser)

    page = browser.get("/callback", state=asked["state"], code="c", **iss)

    assert browser.status == 400
    assert "another provider" in page


def test_it_says_kindly_that_nothing_was_shared(browser: DemoBrowser, instance: Instance) -> None:
    asked = _begin(browser)

    page = browser.get(
        "/callback", state=asked["state"], error="access_denied", iss=instance.base_url
    )

    assert browser.status == 403
    assert "Nothing was shared" in page


def test_it_says_kindly_that_a_code_was_refused(browser: DemoBrowser, instance: Instance) -> None:
    asked = _begin(browser)

    page = browser.get("/callback", state=asked["state"], code="nonsense", iss=instance.base_url)

    assert browser.status == 401
    assert "Sign in again" in page


@pytest.mark.parametrize("path", ["/sign-in", "/step-up", "/refresh", "/userinfo", "/sign-out"])
def test_it_refuses_a_button_of_another_page(browser: DemoBrowser, path: str) -> None:
    browser.get("/")

    browser.press(path, csrf_token="guessed")

    assert browser.status == 403


@pytest.mark.parametrize("path", ["/sign-in", "/step-up", "/refresh", "/userinfo", "/sign-out"])
def test_it_changes_nothing_by_a_link(browser: DemoBrowser, path: str) -> None:
    browser.get(path)

    assert browser.status == 405
    assert browser.headers["Allow"] == "POST"


def test_its_pages_allow_nothing_inline(browser: DemoBrowser) -> None:
    page = browser.get("/")

    policy = browser.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert "style=" not in page
    assert "HttpOnly" in browser.headers["Set-Cookie"]
    assert browser.headers["Cache-Control"] == "no-store"


def test_it_says_that_the_provider_is_away(instance: Instance) -> None:
    away = Settings(issuer="http://localhost:9", client_id="x", client_secret="x", port=PORT)
    browser = DemoBrowser(DemoClient(away))

    page = browser.press("/sign-in")

    assert browser.status == 502
    assert "cannot reach the sign-in service" in page


def test_it_refuses_an_issuer_without_tls_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    monkeypatch.delenv("DEMO_CLIENT_CONFIG", raising=False)
    monkeypatch.setenv("DEMO_CLIENT_ISSUER", "http://id.example.org")
    monkeypatch.setenv("DEMO_CLIENT_ID", "x")
    monkeypatch.setenv("DEMO_CLIENT_SECRET_FILE", str(secret))

    with pytest.raises(SettingsError, match="https"):
        read_settings()


LOGOUT = {
    "aud": "demo",
    "sub": "alice",
    "sid": "5",
    "jti": "1",
    "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
}


@pytest.fixture
def signed(browser: DemoBrowser, instance: Instance) -> Any:
    """`signed(sid=…)`: tells the client of the end of a session, signed by a key that it trusts."""
    key = ECKey.generate_key("P-256", {"kid": "k"})
    party = browser.application.party
    party._keys = KeySet([key])

    def tell(*, typ: str = "logout+jwt", **changes: Any) -> str:
        now = int(clock.now().timestamp())
        claims = {
            **LOGOUT,
            "iss": instance.base_url,
            "aud": party.settings.client_id,
            "iat": now,
            "exp": now + 60,
            **changes,
        }
        said = {name: value for name, value in claims.items() if value is not None}
        token = jwt.encode({"alg": "ES256", "kid": "k", "typ": typ}, said, key)
        return browser._call("POST", "/backchannel-logout", form=urlencode({"logout_token": token}))

    return tell


def _hold(browser: DemoBrowser, sid: str) -> BrowserSession:
    held = Tokens(
        access_token="a", refresh_token="r", id_token="i", claims={"sub": "alice", "sid": sid},
        scope="openid", lifetime_seconds=900, expires_at=0,
    )  # fmt: skip
    session = BrowserSession(tokens=held)
    browser.application.sessions.put(session)
    return session


def test_it_forgets_what_came_of_a_session_that_ended(browser: DemoBrowser, signed: Any) -> None:
    concerned, other = _hold(browser, "5"), _hold(browser, "6")

    signed()

    assert browser.status == 200
    assert concerned.tokens is None
    assert other.tokens is not None


@pytest.mark.parametrize(
    "lie",
    [
        {"typ": "JWT"}, {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1},
        {"sid": None}, {"jti": None}, {"events": None}, {"events": {}}, {"nonce": "n"},
    ],
    ids=["type", "audience", "issuer", "late", "no sid", "no jti", "no events", "another event",
         "an ID token"],
)  # fmt: skip
def test_it_believes_no_other_logout_token(
    browser: DemoBrowser, signed: Any, lie: dict[str, Any]
) -> None:
    concerned = _hold(browser, "5")

    signed(**lie)

    assert browser.status == 400
    assert concerned.tokens is not None


def test_it_believes_no_unsigned_logout_token(browser: DemoBrowser) -> None:
    browser._call("POST", "/backchannel-logout", form="logout_token=eyJhbGciOiJub25lIn0.e30.")
    assert browser.status == 400
    browser._call("GET", "/backchannel-logout")
    assert browser.status == 405


class TestThePageForARole:
    """/database: for whoever holds the role in a live token, and was there lately."""

    @pytest.fixture
    def signed_in(self, browser: DemoBrowser) -> Any:
        def enter(*, ends_in: float = 600, **claims: Any) -> BrowserSession:
            known = {"sub": "alice", "auth_time": int(clock.now().timestamp()), **claims}
            session = BrowserSession(
                tokens=Tokens(
                    access_token="a", refresh_token=None, id_token="i", claims=known,
                    scope="openid roles", lifetime_seconds=900,
                    expires_at=time.monotonic() + ends_in,
                )
            )  # fmt: skip
            name = browser.application.sessions.put(session)
            browser.cookie = f"demo_client_session={name}"
            return session

        return enter

    def test_it_opens_for_the_role(self, browser: DemoBrowser, signed_in: Any) -> None:
        signed_in(roles=["db-admin"], grant_exp=1795533080)

        assert "24 November 2026" in browser.get("/database")
        assert browser.status == 200

    def test_without_the_role_it_says_where_to_ask(
        self, browser: DemoBrowser, signed_in: Any
    ) -> None:
        signed_in(roles=["reader"])

        page = browser.get("/database")

        assert browser.status == 403
        assert 'error="insufficient_scope"' in browser.headers["WWW-Authenticate"]
        assert "/access/request/?entitlement=db-admin&amp;client_id=" in page

    def test_after_a_while_it_asks_for_a_proof(self, browser: DemoBrowser, signed_in: Any) -> None:
        """RFC 9470 §3: what is asked for is said in the challenge, and asked of the provider."""
        signed_in(roles=["db-admin"], auth_time=int(clock.now().timestamp()) - 1000)

        browser.get("/database")
        assert browser.status == 403
        assert browser.headers["WWW-Authenticate"] == (
            'Bearer error="insufficient_user_authentication", acr_values="aal2", max_age="900"'
        )

        browser.press("/step-up")
        asked = parse_qs(urlsplit(browser.headers["Location"]).query)
        assert (asked["acr_values"], asked["max_age"]) == (["aal2"], ["900"])

    def test_a_role_is_over_with_its_token(self, browser: DemoBrowser, signed_in: Any) -> None:
        session = signed_in(roles=["db-admin"], ends_in=-1)

        browser.get("/database")

        assert (browser.status, session.tokens) == (303, None)

    def test_nobody_sees_it_without_signing_in(self, browser: DemoBrowser) -> None:
        browser.get("/database")

        assert (browser.status, browser.headers["Location"]) == (303, "/")

    def test_the_way_back_is_one_of_our_own_pages(
        self, browser: DemoBrowser, signed_in: Any
    ) -> None:
        signed_in()
        token = _hidden(browser.get("/"), "csrf_token")
        form = urlencode({"csrf_token": token, "next": "//evil.example"})

        browser._call("POST", "/refresh", form=form)

        assert browser.headers["Location"] == "/"
