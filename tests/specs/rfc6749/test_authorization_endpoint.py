"""RFC 6749, the authorization endpoint of the code grant."""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client as Browser

from core import clock
from idp.flows import update_client
from idp.models import AuthorizationCode, Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    answer,
    authorize,
    is_error_page,
    nothing_was_issued,
    parameters,
    target,
)
from tests.support.oauth import redeem


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.mark.spec("RFC 6749", "3.1", "GET must and POST may be supported")
def test_get_and_post_mean_the_same(alices: Browser, acme_web: Client) -> None:
    posted = alices.post(
        "/oauth/authorize",
        urlencode(parameters(acme_web)),
        content_type="application/x-www-form-urlencoded",
    )

    assert posted.status_code == 303
    assert "code" in answer(alices.get(posted["Location"]))
    assert "code" in answer(authorize(alices, acme_web))


@pytest.mark.spec("RFC 6749", "3.1", "parameters without a value are treated as omitted")
def test_an_empty_parameter_is_an_absent_one(alices: Browser, acme_web: Client) -> None:
    assert answer(authorize(alices, acme_web, state="")).keys() == {"code", "iss"}
    assert is_error_page(authorize(alices, acme_web, redirect_uri=""))


@pytest.mark.spec("RFC 6749", "3.1", "unrecognised parameters are ignored")
def test_unknown_parameters_are_ignored(alices: Browser, acme_web: Client) -> None:
    assert "code" in answer(authorize(alices, acme_web, foobar="1"))


@pytest.mark.spec("RFC 6749", "3.1", "no parameter more than once")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state", "response_type"])
def test_a_parameter_sent_twice_is_refused(alices: Browser, acme_web: Client, name: str) -> None:
    twice = [parameters(acme_web)[name]] * 2

    assert is_error_page(authorize(alices, acme_web, **{name: twice}))
    assert nothing_was_issued()


@pytest.mark.spec("RFC 6749", "3.1.1", "an unknown response_type is an error")
def test_an_unknown_response_type_is_answered(alices: Browser, acme_web: Client) -> None:
    response = authorize(alices, acme_web, response_type="code tokens")

    assert answer(response)["error"] == "unsupported_response_type"


@pytest.mark.spec("RFC 6749", "3.1.2", "a query of the redirection URI is retained")
def test_the_registered_query_is_retained(alices: Browser, acme_web: Client) -> None:
    uri = f"{cast.REDIRECT_URI}?tenant=1&x=%20"
    update_client(client=acme_web, redirect_uris=[uri], now=clock.now())

    location = target(authorize(alices, acme_web, redirect_uri=uri))

    assert location.startswith(f"{uri}&")
    assert urlsplit(location).fragment == ""


@pytest.mark.spec("RFC 6749", "3.1.2.4", "an invalid endpoint is never redirected to")
def test_an_unregistered_address_gets_a_page(alices: Browser, acme_web: Client) -> None:
    assert is_error_page(authorize(alices, acme_web, redirect_uri="https://evil.example/"))


@pytest.mark.spec("RFC 6749", "4.1.1", "the request's parameters are bound to the code")
def test_the_code_is_bound_to_what_was_asked(
    alices: Browser, acme_web: Client, employee: Person
) -> None:
    authorize(alices, acme_web, scope="openid email")

    code = AuthorizationCode.unscoped.get()
    assert (code.client, code.user, code.redirect_uri, code.scope) == (
        acme_web, employee.user, cast.REDIRECT_URI, "openid email",
    )  # fmt: skip


@pytest.mark.spec("RFC 6749", "4.1.2", "a code lives ten minutes at most; ours one")
def test_a_code_expires(alices: Browser, acme_web: Client, later: Any) -> None:
    code = answer(authorize(alices, acme_web))["code"]
    later(seconds=61)

    assert redeem(acme_web, code).error == "invalid_grant"


@pytest.mark.spec("RFC 6749", "4.1.2", "a code and the state, in the query")
def test_the_answer_stands_in_the_query(alices: Browser, acme_web: Client) -> None:
    location = target(authorize(alices, acme_web))

    assert parse_qs(urlsplit(location).query).keys() == {"code", "state", "iss"}
    assert redeem(acme_web, answer(authorize(alices, acme_web))["code"]).status == 200


@pytest.mark.spec("RFC 6749", "4.1.2.1", "state is returned with errors, exactly as received")
def test_state_is_returned_with_errors(alices: Browser, acme_web: Client) -> None:
    state = "a+b c%20/&=?~"

    assert answer(authorize(alices, acme_web, scope="x", state=state))["state"] == state


@pytest.mark.spec("RFC 6749", "4.1.2.1", "error_description holds %x20-21 / %x23-5B / %x5D-7E")
def test_descriptions_hold_only_what_they_may(alices: Browser, acme_web: Client) -> None:
    for changes in ({"response_type": 'a"\\'}, {"scope": 'a"\\b'}, {"prompt": 'n"'}):
        description = answer(authorize(alices, acme_web, **changes))["error_description"]

        assert all(c in " !" or "#" <= c <= "[" or "]" <= c <= "~" for c in description)


@pytest.mark.spec("RFC 6749", "3.3", "a scope beyond what the client may ask for is refused")
def test_an_unregistered_scope_is_refused(alices: Browser, acme_web: Client) -> None:
    assert answer(authorize(alices, acme_web, scope="openid root"))["error"] == "invalid_scope"


@pytest.mark.spec("RFC 6749", "10.10", "codes cannot be guessed")
def test_codes_are_long_and_all_different(alices: Browser, acme_web: Client) -> None:
    codes = {answer(authorize(alices, acme_web))["code"] for _ in range(20)}

    assert len(codes) == 20
    assert {len(code) for code in codes} == {43}  # 256 bits
