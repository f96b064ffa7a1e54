"""Step 2: signed in to an application by passkey; what it gets, and for how long."""

import re

from playwright.sync_api import expect

from tests.browser.steps import heading
from tests.story.stage import Stage


def sign_in_to_the_application(stage: Stage) -> None:
    page = stage.page
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{stage.demo.url}/")
    page.get_by_role("button", name="Sign in with Sallyport").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(heading(page)).to_have_text("Allow Harbour Notes to do this?")
    page.get_by_role("button", name="Allow", exact=True).click()
    expect(heading(page)).to_have_text("Hello, Emma Eden")

    claims = page.locator("section", has_text="What the ID token says").inner_text()
    acr = re.search(r"\b(aal2|phrh|phr)\b", claims)
    stage.check(acr, f"signed in by passkey alone: acr {acr and acr[0]}")

    (lifetime, generation) = stage.ask(
        "SELECT extract(epoch FROM expires_at - created_at)::int, generation "
        "FROM idp_refreshfamily ORDER BY created_at DESC LIMIT 1"
    )
    stage.check(
        lifetime <= 7 * 86400, f"the refresh family ends {lifetime / 86400:g} days from now"
    )
    left = int(page.locator("span[data-expires-in]").get_attribute("data-expires-in") or 0)
    stage.check(0 < left <= 900, f"the access token ends in {left} s")

    before = page.locator("#refresh-fingerprint").inner_text()
    page.get_by_role("button", name="Refresh now").click()
    expect(page.locator("#rotations")).to_have_text("once")
    after = page.locator("#refresh-fingerprint").inner_text()
    stage.check(before != after, f"the refresh token rotated: {before} → {after}")
    (rotated,) = stage.ask(
        "SELECT generation FROM idp_refreshfamily ORDER BY created_at DESC LIMIT 1"
    )
    stage.check(rotated == generation + 1, f"one family, generation {rotated}")
