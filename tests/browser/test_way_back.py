"""The way back to the application in a real Chromium, without JavaScript.

Chromium applies form-action to every redirect that follows a form: were the answer to a form that
leads to another origin a redirect, the browser would stop there without a word.
"""

import base64
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.urls import reverse
from django_otp.oath import TOTP
from playwright.sync_api import Page

from core import clock
from tests.browser.conftest import Watch
from tests.support.instance import Instance

VERIFIER = "v" * 64
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)


@dataclass
class Application:
    """A client of its own origin that remembers how browsers came back."""

    port: int = 0
    visits: list[str] = field(default_factory=list)
    client_id: str = ""

    @property
    def home(self) -> str:
        return f"http://localhost:{self.port}/"

    def arrivals(self, path: str = "/callback") -> list[dict[str, str]]:
        return [
            dict(parse_qsl(urlsplit(visit).query))
            for visit in self.visits
            if urlsplit(visit).path == path
        ]


@pytest.fixture
def application(far_application: Application) -> Application:
    far_application.visits.clear()
    return far_application


@pytest.fixture(scope="module")
def far_application(instance: Instance) -> Iterator[Application]:
    app = Application()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/favicon.ico":
                app.visits.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<h1>Back at the application</h1>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    app.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    app.client_id = register(instance, app, "acme")
    yield app
    server.shutdown()
    server.server_close()


def register(instance: Instance, application: Application, organisation: str) -> str:
    printed = instance.manage(
        "register_client", organisation, "Far application", "--public",
        "--redirect-uri", f"{application.home}callback",
        "--post-logout-redirect-uri", application.home,
        "--scope", "openid", "--scope", "profile",
    )  # fmt: skip
    return printed.split("client_id: ")[1].split()[0]


@pytest.fixture
def page(open_browser: Callable[..., Page]) -> Page:
    return open_browser(java_script_enabled=False)


def address(instance: Instance, application: Application, **changes: str) -> str:
    query = {
        "client_id": application.client_id,
        "redirect_uri": f"{application.home}callback",
        "response_type": "code",
        "scope": "openid profile",
        "state": "s-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return f"{instance.base_url}/oauth/authorize?{urlencode(query)}"


def person(instance: Instance, name: str) -> dict[str, Any]:
    return next(user for user in instance.demo["users"] if user["email"].startswith(f"{name}@"))


def sign_in(page: Page, who: dict[str, Any]) -> None:
    page.fill('[name="login"]', who["email"])
    page.fill('[name="password"]', who["password"])
    page.click("#login-submit")
    if who["totp_secret"]:
        totp = TOTP(base64.b32decode(who["totp_secret"]))
        totp.time = clock.now().timestamp()
        page.fill('[name="code"]', f"{totp.token():06d}")
        page.locator('form:has([name="code"]) button[type="submit"]').first.click()


class TestWayBack:
    def test_from_sign_in_second_factor_and_consent(
        self, instance: Instance, application: Application, page: Page
    ) -> None:
        page.goto(address(instance, application))
        assert page.get_by_text("Far application").is_visible()
        sign_in(page, person(instance, "alice"))
        page.click("#consent-allow")
        page.wait_for_url(f"{application.home}callback**")

        (arrival,) = application.arrivals()
        assert arrival.keys() == {"code", "state", "iss"}
        assert (arrival["state"], arrival["iss"]) == ("s-1", instance.base_url)

        # Signed in and allowed: the second time nothing is asked, by a plain redirect.
        page.goto(address(instance, application, state="s-2"))
        assert application.arrivals()[1]["state"] == "s-2"

    def test_from_refusing_consent(
        self, instance: Instance, application: Application, page: Page
    ) -> None:
        page.goto(address(instance, application))
        sign_in(page, person(instance, "bob"))
        page.click("#consent-deny")
        page.wait_for_url(f"{application.home}callback**")

        (arrival,) = application.arrivals()
        assert arrival["error"] == "access_denied"

    def test_straight_from_the_sign_in_form(
        self, instance: Instance, application: Application, page: Page
    ) -> None:
        """Carol is of another organisation: the form's own redirects lead to the answer."""
        page.goto(address(instance, application))
        sign_in(page, person(instance, "carol"))
        page.wait_for_url(f"{application.home}callback**")

        (arrival,) = application.arrivals()
        assert arrival["error"] == "access_denied"

    def test_from_proving_it_again(
        self, instance: Instance, application: Application, page: Page
    ) -> None:
        carol = person(instance, "carol")
        application = replace(application, client_id=register(instance, application, "globex"))
        page.goto(address(instance, application))
        sign_in(page, carol)
        page.click("#consent-allow")
        page.wait_for_url(f"{application.home}callback**")

        page.goto(address(instance, application, prompt="login", state="s-2"))
        page.fill('[name="password"]', carol["password"])
        page.click("#step-up-submit")
        page.wait_for_url(f"{application.home}callback**")

        first, second = application.arrivals()
        assert second["state"] == "s-2"
        assert second["code"] != first["code"]

    def test_the_back_button_does_not_lead_into_a_trap(
        self, instance: Instance, application: Application, page: Page, watch: Watch
    ) -> None:
        watch.expect("status of 409")
        page.goto(address(instance, application))
        sign_in(page, person(instance, "carol"))
        page.wait_for_url(f"{application.home}callback**")

        page.go_back()

        assert page.get_by_text("Nothing left to do here").first.is_visible()
        assert len(application.arrivals()) == 1

    def test_from_confirming_a_sign_out(
        self, instance: Instance, application: Application, page: Page
    ) -> None:
        page.goto(f"{instance.base_url}{reverse('account_login')}")
        sign_in(page, person(instance, "carol"))
        query = urlencode(
            {"client_id": application.client_id, "post_logout_redirect_uri": application.home}
        )
        page.goto(f"{instance.base_url}/oauth/end-session?{query}")
        page.click("#logout-submit")
        page.click("#logout-continue")
        page.wait_for_url(application.home)

        assert application.visits == ["/"]
