"""Step 6: her disk is no longer encrypted, and everybody who relies on the laptop hears of it."""

import time

from playwright.sync_api import expect

from tests.browser.steps import heading
from tests.story import laptop
from tests.story.privilege import ROLE
from tests.story.stage import Stage
from tests.support import laptops

TOLD_WITHIN_SECONDS = 1.0
POLL_SECONDS = 0.02


def lose_disk_encryption(stage: Stage) -> None:
    page = stage.page
    page.goto(f"{stage.demo.url}/")
    expect(heading(page)).to_have_text("Hello, Emma Eden")
    laptops.encrypt(stage.instance.var / "laptop", is_encrypted=False)

    said = laptop.report(stage)
    reported = time.monotonic()
    stage.show(next(line for line in said.splitlines() if "disk_encryption" in line).strip())
    while not _is_signed_out(stage):
        if time.monotonic() - reported > laptop.WAIT_SECONDS:
            break
        time.sleep(POLL_SECONDS)
    took = time.monotonic() - reported
    stage.check(
        took <= TOLD_WITHIN_SECONDS,
        f"the application has forgotten her {took:.2f} s after the report (back-channel logout)",
    )

    (score, tier, reason) = stage.ask(
        "SELECT d.score, d.known_tier, s.end_reason FROM devices_device d "
        "JOIN devices_browser b ON b.device_id = d.id "
        "JOIN idp_sessions_loginsession s ON s.browser_id = b.id "
        "WHERE d.name = 'emma-laptop' ORDER BY s.ended_at DESC LIMIT 1"
    )
    stage.check(tier < 2, f"score {score}, tier {tier}; her session ended: {reason}")
    lines = stage.ask(
        "SELECT array_agg(kind || coalesce(' (' || (facts->>'cause') || ')', '') ORDER BY id) "
        "FROM access_grantevent WHERE grant_id = %s",
        stage.grant,
    )[0]
    stage.check(
        "suspended (posture)" in lines and lines[-1].startswith("ended"),
        f"her grant: {', '.join(lines)}",
    )
    told = stage.gateway.introspect(stage.tokens)
    stage.check(ROLE not in told.get("roles", []), f"her token, introspected: {told}")
    (causes, events) = stage.ask(
        "SELECT count(DISTINCT transaction_id), count(*) FROM audit_auditevent WHERE event IN "
        "('devices.device.tier_changed', 'sessions.response.taken', 'sessions.session.ended') "
        "AND transaction_id = (SELECT transaction_id FROM audit_auditevent "
        "WHERE event = 'sessions.response.taken' ORDER BY at DESC LIMIT 1)"
    )
    stage.check(
        causes == 1 and events >= 3,
        f"cause, response and end of the session share one transaction id ({events} events)",
    )
    page.goto("/security/")
    stage.check("/accounts/login/" in page.url, "her browser is asked to sign in again")


def _is_signed_out(stage: Stage) -> bool:
    stage.page.goto(f"{stage.demo.url}/")
    return stage.page.get_by_text("You were signed out by the sign-in service").is_visible()
