"""A010: what was posted to us is posted on: a redirect must never repeat it."""

from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import authorize, parameters, query
from tests.support.entrances import give_code, give_password

REPEAT = {301, 307, 308}  # browsers may or must send the body again


def test_a_password_and_a_code_go_no_further(acme_web: Client, employee: Person) -> None:
    browser = Browser()
    authorize(browser, acme_web)

    answers = [
        give_password(browser, employee),
        give_code(browser, employee.totp_code()),
    ]

    for response in answers:
        assert 300 <= response.status_code < 400
        assert response.status_code not in REPEAT
        assert response["Location"].startswith("/")
        assert employee.password not in response["Location"]


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_nor_does_a_consent(acme_spa: Client, employee: Person, decision: str) -> None:
    browser = Browser()
    cast.sign_in(browser, employee)
    handle = query(authorize(browser, acme_spa))["id"]

    response = browser.post("/oauth/consent", {"request": handle, "decision": decision})

    assert response.status_code in {200, 303}


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_posted_request_is_answered_by_303(
    acme_web: Client, employee: Person, signed_in: bool
) -> None:
    browser = Browser()
    if signed_in:
        cast.sign_in(browser, employee)

    response = browser.post(
        "/oauth/authorize",
        urlencode(parameters(acme_web)),
        content_type="application/x-www-form-urlencoded",
    )

    assert response.status_code == 303
    assert response["Referrer-Policy"] in {"no-referrer", "same-origin"}
