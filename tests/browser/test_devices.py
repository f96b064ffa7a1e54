"""Devices in a real Chromium: enrolled by code, this browser by its own key, and put out of use."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import machines
from tests.browser.authenticators import NO_AUTOFILL, Authenticator
from tests.browser.bound import age_proof, end_first_moments, wait_for_binding
from tests.browser.conftest import Watch
from tests.browser.people import Person
from tests.browser.steps import callouts, field, heading
from tests.support.instance import Instance

EXPORT = """async () => {
  const database = await new Promise((resolve) => {
    const request = indexedDB.open("sallyport-device");
    request.onsuccess = () => resolve(request.result);
  });
  const [kept] = await new Promise((resolve) => {
    const request = database.transaction("keys").objectStore("keys").getAll();
    request.onsuccess = () => resolve(request.result);
  });
  try { await crypto.subtle.exportKey("jwk", kept.key); return "came out"; }
  catch (error) { return [kept.key.extractable, error.name]; }
}"""


@pytest.fixture
def page(open_browser: Callable[..., Page], person: Person) -> Page:
    """A browser of `person`, who has just added a passkey."""
    page = open_browser(signed_in=person)
    page.add_init_script(NO_AUTOFILL)
    Authenticator(page)
    page.goto("/mfa/passkeys/add/")
    page.get_by_role("button", name="Add a passkey").click()
    expect(callouts(page)).to_contain_text("Your passkey was added")
    return page


def go(page: Page, name: str) -> None:
    """Follow a link of the list, and prove the passkey where it is asked for."""
    page.goto("/devices/")
    page.get_by_role("link", name=name, exact=True).click()
    if heading(page).inner_text() == "Confirm it is you":
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/devices/**")


def test_a_machine_is_enrolled_by_its_code(instance: Instance, page: Page) -> None:
    code = machines.run(instance, "asked()")
    go(page, "Enrol a device")
    field(page, "Code").fill(code.lower())
    page.get_by_role("button", name="Continue").click()

    expect(heading(page)).to_have_text("Did you start this on your machine just now?")
    expect(page.locator("dl")).to_contain_text("203.0.113.7; this browser is at")
    page.get_by_label("runs on that machine").check()
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(heading(page)).to_have_text("Your device is enrolled")

    page.goto("/devices/")
    expect(page.locator("#device-list")).to_contain_text("A laptop with a rather long name")
    expect(page.locator("#device-list")).to_contain_text("This device")


def test_this_browser_is_enrolled_by_a_key_that_cannot_be_copied(page: Page) -> None:
    go(page, "Enrol this browser")
    field(page, "Name").fill("My browser")
    page.get_by_role("button", name="Enrol this browser").click()

    expect(heading(page)).to_have_text("My browser")
    expect(page.get_by_text("this browser runs on it")).to_be_visible()
    expect(page.locator("#check-hardware_key")).to_contain_text("reported by the browser")
    assert page.evaluate(EXPORT) == [False, "InvalidAccessError"]

    page.get_by_role("button", name="Report now").click()
    page.wait_for_load_state("networkidle")
    expect(page.locator("[data-device-error]")).to_be_hidden()
    expect(page.locator("#device-score")).to_have_text("0")


def test_enrolling_this_browser_shows_the_key_of_the_session_where_it_is_asked_for(
    page: Page, instance: Instance, person: Person, watch: Watch
) -> None:
    watch.expect("status of 401")
    go(page, "Enrol this browser")
    wait_for_binding(instance, person)
    end_first_moments(instance, person)
    age_proof(instance, person)
    page.evaluate("localStorage.setItem('sallyport-proven-at', Date.now())")  # which is not so

    field(page, "Name").fill("My browser")
    page.get_by_role("button", name="Enrol this browser").click()

    expect(heading(page)).to_have_text("My browser")


def test_without_scripts_the_page_says_so(page: Page, instance: Instance) -> None:
    with instance.connect() as connection:  # a browser that could show no key
        connection.execute("DELETE FROM idp_sessions_boundkey")
        connection.execute("UPDATE idp_sessions_loginsession SET binding = '', proven_at = NULL")
    plain = page.context.browser.new_context(
        base_url=instance.base_url,
        java_script_enabled=False,
        storage_state=page.context.storage_state(),
    )
    try:
        still = plain.new_page()
        still.goto("/devices/enrol/this-browser/")
        assert "Making a key needs JavaScript" in still.locator("noscript").inner_html()
        expect(still.locator("#enrol-browser")).to_be_hidden()
        still.goto("/devices/enrol/")
        expect(still.locator("#enrol-continue")).to_be_visible()
    finally:
        plain.close()


def test_a_key_that_the_server_does_not_take_is_told(page: Page, watch: Watch) -> None:
    """Its clock is an hour ahead."""
    watch.expect("status of 400")
    page.add_init_script("const now = Date.now; Date.now = () => now() + 3600000;")
    go(page, "Enrol this browser")
    page.get_by_role("button", name="Enrol this browser").click()

    expect(page.locator("[data-device-error]")).to_contain_text("seconds ahead of the clock")


def test_a_device_is_renamed_reported_lost_and_retired(
    instance: Instance, person: Person, page: Page
) -> None:
    device = machines.run(instance, f"trusted({person.email!r})")
    page.goto(f"/devices/{device}/")
    expect(page.locator("#check-disk_encryption")).to_contain_text("FileVault")
    field(page, "Name").fill("Old laptop")
    page.get_by_role("button", name="Change the name").click()
    expect(heading(page)).to_have_text("Old laptop")

    page.get_by_role("button", name="Report it lost").click()
    expect(callouts(page)).to_contain_text("Old laptop is reported lost, and no longer trusted.")
    page.get_by_role("link", name="Old laptop").click()
    expect(page.locator("#trust")).to_contain_text("It is never trusted again")
    page.get_by_role("button", name="Retire it").click()
    expect(page.locator("#device-list")).to_contain_text("Retired")


def test_the_inventory_draws_its_picture(instance: Instance, person: Person, page: Page) -> None:
    machines.run(instance, f"trusted({person.email!r})")
    instance.manage("make_administrator", person.email)

    page.goto("/admin/devices/device/")

    picture = page.locator(".inventory__plot")
    expect(picture).to_be_visible()
    assert picture.locator("rect").count() >= 1
    fill = picture.locator("rect").first.evaluate("e => getComputedStyle(e).fill")
    assert fill != "rgb(0, 0, 0)", "the stylesheet was loaded"
