"""Device Bound Session Credentials in a real Chromium, over TLS that it trusts."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect

from core import clock
from tests.browser.bound import age_proof, end_cookie, end_first_moments, wait_for_binding
from tests.browser.conftest import ADDRESSES, Watch, chromium
from tests.browser.people import Person, Pool
from tests.browser.steps import callouts, heading, sign_in
from tests.support.instance import Instance
from tests.support.tls_door import TlsDoor, trusting_home

BOUND = "__Host-bound"
ASKED = "Checking this browser"
PATIENCE_SECONDS = 20
# Keys in software: a machine that runs tests has no TPM that a browser may use.
FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"


@pytest.fixture(scope="module")
def door() -> Iterator[TlsDoor]:
    with TlsDoor() as opened:
        yield opened


@pytest.fixture(scope="module")
def instance(door: TlsDoor) -> Iterator[Instance]:
    """An instance at an https address."""
    running = Instance(
        with_demo=True,
        environment={"SALLYPORT_TRUSTED_PROXY_COUNT": "1", "SALLYPORT_BASE_URL": door.url},
    )
    with running:
        door.inner_port = running.port
        yield running


@pytest.fixture(scope="module")
def pool(instance: Instance) -> Pool:
    return Pool(instance)


@pytest.fixture
def person(pool: Pool) -> Person:
    return pool.take("strong")


@pytest.fixture(scope="module")
def bound_browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium that speaks DBSC, in a home of its own that trusts the tests' authority."""
    home = trusting_home()
    running = playwright.chromium.launch(
        executable_path=chromium(),
        args=[f"--enable-features={FEATURES}"],
        ignore_default_args=["--disable-background-networking"],
        env={**os.environ, "HOME": str(home)},
    )
    yield running
    running.close()
    shutil.rmtree(home, ignore_errors=True)


