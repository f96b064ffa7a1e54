"""The sign-in page itself: by keyboard, with mistakes, with too many of them."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.people import Person
from tests.browser.steps import authorize_url, field, give_code, give_password, heading, sign_in
from tests.support.instance import Instance

FAILURES_BEFORE_A_PAUSE = 10


class TestByKeyboard:
    def test_from_the_address_bar_to_the_security_home(self, page: Page, person: Person) -> None:
        page.goto("/accounts/login/")
        expect(field(page, "Email")).to_be_focused()

        page.keyboard.type(person.email)
        page.keyboard.press("Tab")
        expect(field(page, "Password")).to_be_focused()
        page.keyboard.type(person.password)
        page.keyboard.press("Enter")
        expect(field(page, "Code")).to_be_focused()
        page.keyboard.type(person.code())
        page.keyboard.press("Enter")

        expect(heading(page)).to_have_text("Security")

    @pytest.mark.parametrize("colours", ["light", "dark"])
    @pytest.mark.parametrize("path", ["/accounts/login/", "/security/", "/sessions/"])
    def test_where_one_is_can_be_seen_at_every_stop(
        self, path: str, colours: str, open_browser: Callable[..., Page], pool
    ) -> None:
        who = None if "login" in path else pool.take("strong")
        page = open_browser(signed_in=who, color_scheme=colours)
        page.goto(path)
        page.evaluate("document.activeElement.blur()")

        stops: list[str] = []
        for _ in range(60):
            page.keyboard.press("Tab")
            stop = page.evaluate(DESCRIBE_FOCUS)
            if stop is None or stop["name"] in stops:
                break
            stops.append(stop["name"])
            assert stop["can_be_seen"], stop

        assert len(stops) >= 6

    def test_the_first_stop_leads_past_the_navigation(
        self, open_browser: Callable[..., Page], person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        page.goto("/security/")

        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the main content")).to_be_focused()
        page.keyboard.press("Enter")

        expect(page.locator("#main")).to_be_focused()


# The focused element, and whether an outline, a ring or the like tells it from its neighbours.
DESCRIBE_FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const outline = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  return {
    name: [element.tagName, element.id, element.textContent.trim(), element.name ?? "",
           Math.round(box.top + scrollY), Math.round(box.left)].join("|"),
    can_be_seen: (outline || style.boxShadow !== "none") && box.width > 0 && box.height > 0
      && box.bottom > 0 && box.top < innerHeight,
  };
}"""


class TestMistakes:
    def test_a_wrong_password_reads_like_an_unknown_address(
        self, page: Page, person: Person
    ) -> None:
        page.goto("/accounts/login/")
        give_password(page, person, password="not the password")
        known = page.locator(".form .callout").inner_text()

        page.goto("/accounts/login/")
        give_password(page, Person("nobody@acme.example", "not the password", None, ""))

        expect(page.locator(".form .callout")).to_have_text(known, use_inner_text=True)
        assert page.title().startswith("Error: ")
        expect(field(page, "Password")).to_have_value("")

    def test_a_wrong_code_and_then_the_right_one(self, page: Page, person: Person) -> None:
        page.goto("/accounts/login/")
        give_password(page, person)
        expect(heading(page)).to_have_text("Enter your code")
        give_code(page, person.wrong_code())

        expect(page.locator(".field__error").first).to_contain_text("That code is not right")
        give_code(page, person.code())
        expect(heading(page)).to_have_text("Security")

    def test_a_code_is_good_once(
        self, page: Page, open_browser: Callable[..., Page], person: Person
    ) -> None:
        code = person.code()
        page.goto("/accounts/login/")
        give_password(page, person)
        give_code(page, code)
        expect(heading(page)).to_have_text("Security")

        other = open_browser()
        other.goto("/accounts/login/")
        give_password(other, person)
        give_code(other, code)

        expect(other.locator(".field__error").first).to_contain_text("has been used")

    def test_a_revealed_password_is_hidden_again_when_it_is_sent(
        self, page: Page, person: Person
    ) -> None:
        page.goto("/accounts/login/")
        field(page, "Password").fill(person.password)

        page.get_by_role("button", name="Show password").click()

        expect(field(page, "Password")).to_have_attribute("type", "text")
        field(page, "Email").fill(person.email)
        page.get_by_role("button", name="Continue").click()
        expect(heading(page)).to_have_text("Enter your code")

    def test_too_many_pause_signing_in_and_say_until_when(
        self, page: Page, open_browser: Callable[..., Page], person: Person, watch: Watch
    ) -> None:
        watch.expect("status of 429")
        page.goto("/accounts/login/")
        for _ in range(FAILURES_BEFORE_A_PAUSE):
            if heading(page).inner_text() != "Sign in":
                break
            with page.expect_navigation():
                give_password(page, person, password="not the password")

        expect(heading(page)).to_have_text("Sign-in is paused")
        expect(page.locator("#retry")).to_contain_text("in 1")
        page.goto("/accounts/login/")
        give_password(page, person)
        expect(heading(page)).to_have_text("Sign-in is paused")

        elsewhere = open_browser()
        elsewhere.goto("/accounts/login/")
        sign_in(elsewhere, person)
        expect(heading(elsewhere)).to_have_text("Security")


class TestOnTheWay:
    def test_a_page_that_was_asked_for_is_shown_afterwards(
        self, page: Page, person: Person
    ) -> None:
        page.goto("/security/activity/")

        sign_in(page, person)

        expect(heading(page)).to_have_text("Activity")
        expect(page.locator("#activity-list")).to_contain_text("Signed in")

    def test_a_place_outside_is_never_gone_to(
        self, page: Page, person: Person, instance: Instance
    ) -> None:
        page.goto("/accounts/login/?next=https://evil.example/")

        sign_in(page, person)

        expect(heading(page)).to_have_text("Security")
        assert page.url.startswith(instance.base_url)

    def test_starting_again_with_another_account(
        self,
        page: Page,
        person: Person,
        newcomer: Person,
        instance: Instance,
        watch: Watch,
        demo: str,
    ) -> None:
        watch.expect("status of 400")
        page.goto(authorize_url(instance))
        give_password(page, person)
        expect(heading(page)).to_have_text("Enter your code")

        page.get_by_role("button", name="Start again with another account").click()
        give_password(page, newcomer)

        expect(page.locator(".house__who, .who")).to_contain_text(newcomer.email)

    def test_a_double_press_signs_in_once(self, page: Page, person: Person) -> None:
        page.goto("/accounts/login/")
        give_password(page, person)
        field(page, "Code").fill(person.code())

        page.get_by_role("button", name="Continue").dblclick(no_wait_after=True)

        expect(heading(page)).to_have_text("Security")


class TestTheWatch:
    """The eyes of this suite: what would escape them would escape every test."""

    def test_it_sees_a_breach_of_the_content_security_policy(
        self, page: Page, watch: Watch
    ) -> None:
        page.goto("/accounts/login/")

        with page.expect_console_message():
            page.evaluate(
                "document.body.append(Object.assign(document.createElement('style'), {textContent: 'x{}'}))"
            )

        (fault,) = watch.faults
        assert "Content Security Policy" in fault
        watch.faults.clear()

    def test_it_sees_a_script_that_fails(self, page: Page, watch: Watch) -> None:
        page.goto("/accounts/login/")

        with page.context.expect_event("weberror"):
            page.evaluate("setTimeout(() => { throw new Error('lost') })")

        assert watch.faults == ["script: lost"]
        watch.faults.clear()
