"""Step 9: nobody works but the web, and the grant ends on its second all the same."""

import time
from datetime import datetime

from playwright.sync_api import expect

from tests.browser.steps import callouts, heading
from tests.story import laptop
from tests.story.gateway import claims_of
from tests.story.privilege import ROLE, fill_in, grant_of, prove_if_asked, sign_in_elsewhere
from tests.story.stage import Stage, StoryError

MINUTES = 15
AHEAD_SECONDS = 8  # how long before the end the web comes up again
WATCHED_SECONDS = 60


def end_without_workers(stage: Stage) -> None:
    _take_it_again(stage)
    tokens = stage.gateway.sign_in()
    claims = claims_of(tokens["access_token"])
    stage.check(ROLE in claims["roles"], f"she has {ROLE} again, in a new sign-in")
    stage.check(
        claims["exp"] == claims["grant_exp"],
        "her access token ends with the grant, on the same second",
    )

    instance = stage.instance
    instance.stop("worker")
    instance.with_worker = False
    stage.check(not instance.is_running("worker"), "worker and beat are stopped")
    (ends_at,) = stage.ask("SELECT ends_at FROM access_grant WHERE id = %s", stage.grant)
    offset = int((ends_at - _now(stage)).total_seconds()) - AHEAD_SECONDS
    instance.extra["SALLYPORT_CLOCK_OFFSET_SECONDS"] = str(offset)
    instance.restart()
    stage.show(f"the clock is moved to just before the end ({offset} s ahead)")

    told = stage.gateway.introspect(tokens)
    stage.check(ROLE in told.get("roles", []), f"introspection, before the end: {told['roles']}")
    last_yes, first_no = _watch(stage, claims["sid"], offset)
    stage.check(
        last_yes < ends_at <= first_no,
        f"policy says yes {(ends_at - last_yes).total_seconds():.2f} s before the end, and "
        f"no {(first_no - ends_at).total_seconds():.2f} s after it",
    )
    told = stage.gateway.introspect(tokens)
    stage.check(not told["active"], f"introspection, after it: {told}")
    fresh = stage.gateway.refresh(tokens)
    after = claims_of(fresh["access_token"])
    stage.check(
        ROLE not in after["roles"] and "grant_id" not in after,
        f"a refreshed token says {after['roles']}",
    )
    (state,) = stage.ask("SELECT state FROM access_grant WHERE id = %s", stage.grant)
    stage.check(state == "active", "nobody has written down yet that it is over")
    page = stage.page
    page.goto(f"/access/grants/{stage.grant}/")
    expect(page.locator("#state-heading")).to_have_text("Over")
    stage.show("her page says so all the same")

    instance.with_worker = True
    instance.start()
    instance.celery("call", "access.tasks.expire_due")
    until = time.monotonic() + laptop.WAIT_SECONDS
    while state == "active" and time.monotonic() < until:
        (state,) = stage.ask("SELECT state FROM access_grant WHERE id = %s", stage.grant)
    stage.check(state == "ended", "a worker that starts again writes it down: ended")


def _take_it_again(stage: Stage) -> None:
    """A laptop that is well, a new sign-in, and the way through the pages once more."""
    page = stage.page
    for _ in range(2):
        laptop.report(stage)
    page.goto(f"/access/request/?entitlement={ROLE}")
    if heading(page).inner_text() == "Sign in":
        page.get_by_role("button", name="Sign in with a passkey").click()
    if page.locator("#prove-sign-in").count():  # since she has said no, until she proves herself
        page.locator("#prove-sign-in").click()
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/access/request/**")
    fill_in(stage, minutes=MINUTES)
    page.get_by_role("button", name="What would happen?").click()
    prove_if_asked(page)
    expect(page.locator("#ahead")).to_be_visible()
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#state-heading")).to_have_text("Waiting for approval")
    stage.grant = grant_of(page)
    theirs = sign_in_elsewhere(stage, stage.approver())
    theirs.goto(f"/access/grants/{stage.grant}/")
    theirs.get_by_role("button", name="Approve").click()
    expect(callouts(theirs)).to_contain_text("Approved")
    theirs.context.close()
    page.reload()
    page.get_by_role("button", name="Begin now").click()
    expect(page.locator("#state-heading")).to_have_text("Active")


def _watch(stage: Stage, sid: str, offset: int) -> tuple[datetime, datetime]:
    """The last instant at which policy said yes in that session, and the first at which it did not.

    Each by the database's clock: before the last yes was asked for, and after the first no.
    """
    token, last_yes = stage.gateway.own_token(), None
    until = time.monotonic() + WATCHED_SECONDS
    while time.monotonic() < until:
        asked_at = _now(stage, offset)
        if not stage.gateway.may(stage.email, token=token, sid=sid)["decision"]:
            if last_yes is None:
                raise StoryError("policy says no before the end")
            return last_yes, _now(stage, offset)
        last_yes = asked_at
    raise StoryError("it did not end")


def _now(stage: Stage, offset: int = 0) -> datetime:
    (now,) = stage.ask("SELECT clock_timestamp() + %s * interval '1 second'", offset)
    instant: datetime = now
    return instant
