"""A013: a page of ours in the attacker's frame, under a click that means something else."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support import access, device, oauth
from tests.support.authorize import authorize, parameters, query


def is_in_no_frame(headers: Any) -> bool:
    return headers.get("X-Frame-Options") == "DENY" and "frame-ancestors 'none'" in headers.get(
        "Content-Security-Policy", ""
    )


STRANGERS = [
    ("/accounts/login/", 200), ("/accounts/password/reset/", 200), ("/oauth/authorize", 400),
    ("/nothing/here", 404), ("/accounts/login", 301), ("/invitations/made-up/", 404),
    ("/static/css/sallyport.css", 200), ("/static/nothing.css", 404), ("/healthz", 200),
    ("/mfa/challenge/", 302), ("/admin/", 302), ("/oauth/end-session", 200),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status"), STRANGERS)
def test_nothing_that_a_stranger_gets(db: None, path: str, status: int) -> None:
    response = Browser(raise_request_exception=False).get(path)

    assert response.status_code == status
    assert is_in_no_frame(response.headers), dict(response.headers)


PAGES = [
    "/", "/security/", "/sessions/", "/security/activity/", "/security/applications/", "/device/", "/mfa/totp/",
    "/step-up/", "/profile/", "/oauth/end-session", "/access/", "/access/inbox/",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_no_page_of_somebody_who_is_signed_in(employee: Person, path: str) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)

    response = browser.get(path)

    assert response.status_code in {200, 302, 303}, path
    assert is_in_no_frame(response.headers)


def asked_for_access(employee: Person, approver: Person) -> Any:
    made = access.entitlement(employee.user.organisation, by=[approver], eligible=[employee])
    return access.ask(made, employee, access.session_of(employee)).pk


def test_no_question_that_a_click_could_answer(
    acme_spa: Client, acme_web: Client, employee: Person, approver: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    consent = browser.get("/oauth/consent", {"id": query(authorize(browser, acme_spa))["id"]})
    tv = device.television(acme_spa.organisation)
    codes = device.start(tv).json
    confirm = browser.get(device.asked(browser, codes["user_code"]))
    posted = authorize(browser, acme_web, response_mode="form_post")
    redirect = authorize(browser, acme_web)
    request = asked_for_access(employee, approver)
    boss = Browser()
    cast.sign_in(boss, approver)
    mine, theirs = (who.get(f"/access/grants/{request}/") for who in (browser, boss))
    ask = browser.get("/access/request/?entitlement=db-admin")

    for response in (consent, confirm, posted, redirect, mine, theirs, ask):
        assert response.status_code in {200, 303}
        assert is_in_no_frame(response.headers)


def test_no_refusal_before_any_view_is_reached(acme_web: Client, employee: Person) -> None:
    strict = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    cast.sign_in(strict, employee)
    forged = strict.post("/oauth/consent", {"request": "x", "decision": "allow"})
    foreign = strict.get("/oauth/authorize", parameters(acme_web), headers={"host": "evil.example"})
    assert (forged.status_code, foreign.status_code) == (403, 400)

    assert is_in_no_frame(forged.headers)
    assert is_in_no_frame(foreign.headers)


def test_no_fault_of_ours(acme_web: Client, monkeypatch: Any) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("idp.views.authorize.sources.collect", fails, raising=False)
    monkeypatch.setattr("idp.authorization.checks.find_client", fails)
    response = Browser(raise_request_exception=False).get("/oauth/authorize", parameters(acme_web))

    assert response.status_code == 500
    assert is_in_no_frame(response.headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/oauth/token"), ("GET", "/oauth/token"), ("GET", "/oauth/userinfo"),
        ("GET", "/oauth/jwks"), ("GET", "/.well-known/openid-configuration"),
        ("OPTIONS", "/oauth/token"), ("GET", "/oauth/register/x"), ("POST", "/oauth/par"),
    ],
)  # fmt: skip
def test_no_answer_to_a_machine(db: None, method: str, path: str) -> None:
    for environ in ({}, {"HTTP_HOST": "evil.example"}):
        assert is_in_no_frame(oauth.send(method, path, **environ).headers)


def test_whoever_answers_first_has_said_it() -> None:
    """Files are answered, and errors made, by what stands further in."""
    first = settings.MIDDLEWARE[0]
    assert first == "django.middleware.clickjacking.XFrameOptionsMiddleware"
