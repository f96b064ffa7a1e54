"""Access for a time, as two people get it done in two browsers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import grants
from tests.browser.authenticators import NO_AUTOFILL, Authenticator
from tests.browser.conftest import Mailbox, Watch
from tests.browser.people import Person, Pool
from tests.browser.steps import callouts, confirm, field, heading
from tests.support.instance import Instance

OpenBrowser = Callable[..., Page]


@pytest.fixture
def boss(pool: Pool) -> Person:
    return pool.take("strong")


def with_passkey(page: Page) -> Authenticator:
    page.add_init_script(NO_AUTOFILL)
    authenticator = Authenticator(page)
    page.goto("/mfa/passkeys/add/")
    page.get_by_role("button", name="Add a passkey").click()
    expect(callouts(page)).to_contain_text("Your passkey was added")
    return authenticator


def state_of(page: Page) -> str:
    return page.locator("#state-heading").inner_text()


def test_a_role_is_asked_for_given_begun_used_and_given_back(
    instance: Instance, demo: str, open_browser: OpenBrowser, person: Person, boss: Person,
    mailbox: Mailbox, watch: Watch,
) -> None:  # fmt: skip
    watch.expect("status of 403")
    grants.run(instance, f"crew({person.email!r}, {boss.email!r})")
    page = open_browser(signed_in=person)
    with_passkey(page)
    page.goto(f"{demo}/")
    page.get_by_role("button", name="Sign in with Sallyport").click()
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(heading(page)).to_contain_text("Hello")
    page.goto(f"{demo}/database")
    page.get_by_role("link", name="Ask for access").click()

    expect(heading(page)).to_have_text("Ask for db-admin")
    expect(page.locator("#back-to-application")).to_have_attribute("href", f"{demo}/")
    page.get_by_label("For how long").select_option("30")
    field(page, "Reason").fill("To mend the index")
    field(page, "Ticket").fill("OPS-7")
    page.get_by_role("button", name="What would happen?").click()
    expect(page.locator("#ahead")).to_contain_text("nothing was asked yet")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#state-heading")).to_have_text("Waiting for approval")

    theirs = open_browser(signed_in=boss)
    theirs.goto("/")
    theirs.locator(".house__side").get_by_role("link", name="To answer").click()
    theirs.get_by_role("link", name="db-admin").filter(has_text="To mend the index").click()
    expect(theirs.locator("#what")).to_contain_text("OPS-7")
    field(theirs, "Reason for your answer").fill("Go ahead")
    theirs.get_by_role("button", name="Approve").click()
    expect(callouts(theirs)).to_contain_text("Approved")

    page.goto(mailbox.link(person.email, "/access/grants/"))
    page.get_by_role("button", name="Begin now").click()
    expect(page.locator("#state-heading")).to_have_text("Active")
    expect(page.locator("[data-countdown]")).to_contain_text("29 min")
    page.goto(f"{demo}/database")
    page.get_by_role("button", name="Look again").click()
    expect(heading(page)).to_have_text("The crew's database")

    page.goto("/access/")
    page.locator("#live").get_by_role("button", name="Give back").click()
    expect(page.locator("#state-heading")).to_have_text("Over")
    page.goto(f"{demo}/database")
    page.get_by_role("button", name="Look again").click()
    expect(heading(page)).to_have_text("You need a role for this")


def test_what_was_typed_is_there_after_a_proof(
    instance: Instance, open_browser: OpenBrowser, person: Person, boss: Person,
    age_sessions: Callable[[Person], None],
) -> None:  # fmt: skip
    grants.run(instance, f"crew({person.email!r}, {boss.email!r})")
    page = open_browser(signed_in=person)
    age_sessions(person)
    page.goto("/access/request/?entitlement=db-admin&duration=15")
    field(page, "Reason").fill("A reason that nobody wants to type twice")
    field(page, "Ticket").fill("OPS-8")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(heading(page)).to_have_text("Confirm it is you")
    confirm(page, person)

    expect(heading(page)).to_have_text("Ask for db-admin")
    expect(field(page, "Reason")).to_have_value("A reason that nobody wants to type twice")
    expect(field(page, "Ticket")).to_have_value("OPS-8")
    expect(page.get_by_label("For how long")).to_have_value("15")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#state-heading")).to_have_text("Waiting for approval")


def test_a_touch_that_fails_leads_to_another_way(
    instance: Instance, open_browser: OpenBrowser, person: Person, boss: Person,
    age_sessions: Callable[[Person], None],
) -> None:  # fmt: skip
    page = open_browser(signed_in=person)
    authenticator = with_passkey(page)
    made = grants.run(instance, f"made({person.email!r}, {boss.email!r}, 'scheduled')")
    age_sessions(person)
    page.goto(f"/access/grants/{made}/")
    authenticator.set_user_verified(is_verified=False)
    page.get_by_role("button", name="Begin now").click()
    expect(page.locator("[data-passkey-error]")).to_contain_text("Nothing was confirmed")
    assert state_of(page) == "Approved, not begun"

    page.get_by_role("button", name="Begin now").click()
    expect(heading(page)).to_have_text("Confirm it is you")


def test_it_begins_without_scripts(
    instance: Instance, open_browser: OpenBrowser, person: Person, boss: Person,
    age_sessions: Callable[[Person], None],
) -> None:  # fmt: skip
    made = grants.run(instance, f"made({person.email!r}, {boss.email!r}, 'scheduled')")
    age_sessions(person)
    page = open_browser(signed_in=person, java_script_enabled=False)
    page.goto(f"/access/grants/{made}/")
    page.get_by_role("button", name="Begin now").click()
    expect(heading(page)).to_have_text("Confirm it is you")
    confirm(page, person)
    expect(callouts(page)).to_contain_text("Thank you. Now begin.")
    page.get_by_role("button", name="Begin now").click()

    expect(page.locator("#state-heading")).to_have_text("Active")
    expect(page.locator("#until")).to_contain_text("in about 30 min")
