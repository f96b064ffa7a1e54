"""The whole story from the demo application: sign in, be shown claims, refresh, sign out."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watch
from tests.browser.people import Person
from tests.browser.steps import (
    authorize_url,
    confirm,
    enrol_app,
    give_password,
    heading,
    sign_in,
)
from tests.support.instance import Instance


def live_sessions(instance: Instance, who: Person) -> int:
    with instance.connect() as connection:
        row = connection.execute(
            "SELECT count(*) FROM idp_sessions_loginsession s JOIN accounts_user u "
            "ON u.id = s.user_id WHERE u.email = %s AND s.ended_at IS NULL",
            [who.email],
        ).fetchone()
    assert row is not None
    return int(row[0])


def begin(page: Page, demo: str) -> None:
    page.goto(f"{demo}/")
    page.get_by_role("button", name="Sign in with Sallyport").click()


class TestTheWholeStory:
    @pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
    def test_password_code_consent_claims_refresh_userinfo_and_sign_out(
        self,
        scripts: bool,
        open_browser: Callable[..., Page],
        demo: str,
        instance: Instance,
        person: Person,
    ) -> None:
        page = open_browser(java_script_enabled=scripts)
        before = live_sessions(instance, person)

        begin(page, demo)
        expect(page.get_by_text("Continue to")).to_contain_text("Harbour Notes")
        sign_in(page, person)
        expect(heading(page)).to_have_text("Allow Harbour Notes to do this?")
        page.get_by_role("button", name="Allow", exact=True).click()

        expect(heading(page)).to_have_text("Hello, Pat Porter")
        expect(page.get_by_text(person.email).first).to_be_visible()
        claims = page.locator("section", has_text="What the ID token says")
        expect(claims).to_contain_text('["mfa", "otp", "pwd"]')
        expect(claims).to_contain_text("aal2")
        assert live_sessions(instance, person) == before + 1

        printed = {
            kind: page.locator(f"#{kind}-fingerprint").inner_text()
            for kind in ("access", "refresh")
        }
        page.get_by_role("button", name="Refresh now").click()
        expect(page.locator("#rotations")).to_have_text("once")
        for kind, before_refresh in printed.items():
            expect(page.locator(f"#{kind}-fingerprint")).not_to_have_text(before_refresh)

        page.get_by_role("button", name="Call userinfo").click()
        expect(page.locator("#userinfo")).to_contain_text(person.email)

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("status")).to_contain_text("signed out here and at the sign-in")
        assert page.url == f"{demo}/"
        assert live_sessions(instance, person) == before
        page.goto("/security/")
        expect(heading(page)).to_have_text("Sign in")

    def test_a_second_time_nothing_is_asked(
        self, open_browser: Callable[..., Page], demo: str, person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        begin(page, demo)
        page.get_by_role("button", name="Allow", exact=True).click()
        expect(heading(page)).to_have_text("Hello, Pat Porter")
        page.context.clear_cookies(name="demo_client_session")

        begin(page, demo)

        expect(heading(page)).to_have_text("Hello, Pat Porter")

    def test_a_session_that_ended_gives_no_more_tokens(
        self, open_browser: Callable[..., Page], demo: str, person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        begin(page, demo)
        page.get_by_role("button", name="Allow", exact=True).click()
        expect(heading(page)).to_have_text("Hello, Pat Porter")
        beside = page.context.new_page()
        beside.goto("/accounts/logout/")
        beside.get_by_role("button", name="Sign out").click()
        expect(heading(beside)).to_have_text("Sign in")

        page.get_by_role("button", name="Refresh now").click()

        # By the refusal, or by the logout token if that came first.
        over = re.compile("This sign-in is over|You were signed out by the sign-in service")
        expect(page.get_by_role("status")).to_contain_text(over)


class TestConsent:
    def test_not_allowing_leads_back_kindly(
        self, open_browser: Callable[..., Page], demo: str, person: Person, watch: Watch
    ) -> None:
        page = open_browser(signed_in=person)
        begin(page, demo)

        watch.expect("status of 403")
        page.get_by_role("button", name="Do not allow").click()

        expect(heading(page)).to_have_text("Nothing was shared")
        page.get_by_role("link", name="Go to the start page").click()
        expect(page.get_by_role("button", name="Sign in with Sallyport")).to_be_visible()

    def test_taking_it_back_ends_refreshing_and_asks_again(
        self, open_browser: Callable[..., Page], demo: str, person: Person
    ) -> None:
        page = open_browser(signed_in=person)
        begin(page, demo)
        page.get_by_role("button", name="Allow", exact=True).click()
        expect(heading(page)).to_have_text("Hello, Pat Porter")

        page.goto("/security/applications/")
        page.get_by_role("button", name="Take back access of Harbour Notes").click()
        expect(page.get_by_text("No applications yet")).to_be_visible()

        page.goto(f"{demo}/")
        page.get_by_role("button", name="Refresh now").click()
        expect(page.get_by_role("status")).to_contain_text("This sign-in is over")
        page.get_by_role("button", name="Sign in with Sallyport").click()
        expect(heading(page)).to_have_text("Allow Harbour Notes to do this?")


class TestRequests:
    @pytest.mark.parametrize(
        "redirect_uri",
        ["https://evil.example/callback", "http://localhost:1/callback"],
        ids=["another-host", "another-port"],
    )
    def test_a_wrong_redirect_uri_gets_a_page_and_no_redirect(
        self, redirect_uri: str, page: Page, instance: Instance, watch: Watch
    ) -> None:
        watch.expect("status of 400")
        visited: list[str] = []
        page.on("framenavigated", lambda frame: visited.append(frame.url))

        url = authorize_url(instance, redirect_uri=redirect_uri)
        answer = page.goto(url)

        assert answer is not None
        assert answer.status == 400
        expect(heading(page)).to_have_text("This sign-in cannot go on")
        assert visited == [url]
        assert page.get_by_role("link", name=redirect_uri).count() == 0

    @pytest.mark.parametrize(
        "asked", [{"prompt": "login"}, {"max_age": "0"}], ids=["prompt=login", "max_age=0"]
    )
    def test_it_asks_again_once_and_goes_on(
        self,
        asked: dict[str, Any],
        open_browser: Callable[..., Page],
        instance: Instance,
        demo: str,
        person: Person,
        watch: Watch,
        age_sessions: Callable[[Person], None],
    ) -> None:
        watch.expect("status of 400")
        page = open_browser(signed_in=person)
        age_sessions(person)  # who signed in within this second is new enough for any max_age
        page.goto(authorize_url(instance, **asked))

        expect(heading(page)).to_have_text("Confirm it is you")
        confirm(page, person)
        page.get_by_role("button", name="Allow", exact=True).click()

        page.wait_for_url(f"{demo}/callback?*code=*")

    def test_it_asks_who_goes_on_and_lets_another_account_in(
        self,
        open_browser: Callable[..., Page],
        instance: Instance,
        demo: str,
        person: Person,
        newcomer: Person,
        watch: Watch,
    ) -> None:
        watch.expect("status of 400")
        page = open_browser(signed_in=person)
        page.goto(authorize_url(instance, prompt="select_account"))
        expect(heading(page)).to_have_text("Go on as this account?")

        page.get_by_role("button", name="Use another account").click()
        give_password(page, newcomer)
        expect(page.locator(".who")).to_contain_text(newcomer.email)
        page.get_by_role("button", name="Allow", exact=True).click()

        page.wait_for_url(f"{demo}/callback?*code=*")

    def test_somebody_with_a_password_alone_adds_a_second_step_on_the_way(
        self,
        open_browser: Callable[..., Page],
        instance: Instance,
        demo: str,
        newcomer: Person,
        watch: Watch,
    ) -> None:
        watch.expect("status of 400")
        printed = instance.manage(
            "register_client", "acme", "Vault", "--public", "--required-acr", "aal2",
            "--redirect-uri", f"{demo}/callback", "--scope", "openid",
        )  # fmt: skip
        client_id = printed.split("client_id: ")[1].split()[0]
        page = open_browser(signed_in=newcomer)
        page.goto(authorize_url(instance, client_id=client_id, scope="openid"))

        expect(heading(page)).to_have_text("Add a second step first")
        page.get_by_role("link", name="Use an authenticator app").click()
        enrol_app(page, newcomer)
        expect(heading(page)).to_have_text("Allow Vault to do this?")
        page.get_by_role("button", name="Allow", exact=True).click()

        page.wait_for_url(f"{demo}/callback?*code=*")


class TestTheEndElsewhere:
    def test_the_application_learns_of_it_by_itself(
        self, page: Page, open_browser: Callable[..., Page], demo: str, person: Person
    ) -> None:
        begin(page, demo)
        sign_in(page, person)
        page.get_by_role("button", name="Allow", exact=True).click()
        expect(heading(page)).to_have_text("Hello, Pat Porter")

        elsewhere = open_browser(signed_in=person)
        elsewhere.goto("/sessions/")
        elsewhere.get_by_role("button", name="End all others").click()
        expect(elsewhere.get_by_role("button", name="End all others")).to_have_count(0)

        def told() -> bool:
            page.goto(f"{demo}/")
            return page.get_by_text("You were signed out by the sign-in service.").is_visible()

        assert any(told() for _ in range(100))
        expect(page.get_by_role("button", name="Sign in with Sallyport")).to_be_visible()
