"""Steps 3 to 5: a role for half an hour, asked for by one, given by another, begun by a touch."""

import json
import re
import time
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.people import Person
from tests.browser.steps import callouts, field, give_code, give_password, heading
from tests.story import arranging, laptop
from tests.story.gateway import claims_of, open_gateway
from tests.story.stage import Stage, StoryError

OFFICE = "85.214.0.9"
ROLE = "db-admin"


def ask_for_the_role(stage: Stage) -> None:
    """Step 3."""
    arranging.run(stage.instance, f"open_the_database_to({stage.email!r})")
    page = stage.page
    answer = page.goto(f"{stage.demo.url}/database")
    assert answer is not None
    challenge = answer.headers.get("www-authenticate", "")
    stage.check(
        answer.status == 403 and "insufficient_scope" in challenge,
        f"the application's page answers {answer.status}: {challenge}",
    )
    page.get_by_role("link", name="Ask for access").click()
    expect(heading(page)).to_have_text(f"Ask for {ROLE}")
    stage.show(f"its link leads to {page.url.removeprefix(stage.instance.base_url)}")
    fill_in(stage, minutes=30)
    rules = page.locator("#rules li").count()
    stage.check(rules >= 10, f"the page says of {rules} rules whether they hold")
    page.get_by_role("button", name="What would happen?").click()
    prove_if_asked(page)
    ahead = page.locator("#ahead").inner_text().splitlines()
    stage.show(f"a dry run: {' '.join(line for line in ahead[1:] if line)}")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.locator("#state-heading")).to_have_text("Waiting for approval")
    stage.grant = grant_of(page)
    (state, minutes, ticket) = stage.ask(
        "SELECT state, extract(epoch FROM duration)::int / 60, ticket FROM access_grant "
        "WHERE id = %s", stage.grant,
    )  # fmt: skip
    stage.check(
        (state, minutes, ticket) == ("approval_awaited", 30, "OPS-1402"),
        f"she asks for {ROLE}, {minutes} minutes, ticket {ticket}: {state}",
    )


def approve_and_begin(stage: Stage) -> None:
    """Step 4."""
    boss = stage.approver()
    theirs = sign_in_elsewhere(stage, boss)
    theirs.goto(stage.mailbox.link(boss.email, "/access/grants/"))
    for words in ("To mend the index", "OPS-1402", "emma-laptop"):
        expect(theirs.locator("main")).to_contain_text(words)
    said = theirs.locator("#risk .row__title").all_inner_texts()
    stage.show(f"{boss.email} sees who, why, and: {'; '.join(' '.join(x.split()) for x in said)}")
    field(theirs, "Reason for your answer").fill("As we said on the phone")
    theirs.get_by_role("button", name="Approve").click()
    expect(callouts(theirs)).to_contain_text("Approved. Its owner is told and may begin.")
    theirs.context.close()
    stage.show("he approves; an approval is no right yet:")
    gateway = stage.gateway = open_gateway(stage)
    before = claims_of(gateway.sign_in()["access_token"])
    stage.check(ROLE not in before["roles"], f"her token still says {before['roles']}")

    page = stage.page
    page.goto(stage.mailbox.link(stage.email, "/access/grants/"))
    page.get_by_role("button", name="Begin now").click()
    expect(page.locator("#state-heading")).to_have_text("Active")
    stage.check(
        "emma-laptop" in page.locator("#state").inner_text(),
        "she touches her passkey: it counts in this sign-in, on emma-laptop only",
    )
    stage.tokens = gateway.sign_in()
    claims = claims_of(stage.tokens["access_token"])
    stage.check(
        ROLE in claims["roles"] and claims["grant_id"] == stage.grant,
        f"her next token: roles {claims['roles']}, grant_id {claims['grant_id']}",
    )
    stage.check(
        claims["exp"] <= claims["grant_exp"],
        f"it ends {claims['grant_exp'] - claims['exp']} s before the grant does",
    )
    page.goto(f"{stage.demo.url}/database")
    page.get_by_role("button", name="Look again").click()
    expect(heading(page)).to_have_text("The crew's database")
    stage.show("the application's page opens")
    _prove_anew(stage)


