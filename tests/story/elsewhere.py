"""Step 8: somebody on another continent has her password, and has talked her out of a code."""

from playwright.sync_api import expect

from tests.browser.people import Person
from tests.browser.steps import enrol_app, give_code, give_password, heading
from tests.story.stage import Stage

ANOTHER_CONTINENT = "1.128.0.77"  # Australia, by the offline data
ANOTHER_BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def sign_in_from_afar(stage: Stage) -> None:
    page = stage.page
    page.goto("/mfa/totp/")
    emma = Person(stage.email, stage.password, None, "")
    enrol_app(page, emma)

    theirs = stage.open_browser(ANOTHER_CONTINENT, user_agent=ANOTHER_BROWSER).new_page()
    theirs.goto("/accounts/login/")
    give_password(theirs, emma)
    expect(heading(theirs)).to_have_text("Enter your code")
    give_code(theirs, emma.code())
    theirs.wait_for_url(lambda url: "/challenge" not in url)
    (level, score, reasons) = stage.ask(
        "SELECT level, score, reasons FROM risk_signin r JOIN accounts_user u ON u.id = r.user_id "
        "WHERE u.email = %s ORDER BY at DESC LIMIT 1",
        stage.email,
    )
    stage.check(level == 3, f"risk of that sign-in: high, {score} of 100; reasons {reasons}")

    theirs.goto(f"{stage.demo.url}/")
    theirs.get_by_role("button", name="Sign in with Sallyport").click()
    expect(heading(theirs)).to_have_text("Confirm it is you")
    stage.show("it is asked for her passkey before it gets anything: a code is not enough")

    link = stage.mailbox.link(stage.email, "/sign-ins/")
    stage.show("she is told by mail, with a link to say no")
    page.goto(link)
    page.locator("#not-me").click()
    theirs.goto("/security/")
    stage.check("/accounts/login/" in theirs.url, "she says no: that browser is signed out at once")
