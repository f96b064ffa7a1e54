"""Step 1: a new employee joins, with a passkey and a laptop that is known."""

from playwright.sync_api import expect

from tests.browser.steps import callouts, field, heading
from tests.story import laptop
from tests.story.stage import Stage


def join(stage: Stage) -> None:
    page = stage.page
    stage.instance.manage("invite", stage.email, "--organisation", "acme", "--role", "employee")
    page.goto(stage.mailbox.link(stage.email, "/invitations/"))
    expect(heading(page)).to_have_text("Join Acme")
    field(page, "Your name").fill("Emma Eden")
    field(page, "Password").fill(stage.password)
    field(page, "Password, once more").fill(stage.password)
    page.get_by_role("button", name="Create account").click()
    expect(heading(page)).to_have_text("Security")
    stage.show(f"{stage.email} joined Acme by the link that was mailed to her")

    page.goto("/mfa/passkeys/add/")
    field(page, "Name").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(callouts(page)).to_contain_text("Your passkey was added")
    (factors,) = stage.ask(
        "SELECT count(*) FROM mfa_passkeyfactor f JOIN accounts_user u ON u.id = f.user_id "
        "WHERE u.email = %s",
        stage.email,
    )
    stage.check(factors == 1, "she has one passkey")

    laptop.enrol(stage)
    for _ in range(2):  # a rise is confirmed by a second report
        said = laptop.report(stage)
    for line in said.splitlines():
        stage.show(line)
    (score, tier, state) = stage.ask(
        "SELECT score, known_tier, state FROM devices_device WHERE name = 'emma-laptop'"
    )
    stage.check(
        (state, tier) == ("enrolled", 2), f"her laptop is {state}: score {score}, tier {tier}"
    )
    page.goto("/devices/")
    page.get_by_role("link", name="emma-laptop").click()
    stage.check(
        page.locator("#checks .row").count() >= len(said.splitlines()) - 1,
        "its page says of each check what was found, and how to mend it",
    )
