"""Signing out in a real browser: applications are told by frames, with and without scripts."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.applications import HTML, Application, application
from tests.browser.people import Person
from tests.browser.steps import heading
from tests.support.instance import Instance
from tests.support.oauth import claims_of

TOLD = "/signed-out"


@pytest.fixture(scope="module")
def ledger(instance: Instance) -> Iterator[Application]:
    with application(instance, frontchannel_logout_uri=TOLD) as running:
        running.server.pages[TOLD] = (200, HTML, b"<!doctype html><title>t</title>Bye")
        running.server.pages["/bye"] = (200, HTML, b"<!doctype html><title>t</title><h1>Bye</h1>")
        yield running


def told(ledger: Application, token: str) -> list[dict[str, str]]:
    """What the application heard about the session of an ID token."""
    heard = [
        dict(parse_qsl(urlsplit(path).query))
        for _, path, _, _ in ledger.server.requests
        if path.startswith(f"{TOLD}?")
    ]
    return [each for each in heard if each["sid"] == claims_of(token)["sid"]]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_last_page_tells_the_application_and_then_moves_on(
    scripts: bool,
    open_browser: Callable[..., Page],
    instance: Instance,
    ledger: Application,
    person: Person,
) -> None:
    page = open_browser(signed_in=person, java_script_enabled=scripts)
    token = ledger.redeem(ledger.sign_in(page))["id_token"]
    query = {
        "id_token_hint": token,
        "post_logout_redirect_uri": ledger.server.url("/bye"),
        "state": "s-9",
    }

    page.goto(f"/oauth/end-session?{urlencode(query)}")

    expect(heading(page)).to_have_text("You are signed out")
    assert told(ledger, token) == [{"iss": instance.base_url, "sid": claims_of(token)["sid"]}]
    expect(heading(page)).to_have_text("Bye")
    assert page.url == ledger.server.url("/bye?state=s-9")


def test_our_own_button_tells_it_too(
    open_browser: Callable[..., Page], ledger: Application, person: Person
) -> None:
    page = open_browser(signed_in=person)
    token = ledger.redeem(ledger.sign_in(page))["id_token"]

    page.goto("/security/")
    page.get_by_role("link", name="Sign out").click()
    page.get_by_role("button", name="Sign out").click()

    expect(heading(page)).to_have_text("You are signed out")
    assert len(told(ledger, token)) == 1
    page.get_by_role("link", name="Sign in again").click()
    expect(heading(page)).to_have_text("Sign in")
