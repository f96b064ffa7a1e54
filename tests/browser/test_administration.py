"""The administration in a real Chromium: Django's scripts run, and none breaks the policy."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser import sign_ins
from tests.browser.bound import wait_for_binding
from tests.browser.looks import look
from tests.browser.people import Person
from tests.support.instance import Instance

PAGES = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/role/",
    "/admin/accounts/role/add/",
    "/admin/accounts/group/add/",
    "/admin/accounts/invitation/add/",
    "/admin/accounts/roleassignment/add/",
    "/admin/audit/auditevent/",
    "/admin/devices/device/",
    "/admin/devices/posturereport/",
]


def test_its_pages_work_under_the_content_security_policy(
    instance: Instance, person: Person, open_browser: Callable[..., Page]
) -> None:
    instance.manage("make_administrator", person.email)
    page = open_browser(signed_in=person)
    page.goto("/")
    wait_for_binding(instance, person)
    page.goto("/")  # shows the cookie that the key has earned
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        assert "unsafe" not in answer.headers["content-security-policy"]
        expect(page.locator("#site-name")).to_have_text("Sallyport administration")
    page.goto("/admin/accounts/roleassignment/add/")
    page.locator("#id_starts_at_0").fill("")
    page.get_by_role("link", name="Today").first.click()
    expect(page.locator("#id_starts_at_0")).not_to_have_value("")


def test_the_timeline_of_a_persons_risk_is_for_everybody(
    instance: Instance, person: Person, newcomer: Person, open_browser: Callable[..., Page]
) -> None:
    instance.manage("make_administrator", person.email)
    made = sign_ins.of(instance, newcomer.email)
    page = open_browser(signed_in=person)
    page.goto("/admin/risk/signin/")
    page.get_by_role("link", name=newcomer.local_part).or_(
        page.get_by_role("link", name="Pat Porter")
    ).first.wait_for()

    page.goto(f"/admin/risk/signin/people/{made['id']}/")

    expect(page.locator("svg[aria-labelledby=risk-plot-title] circle")).to_have_count(13)
    look(page)
    page.get_by_role("button", name="Compromised").first.click()
    expect(page.locator(".messagelist")).to_contain_text("not its owner")
    expect(page.locator("strong.risk-high")).to_contain_text("high risk")


def test_an_administrator_closes_an_account(
    instance: Instance, person: Person, newcomer: Person, open_browser: Callable[..., Page]
) -> None:
    instance.manage("make_administrator", person.email)
    theirs = open_browser(signed_in=newcomer)
    theirs.goto("/security/")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Security")

    page = open_browser(signed_in=person)
    page.goto(f"/admin/accounts/user/?q={newcomer.email}")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("deactivate")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_contain_text("1 closed.")

    theirs.goto("/security/")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Sign in")
