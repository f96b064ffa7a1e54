"""OpenID Connect Core 1.0 §3.1.2: the authentication request.

The names of conformance modules stand beside what they exercise (oidcc-…).
"""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from core import clock
from idp.models import AuthorizationCode, Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    answer,
    authorize,
    is_error_page,
    nothing_was_issued,
    path,
    query,
)
from tests.support.oauth import claims_of, issue_code, redeem


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


def id_token(client: Client, response: Any) -> dict[str, Any]:
    return claims_of(redeem(client, answer(response)["code"]).json["id_token"])


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none without a session is login_required")
def test_prompt_none_not_logged_in(acme_web: Client) -> None:
    response = authorize(Browser(), acme_web, prompt="none", state="s" * 128)

    assert answer(response)["error"] == "login_required"
    assert answer(response)["state"] == "s" * 128


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none with a session shows nothing")
def test_prompt_none_logged_in(alices: Browser, acme_web: Client, later: Any) -> None:
    first = id_token(acme_web, authorize(alices, acme_web))
    later(seconds=3)

    second = id_token(acme_web, authorize(alices, acme_web, prompt="none"))

    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none with any other value is an error")
@pytest.mark.parametrize("other", ["login", "consent", "select_account"])
def test_prompt_none_stands_alone(alices: Browser, acme_web: Client, other: str) -> None:
    response = authorize(alices, acme_web, prompt=f"none {other}")

    assert answer(response)["error"] == "invalid_request"


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none without consent is consent_required")
def test_prompt_none_without_consent(alices: Browser, acme_spa: Client) -> None:
    assert answer(authorize(alices, acme_spa, prompt="none"))["error"] == "consent_required"


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=login asks again, and auth_time is later")
def test_prompt_login(alices: Browser, acme_web: Client, later: Any) -> None:
    first = id_token(acme_web, authorize(alices, acme_web))
    later(seconds=2)
    response = authorize(alices, acme_web, prompt="login")
    assert path(response) == "/step-up/"
    back = query(response)["next"]
    later(seconds=2)
    LoginSession.unscoped.update(auth_time=clock.now())

    second = id_token(acme_web, alices.get(back))

    assert second["auth_time"] > first["auth_time"]


@pytest.mark.spec("OpenID Core", "3.1.2.1", "max_age asks again, and auth_time is later")
def test_max_age_1(alices: Browser, acme_web: Client, later: Any) -> None:
    first = id_token(acme_web, authorize(alices, acme_web))
    later(seconds=3)
    response = authorize(alices, acme_web, max_age="1")
    assert path(response) == "/step-up/"
    LoginSession.unscoped.update(auth_time=clock.now())

    second = id_token(acme_web, alices.get(query(response)["next"]))

    assert second["auth_time"] > first["auth_time"]


@pytest.mark.spec("OpenID Core", "3.1.2.1", "a recent sign-in satisfies max_age")
def test_max_age_10000(alices: Browser, acme_web: Client, later: Any) -> None:
    first = id_token(acme_web, authorize(alices, acme_web, max_age="15000"))
    later(seconds=3)

    second = id_token(acme_web, authorize(alices, acme_web, max_age="10000"))

    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


@pytest.mark.spec("OpenID Core", "3.1.2.1", "an id_token_hint of the user goes on silently")
@pytest.mark.parametrize("age", [0, 3])
def test_id_token_hint(
    alices: Browser, acme_web: Client, employee: Person, later: Any, age: int
) -> None:
    tokens = redeem(acme_web, issue_code(acme_web, employee.user.login_sessions.get())).json
    later(hours=age)

    response = authorize(alices, acme_web, prompt="none", id_token_hint=tokens["id_token"])

    assert "code" in answer(response)


@pytest.mark.spec("OpenID Core", "3.1.2.1", "an id_token_hint of somebody else is login_required")
def test_id_token_hint_of_somebody_else(
    alices: Browser, acme_web: Client, newcomer: Person
) -> None:
    others = cast.sign_in(Browser(), newcomer)
    tokens = redeem(acme_web, issue_code(acme_web, others)).json

    response = authorize(alices, acme_web, prompt="none", id_token_hint=tokens["id_token"])

    assert answer(response)["error"] == "login_required"


@pytest.mark.spec("OpenID Core", "3.1.2.1", "display, locales and login_hint are never errors")
@pytest.mark.parametrize(
    "changes",
    [
        {"display": "page"},
        {"display": "popup"},
        {"ui_locales": "se"},
        {"claims_locales": "se"},
        {"login_hint": "nobody@localhost"},
        {"login_hint": "jürgen@acme.example"},
        {"extra": "foobar"},
        {"acr_values": "aal1 aal2"},
        {"acr_values": "1 2"},
        {"claims": '{"userinfo":{"name":{"essential":true}}}'},
    ],
)
def test_hints_are_never_errors(alices: Browser, acme_web: Client, changes: dict[str, str]) -> None:
    assert "code" in answer(authorize(alices, acme_web, **changes))


@pytest.mark.spec("OpenID Core", "3.1.2.1", "nonce is optional for the code flow")
def test_without_nonce_there_is_none_in_the_token(alices: Browser, acme_web: Client) -> None:
    assert "nonce" not in id_token(acme_web, authorize(alices, acme_web, nonce=None))


@pytest.mark.spec("OpenID Core", "3.1.2.1", "nonce comes back unmodified")
def test_nonce_comes_back(alices: Browser, acme_web: Client) -> None:
    nonce = "n-" + "~!*'();:@&=+$,/?#[]" * 20

    assert id_token(acme_web, authorize(alices, acme_web, nonce=nonce))["nonce"] == nonce


@pytest.mark.spec("OpenID Core", "3.1.2.2", "redirect_uri is required and matches exactly")
def test_ensure_registered_redirect_uri(alices: Browser, acme_web: Client) -> None:
    for uri in (None, f"{cast.REDIRECT_URI}?a=1", f"{cast.REDIRECT_URI}/x"):
        assert is_error_page(authorize(alices, acme_web, redirect_uri=uri))


@pytest.mark.spec("OpenID Core", "3.1.2.3", "a stranger is asked to sign in, and comes back")
def test_a_stranger_is_asked_to_sign_in(acme_web: Client, employee: Person) -> None:
    visitor = Browser()
    response = authorize(visitor, acme_web)

    assert path(response) == reverse("account_login")
    assert query(response)["next"].startswith("/oauth/authorize/resume?id=")


@pytest.mark.spec("OpenID Core", "3.1.2.4", "consent is obtained before anything is given")
def test_consent_comes_first(alices: Browser, acme_spa: Client) -> None:
    assert path(authorize(alices, acme_spa)) == "/oauth/consent"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "5.5.1.1", "acr tells what was reached")
def test_acr_and_amr_tell_how(alices: Browser, acme_web: Client) -> None:
    token = id_token(acme_web, authorize(alices, acme_web, acr_values="aal2"))

    assert token["acr"] == "aal2"
    assert "mfa" in token["amr"]


@pytest.mark.spec("OpenID Core", "6.1", "request objects are refused, not ignored")
def test_request_objects_are_refused(alices: Browser, acme_web: Client) -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6InMifQ."

    by_value = authorize(alices, acme_web, request=unsigned)
    by_reference = authorize(alices, acme_web, request_uri="https://app.acme.example/r#x")

    assert answer(by_value)["error"] == "request_not_supported"
    assert answer(by_reference)["error"] == "request_uri_not_supported"
    evil = authorize(alices, acme_web, request=unsigned, redirect_uri="https://evil.example/")
    assert is_error_page(evil)
    assert not AuthorizationCode.unscoped.exists()
