"""Takes the pictures of the README anew: `python -m tests.browser.screenshots`.

On whatever servers the test suite would use; about half a minute. Look at them before committing.
"""

import sys
from pathlib import Path
from typing import Any

import tests.support.environment  # noqa: F401 - gives this process the suite's servers

FOLDER = Path(__file__).parent.parent.parent / "docs" / "images"
LARGEST_BYTES = 150 * 1024
WIDE = {"width": 1440, "height": 900}
TALL = {"width": 1440, "height": 1400}
NARROW = {"width": 360, "height": 780}
# Without the word "Headless", which the list of sessions would show.
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/150.0.0.0 Safari/537.36"
)


def main() -> int:
    from playwright.sync_api import expect, sync_playwright

    from tests.browser import administration
    from tests.browser.authenticators import NO_AUTOFILL, Authenticator
    from tests.browser.conftest import DemoClient, chromium, started_instance
    from tests.browser.people import Person
    from tests.browser.steps import field, give_code, give_password, heading

    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        started_instance() as instance,
        DemoClient(instance) as demo,
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium()) as browser,
    ):
        alice, bob = (
            Person(told["email"], told["password"], told["totp_secret"], session="")
            for told in instance.demo["users"][:2]
        )

        options: dict[str, Any] = {
            "base_url": instance.base_url, "viewport": WIDE, "locale": "en-GB",
            "timezone_id": "Europe/Zurich", "reduced_motion": "reduce", "user_agent": CHROME,
        }  # fmt: skip
        context = browser.new_context(**options)
        context.add_init_script(NO_AUTOFILL)
        page = context.new_page()

        def take(
            name: str, *, narrow: bool = False, dark: bool = False, tall: bool = False
        ) -> None:
            page.set_viewport_size(NARROW if narrow else TALL if tall else WIDE)
            page.emulate_media(color_scheme="dark" if dark else "light")
            page.wait_for_load_state("networkidle")
            file = FOLDER / f"{name}.png"
            page.screenshot(path=file)
            print(file.name, file.stat().st_size // 1024, "KiB")

        page.goto(f"{demo.url}/")
        page.get_by_role("button", name="Sign in with Sallyport").click()
        expect(heading(page)).to_have_text("Sign in")
        take("sign-in")
        take("sign-in-mobile", narrow=True)
        give_password(page, alice)
        expect(heading(page)).to_have_text("Enter your code")
        take("second-factor")
        take("second-factor-mobile-dark", narrow=True, dark=True)
        give_code(page, alice.code())
        expect(heading(page)).to_have_text("Allow Harbour Notes to do this?")
        take("consent")
        take("consent-mobile", narrow=True)
        page.get_by_role("button", name="Allow", exact=True).click()
        expect(heading(page)).to_contain_text("Hello")
        page.get_by_role("button", name="Refresh now").click()
        expect(page.locator("#rotations")).to_have_text("once")
        page.goto(f"{demo.url}/")  # without the notice of what has just been done
        take("demo-client")

        device: Authenticator | None = None
        for name in ("Phone", "Work laptop"):
            if device is not None:  # Chromium has but one that is built in at a time
                device.remove()
            device = Authenticator(page)
            page.goto("/mfa/passkeys/add/")
            field(page, "Name").fill(name)
            page.get_by_role("button", name="Add a passkey").click()
            expect(page.locator(".messages")).to_contain_text("Your passkey was added")
        page.goto("/mfa/recovery-codes/")
        page.get_by_role("button", name="Make").click()
        expect(heading(page)).to_have_text("Your recovery codes")
        page.goto("/security/")
        take("security-home")
        take("security-home-dark", dark=True)
        take("security-home-mobile-dark", narrow=True, dark=True)

        page.goto("/access/request/?entitlement=db-admin&duration=30")
        field(page, "Reason").fill("The index of berths has to be built anew before tonight")
        field(page, "Ticket").fill("OPS-1402")
        page.get_by_role("button", name="What would happen?").click()
        expect(page.locator("#ahead")).to_be_visible()
        take("access-request", tall=True)
        take("access-request-mobile-dark", narrow=True, dark=True)
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator("#state-heading")).to_have_text("Waiting for approval")
        mine, request = page, page.url
        page = browser.new_context(**options).new_page()
        page.goto("/accounts/login/")
        give_password(page, bob)
        give_code(page, bob.code())
        expect(heading(page)).to_have_text("Security")
        page.goto("/access/inbox/")
        take("access-inbox")
        page.get_by_role("link", name="db-admin").click()
        expect(page.locator("#answer-form")).to_be_visible()
        take("access-answer", tall=True)
        page.get_by_role("button", name="Approve").click()
        expect(page.locator(".messages")).to_contain_text("Approved")
        page = mine
        page.goto(request)
        page.get_by_role("button", name="Begin now").click()
        expect(page.locator("#state-heading")).to_have_text("Active")
        page.goto("/access/")
        take("access-mine")

        made = administration.of(instance, bob.email, alice.email, mark="")
        instance.manage("make_administrator", alice.email, "--everywhere")
        page.goto("/admin/access/grant/matrix/")
        expect(page.locator("#matrix .held--elevated").first).to_be_visible()
        take("access-matrix")
        page.goto(f"/admin/policy/policyversion/{made['version']}/change/")
        page.get_by_role("button", name="Simulate").click()
        expect(page.locator("#by-change")).to_be_visible()
        take("policy-simulation")
    return _complain(LARGEST_BYTES)


def _complain(largest_bytes: int) -> int:
    too_large = [file.name for file in FOLDER.glob("*.png") if file.stat().st_size > largest_bytes]
    if too_large:
        print("too large for a README:", *too_large, file=sys.stderr)
    return len(too_large)


if __name__ == "__main__":
    sys.exit(main())
