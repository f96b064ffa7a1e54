"""RFC 9207, the issuer in authorization answers."""

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, query
from tests.support.oauth import send
from tests.support.over_tls import ISSUER


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.mark.spec("RFC 9207", "2", "iss is in success answers")
def test_a_code_comes_with_its_issuer(alices: Browser, acme_web: Client) -> None:
    assert answer(authorize(alices, acme_web))["iss"] == ISSUER


@pytest.mark.spec("RFC 9207", "2", "iss is in error answers")
def test_an_error_comes_with_its_issuer(alices: Browser, acme_web: Client) -> None:
    assert answer(authorize(alices, acme_web, scope="x"))["iss"] == ISSUER
    assert answer(authorize(Browser(), acme_web, prompt="none"))["iss"] == ISSUER


@pytest.mark.spec("RFC 9207", "2", "iss is in answers after interaction")
def test_a_denial_comes_with_its_issuer(alices: Browser, acme_spa: Client) -> None:
    handle = query(authorize(alices, acme_spa))["id"]

    response = alices.post("/oauth/consent", {"request": handle, "decision": "deny"})

    assert answer(response)["iss"] == ISSUER


@pytest.mark.spec("RFC 9207", "3", "metadata says so, and the issuer is the same")
def test_metadata_announces_it(db: None) -> None:
    for path in ("openid-configuration", "oauth-authorization-server"):
        document = send("GET", f"/.well-known/{path}").json

        assert document["authorization_response_iss_parameter_supported"] is True
        assert document["issuer"] == ISSUER
