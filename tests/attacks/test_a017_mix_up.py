"""A017: every answer names its issuer, byte for byte as discovery does, whatever the Host says."""

from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, answer_and_mode, authorize, parameters, query
from tests.support.oauth import claims_of, send


@pytest.mark.parametrize(
    "changes", [{}, {"prompt": "none"}, {"scope": "x"}, {"response_type": "x"}, {"request": "x"}]
)
def test_iss_is_that_of_discovery(
    acme_web: Client, employee: Person, changes: dict[str, Any]
) -> None:
    issuer = send("GET", "/.well-known/openid-configuration").json["issuer"]
    browser = Browser()
    cast.sign_in(browser, employee)

    assert answer(authorize(browser, acme_web, **changes))["iss"] == issuer
    assert answer(browser.get("/oauth/authorize", parameters(acme_web, **changes),
                              headers={"host": "localhost"}))["iss"] == issuer  # fmt: skip


def test_so_do_denials(acme_spa: Client, employee: Person) -> None:
    issuer = send("GET", "/.well-known/openid-configuration").json["issuer"]
    browser = Browser()
    cast.sign_in(browser, employee)
    handle = query(authorize(browser, acme_spa))["id"]

    response = browser.post("/oauth/consent", {"request": handle, "decision": "deny"})

    assert answer(response)["iss"] == issuer


def test_a_foreign_host_gets_no_answer_at_all(acme_web: Client) -> None:
    response = Browser().get(
        "/oauth/authorize", parameters(acme_web), headers={"host": "evil.example"}
    )

    assert response.status_code == 400
    assert not response.has_header("Location")


@pytest.mark.parametrize("mode", ["query", "fragment", "form_post"])
@pytest.mark.parametrize("changes", [{}, {"prompt": "none login"}])
def test_in_every_mode(
    acme_web: Client, employee: Person, mode: str, changes: dict[str, Any]
) -> None:
    issuer = send("GET", "/.well-known/openid-configuration").json["issuer"]
    browser = Browser()
    cast.sign_in(browser, employee)

    values, used = answer_and_mode(authorize(browser, acme_web, response_mode=mode, **changes))
    signed = answer(authorize(browser, acme_web, response_mode=f"{mode}.jwt", **changes))

    assert (values["iss"], used) == (issuer, mode)
    assert claims_of(signed["response"])["iss"] == issuer
