"""What people do on the pages, by the words that they read there."""

import re
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page, expect

from tests.browser.people import Person
from tests.support.instance import Instance


def give_password(page: Page, who: Person, *, password: str | None = None) -> None:
    """Fill in the sign-in page, which is open."""
    field(page, "Email").fill(who.email)
    field(page, "Password").fill(password or who.password)
    page.get_by_role("button", name="Continue").click()


def give_code(page: Page, code: str) -> None:
    """Fill in the second page, which is open."""
    field(page, "Code").fill(code)
    page.get_by_role("button", name="Continue").click()


def sign_in(page: Page, who: Person) -> None:
    """Sign in where the sign-in page is open."""
    give_password(page, who)
    if who.totp_secret:
        expect(heading(page)).to_have_text("Enter your code")
        give_code(page, who.code())


def confirm(page: Page, who: Person) -> None:
    """Prove it again on the step-up page, which is open."""
    field(page, "Password").fill(who.password)
    if who.totp_secret:
        field(page, "Code from your authenticator app").fill(who.code())
    page.get_by_role("button", name="Confirm").click()


def enrol_app(page: Page, who: Person) -> None:
    """Add an authenticator app by the key that the page shows as text."""
    who.totp_secret = page.locator("#totp-key").inner_text()
    field(page, "Code").fill(who.code())
    page.get_by_role("button", name="Turn on").click()


def field(page: Page, label: str) -> Locator:
    """The box below this label."""
    return page.get_by_role("textbox", name=re.compile(rf"^{re.escape(label)}( \(optional\))?$"))


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def callouts(page: Page) -> Locator:
    """The notes at the top of a page."""
    return page.locator(".messages")


def authorize_url(instance: Instance, **changes: str | None) -> str:
    """A correct request of the demo application; `changes` replace or (None) drop parameters.

    The application has not begun it, so it will say so when the browser comes back.
    """
    (client,) = (each for each in instance.demo["clients"] if each["name"] == "demo")
    values: dict[str, str | None] = {
        "client_id": client["client_id"],
        "redirect_uri": client["redirect_uris"][0],
        "response_type": "code",
        "scope": "openid profile email",
        "state": "not-begun-here",
        "nonce": "n-1",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",  # RFC 7636, appendix B
        "code_challenge_method": "S256",
        **changes,
    }
    query = urlencode({name: value for name, value in values.items() if value is not None})
    return f"{instance.base_url}/oauth/authorize?{query}"
