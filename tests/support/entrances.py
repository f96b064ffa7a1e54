"""Every way into an account, as people take it through the pages."""

from django.http import HttpResponse
from django.test import Client as Browser
from django.urls import reverse

from tests.cast import Person


def give_password(
    browser: Browser, who: Person, *, password: str = "", next_url: str = "", **meta: str
) -> HttpResponse:
    """The first step of signing in."""
    values = {"login": who.email, "password": password or who.password}
    if next_url:
        values["next"] = next_url
    return browser.post(reverse("account_login"), values, **meta)


def give_code(browser: Browser, code: str, *, method: str = "totp", **meta: str) -> HttpResponse:
    """The second step of signing in."""
    return browser.post(reverse("mfa:challenge"), {"method": method, "code": code}, **meta)


def sign_in(browser: Browser, who: Person) -> HttpResponse:
    give_password(browser, who)
    return give_code(browser, who.totp_code())
