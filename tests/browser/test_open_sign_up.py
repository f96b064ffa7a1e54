"""Sign-up where it is open to everybody: an instance of its own, since it is a setting."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Mailbox
from tests.browser.looks import look
from tests.browser.people import Person
from tests.browser.steps import field, heading, sign_in
from tests.support.instance import Instance

PASSWORD = "nineteen calm otters 4"


@pytest.fixture(scope="module")
def open_instance() -> Iterator[Instance]:
    extra = {"SALLYPORT_SIGNUP": "open", "SALLYPORT_SIGNUP_ORGANISATION": "acme"}
    with Instance(with_demo=True, with_worker=True, environment=extra) as running:
        yield running


def test_from_the_sign_in_page_by_the_mail_to_the_first_sign_in(
    open_browser: Callable[..., Page], open_instance: Instance
) -> None:
    email = "vera@somewhere.example"
    page = open_browser(base_url=open_instance.base_url)
    page.goto("/accounts/login/")
    page.get_by_role("link", name="Create an account").click()
    look(page)
    field(page, "Email").fill(email)
    field(page, "Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    expect(heading(page)).to_have_text("Check your email")
    look(page)

    page.goto(Mailbox(open_instance.var / "mail").link(email, "/confirm-email/"))
    page.get_by_role("button", name="Yes, confirm").click()
    expect(heading(page)).not_to_have_text("Confirm your email")
    page.goto("/accounts/login/")
    if heading(page).inner_text() == "Sign in":
        sign_in(page, Person(email, PASSWORD, None, ""))

    expect(heading(page)).to_have_text("Security")
    expect(page.locator("#card-email")).to_contain_text("Confirmed")


def test_an_address_that_is_taken_reads_the_same_and_is_told_by_mail(
    open_browser: Callable[..., Page], open_instance: Instance
) -> None:
    page = open_browser(base_url=open_instance.base_url)
    page.goto("/accounts/signup/")

    field(page, "Email").fill("alice@acme.example")
    field(page, "Password").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()

    expect(heading(page)).to_have_text("Check your email")
    Mailbox(open_instance.var / "mail").link("alice@acme.example", "/accounts/")
