"""Accounts through mail: invitation, password reset, change of address and of password."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Mailbox, Watch
from tests.browser.people import Person
from tests.browser.steps import (
    callouts,
    enrol_app,
    field,
    give_code,
    give_password,
    heading,
    sign_in,
)
from tests.support.instance import Instance

NEW_PASSWORD = "seventeen quiet herons 8"


def accept(page: Page, *, name: str) -> None:
    field(page, "Your name").fill(name)
    field(page, "Password").fill(NEW_PASSWORD)
    field(page, "Password, once more").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Create account").click()


class TestInvitation:
    def test_from_the_mail_to_the_first_sign_in(
        self, page: Page, instance: Instance, mailbox: Mailbox, open_browser: Callable[..., Page]
    ) -> None:
        email = "nora@acme.example"
        instance.manage("invite", email, "--organisation", "acme", "--role", "employee")
        link = mailbox.link(email, "/invitations/")

        page.goto(link)
        expect(heading(page)).to_have_text("Join Acme")
        accept(page, name="Nora Nash")
        expect(heading(page)).to_have_text("Security")
        page.goto("/")
        expect(heading(page)).to_have_text("Hello, Nora Nash")
        expect(page.locator("main")).to_contain_text("employee")

        other = open_browser()
        other.goto("/accounts/login/")
        sign_in(other, Person(email, NEW_PASSWORD, None, ""))
        expect(heading(other)).to_have_text("Security")

    def test_a_link_works_once(
        self, page: Page, instance: Instance, mailbox: Mailbox, watch: Watch
    ) -> None:
        email = "otto@acme.example"
        instance.manage("invite", email, "--organisation", "acme")
        link = mailbox.link(email, "/invitations/")
        page.goto(link)
        accept(page, name="Otto Orr")
        expect(heading(page)).to_have_text("Security")

        watch.expect("status of 404")
        page.goto(link)

        expect(heading(page)).to_have_text("This invitation no longer works")


class TestForgottenPassword:
    def test_by_the_mail_to_a_new_one_with_the_second_step_still_asked(
        self, page: Page, mailbox: Mailbox, person: Person
    ) -> None:
        page.goto("/accounts/login/")
        page.get_by_role("link", name="Forgot your password?").click()
        field(page, "Email").fill(person.email)
        page.get_by_role("button", name="Send the link").click()
        expect(heading(page)).to_have_text("Check your email")

        page.goto(mailbox.link(person.email, "/password/reset/key/"))
        field(page, "New password").fill(NEW_PASSWORD)
        field(page, "New password, once more").fill(NEW_PASSWORD)
        page.get_by_role("button", name="Set password").click()
        expect(heading(page)).to_have_text("Your password is changed")

        page.get_by_role("link", name="Sign in").click()
        give_password(page, person, password=NEW_PASSWORD)
        expect(heading(page)).to_have_text("Enter your code")
        give_code(page, person.code())
        expect(heading(page)).to_have_text("Security")

    def test_an_unknown_address_reads_the_same(self, page: Page) -> None:
        page.goto("/accounts/password/reset/")

        field(page, "Email").fill("nobody@acme.example")
        page.get_by_role("button", name="Send the link").click()

        expect(heading(page)).to_have_text("Check your email")
        expect(page.locator("main")).to_contain_text("If there is an account for that address")


class TestChangingTheAddress:
    def test_nothing_changes_until_the_link_is_opened(
        self,
        open_browser: Callable[..., Page],
        mailbox: Mailbox,
        person: Person,
    ) -> None:
        page = open_browser(signed_in=person)
        new = f"new.{person.email}"
        page.goto("/security/")
        page.locator("#card-email").click()
        field(page, "New email").fill(new)
        page.get_by_role("button", name="Send the link").click()
        expect(page.locator("main")).to_contain_text("Until then nothing changes.")
        expect(page.locator(".house__who")).to_contain_text(person.email)

        page.goto(mailbox.link(new, "/confirm-email/"))
        page.get_by_role("button", name="Yes, confirm").click()

        other = open_browser()
        other.goto("/accounts/login/")
        person.email = new
        sign_in(other, person)
        expect(other.locator(".house__who")).to_contain_text(new)


class TestChangingThePassword:
    def test_other_sessions_end(self, open_browser: Callable[..., Page], person: Person) -> None:
        here, there = open_browser(signed_in=person), open_browser()
        there.goto("/accounts/login/")
        sign_in(there, person)
        expect(heading(there)).to_have_text("Security")

        here.goto("/accounts/password/change/")
        field(here, "Current password").fill(person.password)
        field(here, "New password").fill(NEW_PASSWORD)
        field(here, "New password, once more").fill(NEW_PASSWORD)
        here.get_by_role("button", name="Change password").click()
        expect(callouts(here)).to_be_visible()

        there.goto("/sessions/")
        expect(heading(there)).to_have_text("Sign in")
        here.goto("/sessions/")
        expect(heading(here)).to_have_text("Where you are signed in")


class TestFirstSteps:
    def test_somebody_new_becomes_well_protected(
        self, open_browser: Callable[..., Page], newcomer: Person
    ) -> None:
        """From a password alone to an app and recovery codes, led by the security home."""
        page = open_browser(signed_in=newcomer)
        page.goto("/security/")
        expect(page.locator("#strength")).to_contain_text("Your account has only a password")

        page.get_by_role("link", name="Use an authenticator app").click()
        enrol_app(page, newcomer)
        page.get_by_role("button", name="Make codes").click()
        page.get_by_role("link", name="I have saved them").click()

        expect(page.locator("#strength")).to_contain_text("could be safer")