def _prove_anew(stage: Stage) -> None:
    """An hour later the page asks for a proof of her, in the words of RFC 9470, and gets it."""
    with stage.instance.connect() as connection:
        connection.execute(
            "UPDATE idp_sessions_loginsession SET auth_time = auth_time - interval '1 hour' "
            "WHERE ended_at IS NULL AND user_id = (SELECT id FROM accounts_user WHERE email = %s)",
            [stage.email],
        )
    page = stage.page
    with page.expect_navigation() as looked:
        page.get_by_role("button", name="Look again").click()
    challenge = looked.value.headers.get("www-authenticate", "")
    stage.check(
        looked.value.status == 403 and "insufficient_user_authentication" in challenge,
        f"an hour after her proof it answers {looked.value.status}: {challenge}",
    )
    page.get_by_role("button", name="Go on").click()
    expect(heading(page)).to_have_text("Confirm it is you")
    page.get_by_role("button", name="Use a passkey").click()
    expect(heading(page)).to_have_text("The crew's database")
    stage.show("she touches her passkey, and the page opens again")


def permit(stage: Stage) -> None:
    """Step 5."""
    gateway, claims = stage.gateway, claims_of(stage.tokens["access_token"])
    token = gateway.own_token()
    asked = gateway.may(stage.email, token=token, sid=claims["sid"])
    stage.check(asked["decision"] is True, f"AuthZEN, in her session: {asked}")
    elsewhere = gateway.may(stage.email, token=token)
    stage.check(
        elsewhere["decision"] is False,
        f"in no session, which the grant is bound to: {elsewhere['context'].get('reason_admin')}",
    )
    (decision, revision, reasons) = stage.ask(
        "SELECT facts->>'decision_id', facts->>'policy_revision', facts->>'reasons' "
        "FROM audit_auditevent WHERE event = 'access.grant.activated' AND facts->>'grant' = %s",
        stage.grant,
    )
    stage.check(
        decision and revision and reasons == "[]",
        f"audit: it began by decision {decision} of policy {revision[:16]}, nothing against it",
    )
    asked_of_policy = _logged(stage, "authzen")
    stage.check(
        asked_of_policy["input"] and asked_of_policy["labels"],
        f"decision log, as OPA writes it: {asked_of_policy['path']}, decision "
        f"{asked_of_policy['decision_id']}, with {len(asked_of_policy['input'])} inputs",
    )


def _logged(stage: Stage, path: str) -> dict[str, Any]:
    """The latest line of the exported decision log about this path; it is written within a second."""
    until = time.monotonic() + laptop.WAIT_SECONDS
    while time.monotonic() < until:
        for line in stage.instance.manage("export_decisions").splitlines():
            entry: dict[str, Any] = json.loads(line)
            if path in entry["path"]:
                return entry
    raise StoryError(f"no line of {path} in the decision log")


# --- what other steps need as well ---------------------------------------------------------------


def fill_in(stage: Stage, *, minutes: int) -> None:
    page = stage.page
    page.get_by_label("For how long").select_option(str(minutes))
    field(page, "Reason").fill("To mend the index of berths before tonight")
    field(page, "Ticket").fill("OPS-1402")


def prove_if_asked(page: Page) -> None:
    """What was typed comes back after the proof."""
    page.wait_for_load_state()
    if heading(page).inner_text() == "Confirm it is you":
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/access/request/**")
        page.get_by_role("button", name="What would happen?").click()


def sign_in_elsewhere(stage: Stage, who: Person) -> Page:
    """Another person, in a browser of their own, by password and code."""
    page = stage.open_browser(OFFICE).new_page()
    page.goto("/accounts/login/")
    give_password(page, who)
    expect(heading(page)).to_have_text("Enter your code")
    give_code(page, who.code())
    expect(heading(page)).to_have_text("Security")
    return page


def grant_of(page: Page) -> str:
    """The grant whose page is open."""
    found = re.search(r"/access/grants/([0-9a-f-]{36})/", page.url)
    if found is None:
        raise StoryError(f"no page of a grant: {page.url}")
    return found[1]
