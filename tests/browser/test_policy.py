"""A policy, from a draft to what counts and back, as two people get it done in two browsers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.bound import wait_for_binding
from tests.browser.conftest import Mailbox
from tests.browser.looks import look
from tests.browser.people import Person, Pool
from tests.browser.steps import callouts, confirm, heading
from tests.support.instance import Instance

OpenBrowser = Callable[..., Page]
POLICY = "/admin/policy/policyversion/"


@pytest.fixture
def other(pool: Pool) -> Person:
    return pool.take("strong")


def press(page: Page, who: Person, name: str, *, back: str) -> None:
    """Press a button; where a proof is asked for first, give it and press again."""
    page.get_by_role("button", name=name).click()
    page.wait_for_load_state()
    if "/step-up/" in page.url:
        confirm(page, who)
        page.goto(back)
        page.get_by_role("button", name=name).click()


def test_a_draft_is_asked_for_agreed_to_published_and_taken_back(
    instance: Instance, open_browser: OpenBrowser, person: Person, other: Person, mailbox: Mailbox
) -> None:
    for each in (person, other):
        instance.manage("make_administrator", each.email, "--everywhere")
    page, theirs = open_browser(signed_in=person), open_browser(signed_in=other)
    for browser, who in ((page, person), (theirs, other)):
        browser.goto("/")
        wait_for_binding(instance, who)
        browser.goto("/")
    page.goto(f"{POLICY}add/")
    note = f"{person.local_part} says what nights are"
    page.get_by_label("What changes").fill(note)
    rules = page.get_by_label("session.rego", exact=True)
    rules.fill(f"{rules.input_value()}\n# {note}\n")
    page.get_by_role("button", name="Keep").click()
    version = page.url

    page.get_by_role("link", name="Ask for publication").click()
    page.get_by_label("Reason").fill("The night shift waits for it")
    page.get_by_label("Simulate over the last (days)").fill("1")
    page.get_by_role("button", name="What would happen?").click()
    expect(page.locator("#ahead")).to_contain_text("nothing was asked yet")
    expect(page.locator("#who")).to_contain_text(other.email)
    look(page)
    page.get_by_role("button", name="Ask for publication").click()
    expect(page.locator("#state-heading")).to_have_text("Waiting for approval")
    request = page.url

    theirs.goto(mailbox.link(other.email, "/access/grants/"))
    expect(heading(theirs)).to_contain_text("asks to publish")
    expect(theirs.locator("#what")).to_contain_text("The night shift waits for it")
    expect(theirs.locator("#simulation")).to_contain_text("would be others")
    expect(theirs.locator("#tests")).to_contain_text("pass")
    expect(theirs.get_by_role("region", name="Difference of session.rego")).to_contain_text(
        f"+# {note}"
    )
    look(theirs)
    press(theirs, other, "Approve", back=request)
    expect(callouts(theirs)).to_contain_text("Approved")

    page.goto(request)
    expect(page.locator("#state")).to_contain_text("Others have agreed")
    look(page)
    press(page, person, "Publish", back=request)
    expect(page.locator(".messagelist")).to_contain_text("counts from now on, everywhere")
    assert page.url == version
    page.goto(request)
    expect(page.locator("#state-heading")).to_have_text("Published")

    page.goto(POLICY)
    expect(page.locator("#publications")).to_contain_text(person.email)
    page.get_by_label("Why").fill("It was a rehearsal")
    page.get_by_role("button", name="Go back one step, at once").click()
    expect(page.locator(".messagelist")).to_contain_text("counts again, everywhere")
    expect(page.locator("#publications")).to_contain_text("back: It was a rehearsal")
    look(page)