@dataclass
class Heard:
    """What the browser tells of its bound sessions, by the names of CDP."""

    events: list[dict[str, Any]] = field(default_factory=list)

    def hear(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def refreshes(self) -> list[str]:
        return [
            event["refreshEventDetails"]["refreshResult"]
            for event in self.events
            if "refreshEventDetails" in event
        ]

    def creations(self) -> list[str]:
        return [
            event["creationEventDetails"]["fetchResult"]
            for event in self.events
            if "creationEventDetails" in event
        ]


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def open_context(
    bound_browser: Browser, door: TlsDoor, watch: Watch
) -> Iterator[Callable[[], BrowserContext]]:
    """A browser of its own, at an address of its own."""
    watch.expect("status of 401")
    contexts: list[BrowserContext] = []
    addresses: dict[BrowserContext, str] = {}

    def open_one(beside: BrowserContext | None = None) -> BrowserContext:
        """beside: another browser, whose address this one shares."""
        address = addresses[beside] if beside else next(ADDRESSES)
        context = bound_browser.new_context(
            base_url=door.url,
            locale="en-GB",
            reduced_motion="reduce",
            extra_http_headers={"X-Forwarded-For": address},
        )
        addresses[context] = address
        watch.follow(context)
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def page(
    open_context: Callable[[], BrowserContext], person: Person, instance: Instance, heard: Heard
) -> Page:
    """Signed in by the pages, and bound by the browser itself."""
    page = open_context().new_page()
    listen(page, heard)
    page.goto("/accounts/login/")
    sign_in(page, person)
    expect(heading(page)).to_have_text("Security")
    assert wait_for_binding(instance, person) == "dbsc"
    page.goto("/")
    end_first_moments(instance, person)
    return page


def listen(page: Page, heard: Heard) -> None:
    cdp = page.context.new_cdp_session(page)
    cdp.send("Network.enable")
    try:
        cdp.send("Network.enableDeviceBoundSessions", {"enable": True})
    except Error as error:
        pytest.skip(f"this Chromium has no Device Bound Session Credentials: {error}")
    cdp.on("Network.deviceBoundSessionEventOccurred", heard.hear)


def wait_until(is_so: Callable[[], bool], page: Page) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "the browser did not do it"
        page.wait_for_timeout(50)


def value(context: BrowserContext) -> str:
    return next((c["value"] for c in context.cookies() if c["name"] == BOUND), "")


def test_signing_in_makes_a_bound_session(page: Page, heard: Heard) -> None:
    wait_until(lambda: heard.creations() == ["Success"], page)

    page.goto("/sessions/")

    expect(page.locator("#session-list li").first).to_contain_text("Bound to its device")
    (cookie,) = (c for c in page.context.cookies() if c["name"] == BOUND)
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")
    assert 0 < cookie["expires"] - clock.now().timestamp() <= 600


def test_the_browser_refreshes_what_it_needs_and_the_page_never_knows(
    page: Page, heard: Heard
) -> None:
    before = value(page.context)
    page.context.clear_cookies(name=BOUND)

    page.goto("/sessions/?a=1")

    expect(heading(page)).to_have_text("Where you are signed in")
    wait_until(lambda: heard.refreshes() == ["Refreshed"], page)
    assert value(page.context) not in {"", before}


def test_a_link_of_another_site_leads_in_as_well(page: Page, heard: Heard, door: TlsDoor) -> None:
    page.context.clear_cookies(name=BOUND)
    elsewhere = page.context.new_page()
    elsewhere.set_content(f'<a href="{door.url}/sessions/">your sessions</a>')

    elsewhere.get_by_role("link").click()

    expect(heading(elsewhere)).to_have_text("Where you are signed in")


def test_a_cookie_that_counts_no_longer_is_replaced_on_the_way(
    page: Page, heard: Heard, instance: Instance, person: Person
) -> None:
    end_cookie(instance, person)

    page.goto("/sessions/")

    expect(heading(page)).to_have_text("Where you are signed in")
    wait_until(lambda: heard.refreshes() == ["Refreshed"], page)


def test_a_privileged_page_asks_for_a_proof_of_now(
    page: Page, heard: Heard, instance: Instance, person: Person
) -> None:
    age_proof(instance, person)

    page.goto("/mfa/passkeys/add/")

    expect(heading(page)).to_have_text("Add a passkey")
    wait_until(lambda: heard.refreshes() == ["Refreshed"], page)
    page.goto("/mfa/passkeys/add/")
    expect(heading(page)).to_have_text("Add a passkey")
    assert heard.refreshes() == ["Refreshed"], "once is enough for two minutes"


def test_a_form_is_sent_again_by_itself_with_what_was_in_it(
    page: Page,
    open_context: Callable[[], BrowserContext],
    instance: Instance,
    person: Person,
    door: TlsDoor,
) -> None:
    other = open_context()
    other.add_cookies([{"name": "__Host-session", "value": person.session, "url": door.url}])
    other.new_page().goto("/sessions/")
    page.goto("/sessions/")
    expect(page.locator("#session-list li")).to_have_count(2)
    age_proof(instance, person)

    page.get_by_role("button", name="End all others").click()

    expect(callouts(page)).to_contain_text("1 other session was ended.")


def test_a_copied_jar_is_refused_elsewhere_when_its_cookie_has_ended(
    page: Page,
    open_context: Callable[[], BrowserContext],
    instance: Instance,
    person: Person,
) -> None:
    thief = open_context()
    thief.add_cookies(page.context.cookies())
    end_cookie(instance, person)
    copied = thief.new_page()

    copied.goto("/sessions/")

    expect(copied.get_by_role("button", name="Sign in again")).to_be_visible()
    expect(heading(copied)).to_have_text(ASKED)
    page.goto("/sessions/")
    expect(heading(page)).to_have_text("Where you are signed in")


def test_it_opens_no_privileged_page_even_before(
    page: Page, open_context: Callable[[], BrowserContext]
) -> None:
    page.goto("/mfa/passkeys/add/")
    expect(heading(page)).to_have_text("Add a passkey")
    thief = open_context()
    thief.add_cookies(page.context.cookies())
    copied = thief.new_page()

    copied.goto("/mfa/passkeys/add/")

    expect(copied.get_by_role("button", name="Sign in again")).to_be_visible()
    expect(heading(copied)).to_have_text(ASKED)


def test_it_opens_nothing_elsewhere(
    page: Page, open_context: Callable[..., BrowserContext]
) -> None:
    page.goto("/sessions/")
    thief = open_context()
    thief.add_cookies(page.context.cookies())
    copied = thief.new_page()

    copied.goto("/sessions/")

    expect(heading(copied)).to_have_text(ASKED)


def test_beside_its_owner_it_ends_with_the_next_proof(
    page: Page,
    open_context: Callable[..., BrowserContext],
    instance: Instance,
    person: Person,
) -> None:
    thief = open_context(beside=page.context)
    thief.add_cookies(page.context.cookies())
    copied = thief.new_page()
    copied.goto("/sessions/")
    expect(heading(copied)).to_have_text("Where you are signed in")

    page.context.clear_cookies(name=BOUND)
    page.goto("/sessions/")
    end_first_moments(instance, person)  # what was on its way has come
    copied.goto("/sessions/")

    expect(heading(copied)).to_have_text(ASKED)


def test_who_signs_out_can_sign_in_again(
    page: Page, heard: Heard, instance: Instance, person: Person
) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    expect(heading(page)).not_to_have_text("Sign out?")
    assert value(page.context) == ""

    page.goto("/accounts/login/")
    sign_in(page, person)

    expect(heading(page)).to_have_text("Security")
    assert wait_for_binding(instance, person) == "dbsc"
    page.goto("/sessions/")
    expect(page.locator("#session-list li").first).to_contain_text("Bound to its device")
