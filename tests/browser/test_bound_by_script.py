"""A session that is bound to a key of WebCrypto, in a browser that speaks no DBSC (plain http)."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.authenticators import NO_AUTOFILL, Authenticator
from tests.browser.bound import (
    age_proof,
    binding_of,
    end_cookie,
    end_first_moments,
    wait_for_binding,
)
from tests.browser.conftest import Watch
from tests.browser.people import Person
from tests.browser.steps import callouts, heading, sign_in
from tests.support.instance import Instance

BOUND = "bound"
ASKED = "Checking this browser"


@pytest.fixture(autouse=True)
def _asking_is_no_fault(watch: Watch) -> None:
    watch.expect("status of 401")


@pytest.fixture
def page(open_browser: Callable[..., Page], person: Person, instance: Instance) -> Page:
    """Signed in by the pages, and bound."""
    page = open_browser()
    page.goto("/accounts/login/")
    sign_in(page, person)
    expect(heading(page)).to_have_text("Security")
    assert wait_for_binding(instance, person) == "webcrypto"
    page.goto("/")
    end_first_moments(instance, person)
    return page


def cookies(context: BrowserContext) -> dict[str, str]:
    return {cookie["name"]: cookie["value"] for cookie in context.cookies()}


def copied(page: Page, open_browser: Callable[..., Page]) -> Page:
    """Another browser with a copy of every cookie."""
    thief = open_browser()
    thief.context.add_cookies(page.context.cookies())
    return thief


def test_signing_in_binds_the_session_and_the_list_says_so(page: Page) -> None:
    page.goto("/sessions/")

    expect(page.locator("#session-list li").first).to_contain_text("Bound to its browser")
    assert cookies(page.context)[BOUND]


def test_the_key_cannot_be_taken_out(page: Page) -> None:
    said = page.evaluate(
        """async () => {
          const open = indexedDB.open("sallyport", 1);
          await new Promise((resolve) => { open.onsuccess = resolve; });
          const get = open.result.transaction("keys").objectStore("keys").get("session");
          await new Promise((resolve) => { get.onsuccess = resolve; });
          const { privateKey } = get.result;
          const taken = await crypto.subtle.exportKey("jwk", privateKey).catch((e) => e.name);
          return [privateKey.extractable, taken];
        }"""
    )

    assert said == [False, "InvalidAccessError"]


def test_a_page_without_the_cookie_shows_the_key_and_goes_on(page: Page) -> None:
    before = cookies(page.context)[BOUND]
    page.context.clear_cookies(name=BOUND)

    page.goto("/sessions/?after=the+key")

    expect(heading(page)).to_have_text("Where you are signed in")
    assert page.url.endswith("/sessions/?after=the+key")
    assert cookies(page.context)[BOUND] != before


def test_a_copied_jar_opens_nothing_when_its_cookie_has_ended(
    page: Page, open_browser: Callable[..., Page], instance: Instance, person: Person
) -> None:
    thief = copied(page, open_browser)
    end_cookie(instance, person)

    thief.goto("/sessions/")

    expect(heading(thief)).to_have_text(ASKED)
    expect(thief.get_by_role("button", name="Sign in again")).to_be_visible()
    page.goto("/sessions/")
    expect(heading(page)).to_have_text("Where you are signed in")


def test_nor_a_privileged_page_before_that(page: Page, open_browser: Callable[..., Page]) -> None:
    page.goto("/mfa/passkeys/add/")
    expect(heading(page)).to_have_text("Add a passkey")
    thief = copied(page, open_browser)

    thief.goto("/mfa/passkeys/add/")

    expect(thief.get_by_role("button", name="Sign in again")).to_be_visible()
    expect(heading(thief)).to_have_text(ASKED)


def test_a_privileged_page_shows_the_key_again_when_the_proof_is_old(
    page: Page, instance: Instance, person: Person
) -> None:
    page.goto("/sessions/")
    age_proof(instance, person)

    page.goto("/mfa/passkeys/add/")

    expect(heading(page)).to_have_text("Add a passkey")


def test_a_form_shows_the_key_before_it_is_sent(
    page: Page, open_browser: Callable[..., Page], instance: Instance, person: Person
) -> None:
    other = open_browser(signed_in=person)
    other.goto("/sessions/")
    page.goto("/sessions/")
    page.evaluate("localStorage.removeItem('sallyport-proven-at')")  # as if time had passed
    age_proof(instance, person)

    page.get_by_role("button", name="End all others").click()

    expect(callouts(page)).to_contain_text("1 other session was ended.")


def test_what_was_sent_without_it_has_to_be_sent_again(
    page: Page, open_browser: Callable[..., Page], instance: Instance, person: Person
) -> None:
    other = open_browser(signed_in=person)
    other.goto("/sessions/")
    page.goto("/sessions/")
    age_proof(instance, person)
    # The script believes that it has just proven the key, which is not so.
    page.evaluate("localStorage.setItem('sallyport-proven-at', Date.now())")

    page.get_by_role("button", name="End all others").click()

    expect(page.get_by_role("button", name="Go back")).to_be_visible()
    expect(page.locator("[data-prove=again]")).to_contain_text("go back and send it again")
    page.get_by_role("button", name="Go back").click()
    page.get_by_role("button", name="End all others").click()
    expect(callouts(page)).to_contain_text("1 other session was ended.")


def test_a_form_waits_for_the_proof_that_its_page_has_under_way(
    page: Page, open_browser: Callable[..., Page], person: Person
) -> None:
    """The answer brings the cookie, and would be lost with the page."""
    other = open_browser(signed_in=person)
    other.goto("/sessions/")
    page.goto("/sessions/")
    page.context.clear_cookies(name=BOUND)
    page.evaluate("localStorage.setItem('sallyport-proven-at', Date.now())")

    page.evaluate(
        """() => {
          const detail = { proofs: [], again: true };
          document.dispatchEvent(new CustomEvent("sallyport:prove", { detail }));
          const said = [...document.querySelectorAll("button")];
          said.find((button) => button.textContent.includes("End all others")).click();
        }"""
    )

    expect(callouts(page)).to_contain_text("1 other session was ended.")


def test_a_script_that_is_asked_for_the_key_shows_it_and_asks_again(
    page: Page, instance: Instance, person: Person
) -> None:
    page.add_init_script(NO_AUTOFILL)
    Authenticator(page)
    page.goto("/mfa/passkeys/add/")
    expect(heading(page)).to_have_text("Add a passkey")
    age_proof(instance, person)
    # A proof of the page before was overtaken: the script believes in it, the server does not.
    page.evaluate("localStorage.setItem('sallyport-proven-at', Date.now())")

    page.get_by_role("button", name="Add a passkey").click()

    expect(callouts(page)).to_contain_text("Your passkey was added")


def test_two_tabs_prove_the_same_key(page: Page) -> None:
    other = page.context.new_page()
    page.context.clear_cookies(name=BOUND)

    other.goto("/sessions/", wait_until="commit")
    page.goto("/sessions/", wait_until="commit")

    expect(heading(page)).to_have_text("Where you are signed in")
    expect(heading(other)).to_have_text("Where you are signed in")


def test_a_browser_that_has_lost_its_key_signs_in_again(page: Page, person: Person) -> None:
    page.evaluate("indexedDB.deleteDatabase('sallyport')")
    page.context.clear_cookies(name=BOUND)
    page.goto("/sessions/")
    expect(heading(page)).to_have_text(ASKED)

    page.get_by_role("button", name="Sign in again").click()

    expect(heading(page)).to_have_text("Sign in")
    sign_in(page, person)
    expect(heading(page)).to_have_text("Where you are signed in")


def test_without_javascript_the_page_says_what_is_missing(
    page: Page, open_browser: Callable[..., Page], person: Person
) -> None:
    silent = open_browser(java_script_enabled=False)
    silent.context.add_cookies(page.context.cookies())
    silent.context.clear_cookies(name=BOUND)

    silent.goto("/sessions/")

    expect(silent.get_by_text("This check needs JavaScript.")).to_be_visible()
    silent.get_by_role("button", name="Sign in again").click()
    expect(heading(silent)).to_have_text("Sign in")


def test_a_browser_without_javascript_stays_unbound(
    open_browser: Callable[..., Page], person: Person, instance: Instance
) -> None:
    page = open_browser(java_script_enabled=False)
    page.goto("/accounts/login/")

    sign_in(page, person)

    expect(heading(page)).to_have_text("Security")
    assert binding_of(instance, person) == ""


def test_signing_out_shows_the_key_before_it_forgets_it(page: Page) -> None:
    """Who leaves a page before its answer has come has the key, and no cookie of it yet."""
    page.goto("/accounts/logout/")
    page.context.clear_cookies(name=BOUND)
    page.evaluate("localStorage.removeItem('sallyport-proven-at')")

    page.get_by_role("button", name="Sign out").click()

    expect(heading(page)).to_have_text("Sign in")


def test_signing_out_forgets_key_and_cookie(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Sign out?")

    assert BOUND not in cookies(page.context)
    left = page.evaluate(
        """async () => {
          const open = indexedDB.open("sallyport", 1);
          await new Promise((resolve) => { open.onsuccess = resolve; });
          const get = open.result.transaction("keys").objectStore("keys").get("session");
          await new Promise((resolve) => { get.onsuccess = resolve; });
          return get.result ?? null;
        }"""
    )
    assert left is None
