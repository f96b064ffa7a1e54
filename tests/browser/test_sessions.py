"""My sessions, from two browsers."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.people import Person
from tests.browser.steps import callouts, confirm, heading, sign_in


@pytest.fixture
def here(open_browser: Callable[..., Page], person: Person) -> Page:
    return open_browser(signed_in=person)


@pytest.fixture
def there(open_browser: Callable[..., Page], person: Person) -> Page:
    page = open_browser()
    page.goto("/accounts/login/")
    sign_in(page, person)
    expect(heading(page)).to_have_text("Security")
    return page


def test_a_session_that_is_ended_elsewhere_is_over_at_its_next_click(
    here: Page, there: Page
) -> None:
    here.goto("/sessions/")
    expect(here.locator("#session-list li")).to_have_count(2)
    expect(here.locator("#session-list li").first).to_contain_text("This device")

    here.get_by_role("button", name="End the session").click()

    expect(callouts(here)).to_contain_text("That session was ended.")
    there.get_by_role("link", name="Sessions", exact=True).first.click()
    expect(heading(there)).to_have_text("Sign in")
    expect(callouts(there)).to_contain_text("Your session has ended.")
    expect(here.locator("#session-list li")).to_have_count(1)


def test_all_others_end_at_once_and_this_one_stays(
    here: Page, there: Page, open_browser: Callable[..., Page], person: Person
) -> None:
    here.goto("/sessions/")

    here.get_by_role("button", name="End all others").click()

    expect(callouts(here)).to_contain_text("1 other session was ended.")
    there.reload()
    expect(heading(there)).to_have_text("Sign in")
    here.reload()
    expect(heading(here)).to_have_text("Where you are signed in")


def test_an_old_session_has_to_confirm_before_it_ends_others(
    here: Page, there: Page, person: Person, age_sessions: Callable[[Person], None]
) -> None:
    age_sessions(person)
    here.goto("/sessions/")

    here.get_by_role("button", name="End all others").click()
    expect(heading(here)).to_have_text("Confirm it is you")
    confirm(here, person)
    expect(callouts(here)).to_contain_text("Now choose again what to end.")
    here.get_by_role("button", name="End all others").click()

    expect(callouts(here)).to_contain_text("1 other session was ended.")
    there.reload()
    expect(heading(there)).to_have_text("Sign in")


def test_signing_out_keeps_the_back_button_from_showing_the_page_alive(here: Page) -> None:
    here.goto("/security/")
    here.get_by_role("link", name="Sign out").first.click()
    here.get_by_role("button", name="Sign out").click()
    expect(heading(here)).to_have_text("Sign in")

    here.goto("/security/")

    expect(heading(here)).to_have_text("Sign in")
