"""A012: what is allowed comes from the stored request, whatever the form says."""

from urllib.parse import urlencode

from django.test import Client as Browser

from idp.models import AuthorizationCode, Client, Consent
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, parameters, query, target


def test_parameters_of_the_form_and_its_address_are_not_read(
    acme_spa: Client, acme_web: Client, employee: Person
) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    handle = query(authorize(browser, acme_spa))["id"]
    evil = parameters(
        acme_web, redirect_uri="https://evil.example/", scope="openid roles", state="evil"
    )

    response = browser.post(
        f"/oauth/consent?{urlencode(evil)}", evil | {"request": handle, "decision": "allow"}
    )
    response = browser.get(f"{response['Location']}&{urlencode(evil)}")

    assert target(response).startswith(cast.REDIRECT_URI)
    assert answer(response)["state"] == "s-1"
    assert Consent.unscoped.get().client == acme_spa
    assert Consent.unscoped.get().scopes == ["openid", "profile"]
    code = AuthorizationCode.unscoped.get()
    assert (code.client, code.scope) == (acme_spa, "openid profile")
