"""Step 7: what a thief can do with all of her cookies."""

import time

from playwright.sync_api import expect

from tests.browser.steps import heading
from tests.story import laptop
from tests.story.stage import Stage
from tests.support import laptops

ELSEWHERE = "203.0.113.77"


def copy_cookies(stage: Stage) -> None:
    page = stage.page
    laptops.encrypt(stage.instance.var / "laptop", is_encrypted=True)
    for _ in range(2):
        laptop.report(stage)
    page.goto("/accounts/login/")
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(heading(page)).to_have_text("Security")
    stage.check(_binding(stage) == "webcrypto", "her session is bound to a key of her browser")
    page.goto("/security/")

    cookies = page.context.cookies()
    thief = stage.open_browser(ELSEWHERE)
    thief.add_cookies(cookies)
    stolen = thief.new_page()
    answer = stolen.goto("/security/")
    stage.check(
        answer is not None and answer.status == 401 and "Emma" not in stolen.content(),
        f"all {len(cookies)} cookies, shown by another browser, open nothing: 401",
    )
    thief.close()

    page.goto("/security/")
    expect(heading(page)).to_have_text("Security")
    stage.show("she herself goes on")


def _binding(stage: Stage) -> str:
    """Of her latest session, once the page has done its work."""
    until = time.monotonic() + laptop.WAIT_SECONDS
    while True:
        (binding,) = stage.ask(
            "SELECT s.binding FROM idp_sessions_loginsession s "
            "JOIN accounts_user u ON u.id = s.user_id WHERE u.email = %s "
            "ORDER BY s.started_at DESC LIMIT 1",
            stage.email,
        )
        if binding or time.monotonic() > until:
            return str(binding)
        time.sleep(0.05)
