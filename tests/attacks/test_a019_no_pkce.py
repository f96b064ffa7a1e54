"""A019: no code without a code_challenge, whatever the client."""

import pytest
from django.test import Client as Browser

from idp.models import AuthorizationRequest, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, nothing_was_issued


@pytest.mark.parametrize("name", ["acme_web", "acme_spa"])
@pytest.mark.parametrize("method", ["S256", "plain", None])
def test_a_request_without_a_challenge_is_refused(
    request: pytest.FixtureRequest, employee: Person, name: str, method: str | None
) -> None:
    client: Client = request.getfixturevalue(name)
    attacker = Browser()
    cast.sign_in(attacker, employee)

    response = authorize(attacker, client, code_challenge=None, code_challenge_method=method)

    assert answer(response)["error"] == "invalid_request"
    assert "code" not in answer(response)
    assert nothing_was_issued()
    assert not AuthorizationRequest.unscoped.exists()


def test_a_stranger_is_refused_before_signing_in(acme_web: Client) -> None:
    response = authorize(Browser(), acme_web, code_challenge=None, code_challenge_method=None)

    assert answer(response)["error"] == "invalid_request"
    assert not AuthorizationRequest.unscoped.exists()
