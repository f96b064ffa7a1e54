"""Passkeys in a real Chromium, with its virtual authenticator as the device."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.authenticators import NO_AUTOFILL, SPY_ON_SIGNALS, Authenticator
from tests.browser.conftest import Watch
from tests.browser.people import Person
from tests.browser.steps import callouts, confirm, field, give_password, heading

BUTTON = "Sign in with a passkey"


def add_passkey(page: Page, *, name: str = "") -> None:
    """Add one from the page of passkeys; the person is signed in and fresh."""
    page.goto("/mfa/passkeys/add/")
    field(page, "Name").fill(name)
    page.get_by_role("button", name="Add a passkey").click()
    expect(callouts(page)).to_contain_text("Your passkey was added")


def listed(page: Page) -> list[str]:
    page.goto("/mfa/passkeys/")
    return page.locator("#passkey-list .row__title .break").all_inner_texts()


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/**")


@pytest.fixture
def laptop(open_browser: Callable[..., Page], person: Person) -> tuple[Page, Authenticator]:
    """A browser of `person` with a passkey on its device; autofill is off, signals are noted."""
    page = open_browser(signed_in=person)
    page.add_init_script(NO_AUTOFILL)
    page.add_init_script(SPY_ON_SIGNALS)
    authenticator = Authenticator(page)
    add_passkey(page, name="Laptop")
    return page, authenticator


class TestAdding:
    def test_from_the_security_home_after_step_up(
        self,
        open_browser: Callable[..., Page],
        person: Person,
        age_sessions: Callable[[Person], None],
    ) -> None:
        age_sessions(person)
        page = open_browser(signed_in=person)
        authenticator = Authenticator(page)
        page.goto("/security/")

        page.locator("#card-passkeys").click()
        page.get_by_role("link", name="Add a passkey").click()
        expect(heading(page)).to_have_text("Confirm it is you")
        confirm(page, person)
        expect(heading(page)).to_have_text("Add a passkey")
        page.get_by_role("button", name="Add a passkey").click()

        expect(callouts(page)).to_contain_text("Your passkey was added")
        expect(heading(page)).to_have_text("Recovery codes")
        (credential,) = authenticator.credentials()
        assert credential["isResidentCredential"] is True
        page.goto("/security/")
        expect(page.locator("#card-passkeys")).to_contain_text("Strongest")

    def test_a_second_device_gets_one_of_its_own_and_the_first_none_more(
        self, laptop: tuple[Page, Authenticator], person: Person
    ) -> None:
        page, first = laptop

        page.goto("/mfa/passkeys/add/")
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("has a passkey for this account already")

        first.set_present(is_present=False)
        key = Authenticator(page, transport="usb", defaultBackupEligibility=False,
                            defaultBackupState=False)  # fmt: skip
        add_passkey(page, name="Key")
        assert listed(page) == ["Key", "Laptop"]
        expect(page.locator("#passkey-list li").first).to_contain_text("On one device")
        expect(page.locator("#passkey-list li").last).to_contain_text("Synced")

        sign_out(page)
        page.get_by_role("button", name=BUTTON).click()
        expect(heading(page)).to_have_text("Hello, Pat Porter")
        assert key.credentials()[0]["signCount"] > 1

    def test_a_device_that_does_not_know_its_owner_is_refused_kindly(
        self, open_browser: Callable[..., Page], person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        Authenticator(page).set_user_verified(is_verified=False)

        page.goto("/mfa/passkeys/add/")
        page.get_by_role("button", name="Add a passkey").click()

        expect(page.get_by_role("alert")).to_have_text(
            "Nothing was confirmed. Try again, or use another way."
        )
        expect(page.get_by_role("button", name="Add a passkey")).to_be_enabled()
        assert listed(page) == []


class TestSigningIn:
    def test_by_the_button_it_takes_no_second_step(
        self, laptop: tuple[Page, Authenticator], person: Person
    ) -> None:
        page, _ = laptop
        sign_out(page)

        page.get_by_role("button", name=BUTTON).click()

        expect(heading(page)).to_have_text("Hello, Pat Porter")
        page.goto("/sessions/")
        expect(page.locator("#session-list li", has_text="This device")).to_contain_text("Passkey")

    def test_by_autofill_nobody_presses_anything(
        self, open_browser: Callable[..., Page], person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        authenticator = Authenticator(page)
        add_passkey(page)

        sign_out(page)  # the sign-in page then offers the passkey, and the device takes it

        expect(heading(page)).to_have_text("Hello, Pat Porter")
        assert authenticator.credentials()[0]["signCount"] > 1

    def test_it_leads_back_to_the_application(
        self, laptop: tuple[Page, Authenticator], demo: str
    ) -> None:
        page, _ = laptop
        sign_out(page)
        page.goto(f"{demo}/")
        page.get_by_role("button", name="Sign in with Sallyport").click()

        page.get_by_role("button", name=BUTTON).click()
        page.get_by_role("button", name="Allow", exact=True).click()

        expect(heading(page)).to_have_text("Hello, Pat Porter")
        expect(page.get_by_role("row", name="amr")).to_contain_text("pop")
        expect(page.get_by_role("row", name="acr")).to_contain_text("aal2")

    def test_as_the_second_step_after_a_password(
        self, laptop: tuple[Page, Authenticator], person: Person
    ) -> None:
        page, _ = laptop
        sign_out(page)

        give_password(page, person)
        page.get_by_role("button", name="Use a passkey").click()

        expect(heading(page)).to_have_text("Hello, Pat Porter")

    def test_a_device_that_does_not_know_its_owner_is_refused_kindly(
        self, laptop: tuple[Page, Authenticator]
    ) -> None:
        page, authenticator = laptop
        sign_out(page)
        authenticator.set_user_verified(is_verified=False)

        page.get_by_role("button", name=BUTTON).click()

        expect(page.get_by_role("alert")).to_have_text(
            "Nothing was confirmed. Try again, or use another way."
        )
        authenticator.set_user_verified(is_verified=True)
        page.get_by_role("button", name=BUTTON).click()
        expect(heading(page)).to_have_text("Hello, Pat Porter")

    def test_a_passkey_that_was_removed_here_is_refused_and_the_browser_is_told(
        self, laptop: tuple[Page, Authenticator], watch: Watch
    ) -> None:
        page, authenticator = laptop
        page.goto("/mfa/passkeys/")
        page.get_by_role("link", name="Remove Laptop").click()
        page.get_by_role("button", name="Remove passkey").click()
        expect(callouts(page)).to_contain_text("The passkey was removed")
        sign_out(page)

        watch.expect("status of 400", "status of 401", "status of 403")
        page.get_by_role("button", name=BUTTON).click()

        expect(page.get_by_role("alert")).to_be_visible()
        (told,) = page.evaluate("window.signals")
        assert told[0] == "signalUnknownCredential"
        assert told[1]["rpId"] == "localhost"
        assert [told[1]["credentialId"]] == authenticator.ids()


class TestStepUp:
    def test_a_passkey_is_enough(
        self,
        laptop: tuple[Page, Authenticator],
        person: Person,
        age_sessions: Callable[[Person], None],
    ) -> None:
        page, _ = laptop
        age_sessions(person)

        page.goto("/accounts/password/change/")
        expect(heading(page)).to_have_text("Confirm it is you")
        page.get_by_role("button", name="Use a passkey").click()

        expect(heading(page)).to_have_text("Change your password")


class TestManaging:
    def test_renaming(self, laptop: tuple[Page, Authenticator]) -> None:
        page, _ = laptop
        page.goto("/mfa/passkeys/")

        page.get_by_role("link", name="Rename Laptop").click()
        field(page, "Name").fill("Work <b>laptop</b>")
        page.get_by_role("button", name="Save").click()

        expect(callouts(page)).to_contain_text("The passkey has a new name")
        assert listed(page) == ["Work <b>laptop</b>"]

    def test_removing_tells_the_browser_which_are_left(
        self, laptop: tuple[Page, Authenticator], person: Person
    ) -> None:
        page, authenticator = laptop
        page.goto("/mfa/passkeys/")
        page.wait_for_function("window.signals.length === 2")
        before = dict(page.evaluate("window.signals"))
        assert (
            before["signalAllAcceptedCredentials"]["allAcceptedCredentialIds"]
            == authenticator.ids()
        )
        assert before["signalCurrentUserDetails"]["name"] == person.email

        page.get_by_role("link", name="Remove Laptop").click()
        expect(heading(page)).to_have_text("Remove “Laptop”?")
        page.get_by_role("button", name="Remove passkey").click()
        expect(callouts(page)).to_contain_text("The passkey was removed")

        page.wait_for_function("window.signals.length === 2")
        after = dict(page.evaluate("window.signals"))
        assert after["signalAllAcceptedCredentials"]["allAcceptedCredentialIds"] == []
        expect(page.get_by_text("No passkeys yet")).to_be_visible()
