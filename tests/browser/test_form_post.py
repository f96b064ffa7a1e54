"""response_mode=form_post in a real browser, under its content security policy."""

from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Request, Route, expect

from tests.browser.people import Person
from tests.browser.steps import authorize_url, heading
from tests.support.instance import Instance


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_answer_is_posted_to_the_application(
    scripts: bool, open_browser: Callable[..., Page], instance: Instance, person: Person
) -> None:
    page = open_browser(signed_in=person, java_script_enabled=scripts)
    posted: list[Request] = []

    def take(route: Route, request: Request) -> None:
        posted.append(request)
        route.fulfill(status=200, content_type="text/html", body="<h1>Arrived</h1>")

    page.route("**/callback*", take)
    page.goto(authorize_url(instance, response_mode="form_post"))
    page.get_by_role("button", name="Allow", exact=True).click()
    if not scripts:
        page.locator("#form-post-submit").click()

    expect(heading(page)).to_have_text("Arrived")
    (request,) = posted
    assert request.method == "POST"
    assert "?" not in request.url
    fields = parse_qs(request.post_data or "")
    assert fields.keys() == {"code", "state", "iss"}
    assert fields["state"] == ["not-begun-here"]
