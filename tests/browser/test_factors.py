"""Authenticator apps and recovery codes, as people set them up and use them."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.people import Person
from tests.browser.steps import callouts, enrol_app, field, give_password, heading, sign_in


def make_recovery_codes(page: Page) -> list[str]:
    page.goto("/mfa/recovery-codes/")
    page.get_by_role("button", name="Make").click()
    expect(heading(page)).to_have_text("Your recovery codes")
    return page.locator("#recovery-codes li").all_inner_texts()


class TestAuthenticatorApp:
    def test_it_is_added_by_the_key_of_the_page_and_asked_for_from_then_on(
        self, open_browser: Callable[..., Page], newcomer: Person
    ) -> None:
        page = open_browser(signed_in=newcomer)
        page.goto("/security/")
        page.locator("#strength").get_by_role("link", name="Use an authenticator app").click()

        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        enrol_app(page, newcomer)

        expect(callouts(page)).to_contain_text("Your authenticator app is on.")
        expect(heading(page)).to_have_text("Recovery codes")
        other = open_browser()
        other.goto("/accounts/login/")
        sign_in(other, newcomer)
        expect(heading(other)).to_have_text("Security")

    def test_a_wrong_code_says_so_and_keeps_the_key(
        self, open_browser: Callable[..., Page], newcomer: Person
    ) -> None:
        page = open_browser(signed_in=newcomer)
        page.goto("/mfa/totp/")
        key = page.locator("#totp-key").inner_text()
        newcomer.totp_secret = key

        field(page, "Code").fill(newcomer.wrong_code())
        page.get_by_role("button", name="Turn on").click()

        expect(field(page, "Code")).to_have_attribute("aria-invalid", "true")
        assert page.title().startswith("Error: ")
        expect(page.locator("#totp-key")).to_have_text(key)

    def test_it_is_removed_after_a_word_about_what_is_left(
        self, open_browser: Callable[..., Page], person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        page.goto("/security/")
        page.locator("#card-totp").click()
        expect(page.get_by_text("Only your password will be left")).to_be_visible()

        page.get_by_role("button", name="Remove the authenticator app").click()

        expect(callouts(page)).to_contain_text("The authenticator app was removed.")
        expect(page.locator("#strength")).to_contain_text("Your account has only a password")


class TestRecoveryCodes:
    def test_they_are_shown_once(self, open_browser: Callable[..., Page], person: Person) -> None:
        page = open_browser(signed_in=person)

        codes = make_recovery_codes(page)

        assert len(set(codes)) == 10
        page.get_by_role("link", name="I have saved them").click()
        expect(page.locator("#card-recovery-codes")).to_contain_text("10 left to use")
        page.goto("/mfa/recovery-codes/")
        assert not any(code in page.content() for code in codes)
        page.go_back()
        assert not any(code in page.content() for code in codes)

    def test_each_signs_in_once(self, open_browser: Callable[..., Page], person: Person) -> None:
        first, second, *_ = make_recovery_codes(open_browser(signed_in=person))
        page = open_browser()

        def use(code: str) -> None:
            page.goto("/accounts/login/")
            give_password(page, person)
            page.get_by_role("link", name="Use a recovery code").click()
            field(page, "Recovery code").fill(code)
            page.get_by_role("button", name="Continue").click()

        use(first)
        expect(callouts(page)).to_contain_text("You have used a recovery code; 9 are left.")
        page.context.clear_cookies()

        use(first)
        expect(page.locator(".field__error").first).to_have_text(
            "That code is not right, or has been used."
        )
        field(page, "Recovery code").fill(second.lower().replace("-", ""))
        page.get_by_role("button", name="Continue").click()
        expect(callouts(page)).to_contain_text("8 are left")

    def test_they_are_copied_as_lines(
        self, open_browser: Callable[..., Page], person: Person
    ) -> None:
        page = open_browser(signed_in=person, permissions=["clipboard-read", "clipboard-write"])
        codes = make_recovery_codes(page)

        page.get_by_role("button", name="Copy").click()

        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == "\n".join(codes)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download").click()
        assert download.value.path().read_text().split() == codes
