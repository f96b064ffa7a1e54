"""RFC 7636, the challenge at the authorization endpoint."""

import pytest
from django.test import Client as Browser

from idp.models import AuthorizationCode, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, nothing_was_issued
from tests.support.oauth import VERIFIER, redeem

# RFC 7636, appendix B.
APPENDIX_B_VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
APPENDIX_B_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.mark.spec("RFC 7636", "B", "the example of the specification works")
def test_the_example_of_the_specification(alices: Browser, acme_spa: Client) -> None:
    Client.unscoped.filter(pk=acme_spa.pk).update(is_first_party=True)
    code = answer(authorize(alices, acme_spa, code_challenge=APPENDIX_B_CHALLENGE))["code"]

    assert redeem(acme_spa, code, code_verifier=APPENDIX_B_VERIFIER).status == 200


@pytest.mark.spec("RFC 7636", "4.4", "the challenge is kept with the code")
def test_the_challenge_is_kept_with_the_code(alices: Browser, acme_web: Client) -> None:
    authorize(alices, acme_web, code_challenge=APPENDIX_B_CHALLENGE)

    assert AuthorizationCode.unscoped.get().challenge == APPENDIX_B_CHALLENGE


@pytest.mark.spec("RFC 7636", "4.4.1", "a missing challenge is invalid_request where required")
@pytest.mark.parametrize("name", ["acme_web", "acme_spa"])
def test_it_is_required_of_every_client(
    request: pytest.FixtureRequest, alices: Browser, name: str
) -> None:
    response = authorize(alices, request.getfixturevalue(name), code_challenge=None)

    assert answer(response)["error"] == "invalid_request"
    assert nothing_was_issued()


@pytest.mark.spec("RFC 7636", "4.4.1", "an unsupported transformation is invalid_request")
@pytest.mark.parametrize("method", ["plain", "S512", None])
def test_only_s256_is_supported(alices: Browser, acme_web: Client, method: str | None) -> None:
    response = authorize(alices, acme_web, code_challenge_method=method)

    assert answer(response)["error"] == "invalid_request"
    assert nothing_was_issued()


@pytest.mark.spec("RFC 7636", "4.2", "the challenge is base64url of 32 bytes, without padding")
@pytest.mark.parametrize(
    "challenge", ["", "a", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "+", "a" * 42 + "/"]
)
def test_a_malformed_challenge_is_refused(
    alices: Browser, acme_web: Client, challenge: str
) -> None:
    response = authorize(alices, acme_web, code_challenge=challenge)

    assert answer(response)["error"] == "invalid_request"
    assert nothing_was_issued()


@pytest.mark.spec("RFC 7636", "4.6", "another verifier is invalid_grant")
def test_another_verifier_gets_nothing(alices: Browser, acme_web: Client) -> None:
    code = answer(authorize(alices, acme_web))["code"]

    assert redeem(acme_web, code, code_verifier=VERIFIER[:-1] + "w").error == "invalid_grant"
