"""A080: what one user left in a browser is not the next user's."""

from django.test import Client as Browser
from django.urls import reverse

from idp.models import AuthorizationCode, Client, Consent
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, path, query


def test_the_next_user_gets_neither_consent_nor_code_of_the_first(
    acme_spa: Client, employee: Person, newcomer: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    handle = query(authorize(browser, acme_spa))["id"]
    browser.post("/oauth/consent", {"request": handle, "decision": "allow"})
    assert Consent.unscoped.get().user == employee.user

    browser.post(reverse("account_logout"))
    browser.post(reverse("account_login"), {"login": newcomer.email, "password": newcomer.password})

    resumed = browser.get("/oauth/authorize/resume", {"id": handle})
    assert resumed.status_code == 404  # signing out forgot which requests were this browser's
    assert path(authorize(browser, acme_spa)) == "/oauth/consent"
    assert not AuthorizationCode.unscoped.exists()


def test_silently_it_is_the_one_who_is_signed_in_or_nobody(
    acme_web: Client, employee: Person, newcomer: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    assert "code" in answer(authorize(browser, acme_web, prompt="none"))
    browser.post(reverse("account_logout"))

    assert answer(authorize(browser, acme_web, prompt="none"))["error"] == "login_required"
    browser.post(reverse("account_login"), {"login": newcomer.email, "password": newcomer.password})
    authorize(browser, acme_web, prompt="none")

    users = [code.user for code in AuthorizationCode.unscoped.order_by("created_at")]
    assert users == [employee.user, newcomer.user]
