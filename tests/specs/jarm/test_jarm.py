"""JWT Secured Authorization Response Mode (JARM): the whole answer as one signed JWT."""

import json
from typing import Any

import pytest
from django.test import Client as Browser
from joserfc import jws
from joserfc.jwk import KeySet

from core import clock
from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, answer_and_mode, authorize
from tests.support.oauth import claims_of, header_of, redeem, send
from tests.support.over_tls import ISSUER


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


def verified(text: str) -> dict[str, Any]:
    """The claims of a response, checked with the published keys."""
    published = KeySet.import_key_set(send("GET", "/oauth/jwks").json)
    signed = jws.deserialize_compact(text, published, algorithms=["ES256", "RS256", "PS256"])
    return json.loads(signed.payload)


@pytest.mark.spec("JARM", "2.3", "jwt means the default of the response type")
@pytest.mark.parametrize(
    ("mode", "transport"),
    [
        ("jwt", "query"),
        ("query.jwt", "query"),
        ("fragment.jwt", "fragment"),
        ("form_post.jwt", "form_post"),
    ],
)
def test_the_answer_is_one_parameter(
    alices: Browser, acme_web: Client, mode: str, transport: str
) -> None:
    values, used = answer_and_mode(authorize(alices, acme_web, response_mode=mode))

    assert used == transport
    assert values.keys() == {"response"}
    assert redeem(acme_web, verified(values["response"])["code"]).status == 200


@pytest.mark.spec("JARM", "2.1", "iss, aud, exp of at most ten minutes, and the parameters")
def test_the_claims_of_a_response(alices: Browser, acme_web: Client) -> None:
    claims = verified(answer(authorize(alices, acme_web, response_mode="jwt"))["response"])

    assert claims.keys() == {"iss", "aud", "exp", "iat", "code", "state"}
    assert (claims["iss"], claims["aud"]) == (ISSUER, acme_web.client_id)
    assert claims["state"] == "s-1"
    assert 0 < claims["exp"] - clock.now().timestamp() <= 600


@pytest.mark.spec("JARM", "2.1", "errors are signed as well")
def test_errors_are_signed(acme_web: Client) -> None:
    response = authorize(Browser(), acme_web, response_mode="jwt", prompt="none")

    claims = verified(answer(response)["response"])

    assert claims["error"] == "login_required"
    assert "code" not in claims


@pytest.mark.spec("JARM", "3", "the algorithm that was registered")
@pytest.mark.parametrize(
    ("registered", "used"),
    [({}, "RS256"), ({"authorization_signed_response_alg": "PS256"}, "PS256")],
)
def test_the_algorithm(
    alices: Browser, acme_web: Client, registered: dict[str, str], used: str
) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(signing_alg="RS256", metadata=registered)

    text = answer(authorize(alices, acme_web, response_mode="jwt"))["response"]

    assert header_of(text)["alg"] == used
    assert verified(text)["iss"] == ISSUER


def test_a_response_is_no_id_token_hint(alices: Browser, acme_web: Client) -> None:
    text = answer(authorize(alices, acme_web, response_mode="jwt"))["response"]

    response = authorize(alices, acme_web, prompt="none", id_token_hint=text)

    assert answer(response)["error"] == "invalid_request"
    assert header_of(text)["typ"] != "JWT"


@pytest.mark.spec("JARM", "2.3.1", "query.jwt is not for tokens")
def test_tokens_are_not_signed_into_a_query(alices: Browser, acme_web: Client) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(metadata={"response_types": ["id_token token"]})

    refused, mode = answer_and_mode(
        authorize(alices, acme_web, response_type="id_token token", response_mode="query.jwt")
    )
    given, default = answer_and_mode(
        authorize(alices, acme_web, response_type="id_token token", response_mode="jwt")
    )

    assert (refused["error"], mode) == ("invalid_request", "fragment")
    assert default == "fragment"
    assert {"access_token", "id_token"} <= claims_of(given["response"]).keys()
