"""A020: S256 is the only method; an absent method would mean plain."""

import pytest
from django.test import Client as Browser

from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, nothing_was_issued
from tests.support.oauth import VERIFIER, send


@pytest.mark.parametrize("name", ["acme_web", "acme_spa"])
@pytest.mark.parametrize("method", ["plain", None, "", "s256", "S512", "S256 plain"])
def test_any_other_method_is_refused(
    request: pytest.FixtureRequest, employee: Person, name: str, method: str | None
) -> None:
    client: Client = request.getfixturevalue(name)
    attacker = Browser()
    cast.sign_in(attacker, employee)

    response = authorize(attacker, client, code_challenge_method=method)

    assert answer(response)["error"] == "invalid_request"
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()


def test_a_verifier_in_clear_is_no_challenge(acme_web: Client, employee: Person) -> None:
    attacker = Browser()
    cast.sign_in(attacker, employee)

    assert answer(authorize(attacker, acme_web, code_challenge=VERIFIER))["error"] == (
        "invalid_request"
    )
    assert nothing_was_issued()


def test_discovery_lists_nothing_else(db: None) -> None:
    document = send("GET", "/.well-known/openid-configuration").json

    assert document["code_challenge_methods_supported"] == ["S256"]
