"""A014: names, states and hints that hold markup are shown as text, or not at all."""

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, is_error_page, query, target

MARKUP = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


def test_a_clients_name_is_escaped_where_people_read_it(acme_spa: Client, employee: Person) -> None:
    Client.unscoped.filter(pk=acme_spa.pk).update(name=MARKUP)
    browser = Browser()
    cast.sign_in(browser, employee)
    handle = query(authorize(browser, acme_spa))["id"]

    consent = browser.get("/oauth/consent", {"id": handle})
    final = browser.get(
        browser.post("/oauth/consent", {"request": handle, "decision": "allow"})["Location"]
    )

    for page in (consent, final):
        assert "<script>alert" not in page.content.decode()
        assert "&lt;script&gt;alert" in page.content.decode()
        policy = page["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "form-action 'self'" in policy


def test_state_is_carried_but_never_shown_as_markup(acme_spa: Client, employee: Person) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    handle = query(authorize(browser, acme_spa, state=MARKUP))["id"]

    consent = browser.get("/oauth/consent", {"id": handle})
    final = browser.post("/oauth/consent", {"request": handle, "decision": "deny"})

    assert "alert(1)" not in consent.content.decode()
    assert "<script>alert" not in final.content.decode()
    assert answer(final)["state"] == MARKUP
    assert "\n" not in target(final)


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "scope", "response_type"])
def test_an_error_page_repeats_nothing_of_the_request(db: None, name: str) -> None:
    response = authorize(Browser(), "nobody", **{name: MARKUP})

    assert is_error_page(response)
    assert "alert(1)" not in response.content.decode()


def test_an_error_description_holds_no_text_of_the_request(
    acme_web: Client, employee: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)

    for name in ("response_type", "scope", "prompt", "max_age", "code_challenge"):
        response = authorize(browser, acme_web, **{name: MARKUP})

        assert "alert" not in answer(response)["error_description"]


def test_line_breaks_never_reach_a_header(acme_web: Client, employee: Person) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)

    assert is_error_page(authorize(browser, acme_web, state="a\r\nSet-Cookie: a=b"))
