"""The administration in a real Chromium: Django's scripts run, and none breaks the policy."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import administration, sign_ins
from tests.browser.bound import wait_for_binding
from tests.browser.looks import look
from tests.browser.people import Person, Pool
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


@pytest.fixture
def administrator(instance: Instance, pool: Pool, open_browser: Callable[..., Page]) -> Page:
    """Somebody who administers every organisation, bound and inside."""
    who = pool.take("strong")
    instance.manage("make_administrator", who.email, "--everywhere")
    page = open_browser(signed_in=who)
    page.goto("/")
    wait_for_binding(instance, who)
    page.goto("/")  # shows the cookie that the key has earned
    return page


@pytest.fixture
def made(instance: Instance, pool: Pool) -> dict[str, str]:
    return administration.of(instance, pool.take("strong").email, pool.take("strong").email)


def test_the_pages_of_access_are_for_everybody(
    administrator: Page, made: dict[str, str], person: Person
) -> None:
    page = administrator
    for path in ("eligibility/", "grant/", "accessreview/", "entitlement/"):
        page.goto(f"/admin/access/{path}")
        expect(page.locator("#site-name")).to_be_visible()
    page.goto(f"/admin/access/entitlement/{made['entitlement']}/change/")
    page.get_by_label("Lasts at most").fill("soon")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Lasts at most")).to_have_attribute("aria-invalid", "true")
    look(page)
    page.get_by_label("Lasts at most").fill("1h 30m")
    page.get_by_label("Approvers").first.fill(person.email)
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview-withdrawn li")).to_have_count(1)
    expect(page.locator("#preview")).to_contain_text(f"Stage 1: {person.email}.")
    look(page)

    page.goto("/admin/access/grant/matrix/")
    expect(page.locator("#matrix .held--elevated").first).to_be_visible()
    look(page)
    with page.expect_download() as download:
        page.locator("#matrix-csv").click()
    assert download.value.suggested_filename.endswith(".csv")

    page.goto(f"/admin/access/grant/{made['grant']}/change/")
    look(page)
    page.get_by_label("Reason").fill("It looks odd")
    page.get_by_role("button", name="Suspend").click()
    expect(page.locator(".messagelist")).to_contain_text("1 suspended.")

    page.goto(f"/admin/access/accessreview/{made['review']}/change/")
    look(page)
    page.get_by_role("button", name="Keep").first.click()
    expect(page.locator(".messagelist")).to_contain_text("still needed")
    page.goto("/admin/access/accessreview/")
    expect(page.locator("#open-review select option")).not_to_have_count(1)
    page.goto("/admin/access/accessreview/alerts/")
    look(page)
    page.locator("#content-main").get_by_role("link", name="Globex").click()
    expect(page.locator("#content-main")).to_contain_text("Of Globex")
    look(page)


def test_rooms_are_told_and_accounts_linked_on_pages_for_everybody(
    administrator: Page, instance: Instance, pool: Pool
) -> None:
    page = administrator
    page.goto("/admin/access/chatwebhook/add/")
    look(page)
    page.get_by_label("Organisation").select_option("Acme")
    page.get_by_label("Name").fill("#access")
    page.get_by_label("Format").select_option("generic")
    page.get_by_label("Address").fill("https://hooks.chat.example/services/very-secret")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#room-secret")).to_contain_text("whsec_")
    look(page)
    page.get_by_role("link", name="I have kept it").click()
    expect(page.locator("#content")).to_contain_text("hooks.chat.example")
    expect(page.locator("#content")).not_to_contain_text("very-secret")
    look(page)
    page.goto("/admin/access/chatwebhook/")
    expect(page.locator("#result_list")).to_contain_text("nothing was sent yet")

    alice, twin = pool.take("strong").email, pool.take("strong").email
    administration.of(instance, alice, twin)
    page.goto(f"/admin/accounts/user/?q={alice}")
    page.get_by_role("link", name=alice).click()
    page.get_by_role("link", name="Accounts of this person").click()
    look(page)
    page.get_by_label("Address or name").fill(twin)
    page.get_by_role("button", name="Find").click()
    look(page)
    page.get_by_role("link", name="See what it means").click()
    expect(page.locator("#would-end li")).to_have_count(1)
    expect(page.locator("#would-lose li")).to_have_count(1)
    look(page)
    page.get_by_role("button", name="they are one person's").click()
    expect(page.locator(".messagelist")).to_contain_text("These are one person's")
    expect(page.locator("#accounts tbody tr")).to_have_count(2)
    look(page)
    page.get_by_role("button", name="Unlink").first.click()
    expect(page.locator(".messagelist")).to_contain_text("somebody else")


def test_hosts_behind_a_proxy_have_pages_for_everybody(administrator: Page) -> None:
    page = administrator
    page.goto("/admin/idp/proxiedhost/add/?organisation=acme")
    look(page)
    page.get_by_label("Name of a new one").fill("Wiki of the harbour")
    page.get_by_label("Origin").fill("https://wiki-of-the-harbour.acme.example/")
    page.get_by_label("Path").first.fill("admin")
    page.get_by_label("Roles").first.fill("nobody-has-this")
    page.get_by_role("button", name="Save").click()
    for name in ("Origin", "Path", "Roles"):
        expect(page.get_by_label(name).first).to_have_attribute("aria-invalid", "true")
    look(page)
    page.get_by_label("Origin").fill("https://wiki-of-the-harbour.acme.example")
    page.get_by_label("Path").first.fill("/admin")
    page.get_by_label("Roles").first.fill("employee")
    page.get_by_label("Level of sign-in").first.select_option("phr")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_contain_text("is judged by this")
    expect(page.locator("summary").first).to_have_text("Rule 1: /admin")
    look(page)
    page.get_by_role("button", name="More rules").click()
    expect(page.locator("details.access-stage")).to_have_count(7)
    page.goto("/admin/idp/proxiedhost/?q=wiki-of-the-harbour")
    expect(page.locator("#result_list")).to_contain_text("something of /admin")
    page.locator("#action-toggle").check()
    page.locator("select[name=action]").select_option("remove")
    page.get_by_role("button", name="Go").click()
    expect(page.locator(".messagelist")).to_contain_text("1 removed.")


def test_the_pages_of_policy_are_for_everybody(administrator: Page, made: dict[str, str]) -> None:
    page = administrator
    page.goto("/admin/policy/policyversion/")
    look(page)
    page.goto(f"/admin/policy/policyversion/{made['version']}/change/")
    look(page)
    page.get_by_role("button", name="Simulate").click()
    expect(page.locator("#by-change")).to_contain_text("deny")
    look(page)
    page.locator("#samples a").first.click()
    expect(page.locator("#spoken")).to_be_visible()
    look(page)
    page.goto("/admin/policy/decisionbatch/?outcome=allow")
    expect(page.locator("#decisions tbody tr").first).to_contain_text("allow")
    look(page)

    page.goto("/admin/policy/policyversion/add/")
    page.get_by_label("response.rego").fill("package sallyport.response\n\nx := nonsense(1)\n")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("#row-note .errorlist")).to_be_visible()
    page.get_by_label("What changes").fill("Nothing good")
    page.get_by_role("button", name="Check").click()
    expect(page.locator(".errorlist")).to_contain_text("response.rego:3: could not find function")
    look(page)


def test_access_is_administered_without_javascript(
    instance: Instance, pool: Pool, made: dict[str, str], open_browser: Callable[..., Page]
) -> None:
    who = pool.take("strong")
    instance.manage("make_administrator", who.email)
    page = open_browser(signed_in=who, java_script_enabled=False)
    page.goto(f"/admin/access/entitlement/{made['entitlement']}/change/")
    page.get_by_label("Description").fill("Words that a person has typed")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_contain_text("is saved as version 2")


def test_so_are_hosts_behind_a_proxy(
    instance: Instance, pool: Pool, open_browser: Callable[..., Page]
) -> None:
    who = pool.take("strong")
    instance.manage("make_administrator", who.email, "--everywhere")
    host = f"{who.local_part}.acme.example"
    page = open_browser(signed_in=who, java_script_enabled=False)
    page.goto("/admin/idp/proxiedhost/add/")
    page.get_by_label("Name of a new one").fill("Wiki")
    page.get_by_label("Origin").fill(f"https://{host}")
    page.get_by_label("Path").first.fill("/")
    page.get_by_label("Proven not longer ago than").first.fill("2h")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_contain_text("is judged by this")
    page.get_by_label("Remove this rule").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("summary").first).to_have_text("Rule 1 (none yet)")
