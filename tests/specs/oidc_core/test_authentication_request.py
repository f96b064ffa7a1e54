"""OpenID Connect Core 1.0 §3.1.2, §3.2.2 and §3.3.2: the authentication request.

What is asked of the person is the same for each response type; so each is asked for it, and each
answer is looked for where its type has it. The names of conformance modules stand beside what they
exercise (oidcc-…).
"""

from typing import Any

import pytest
from django.test import Client as Browser
from django.urls import reverse

from idp.models import AuthorizationCode, Client, Consent
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    answer,
    authorize,
    given,
    is_error_page,
    nothing_was_issued,
    path,
    query,
    refused,
)
from tests.support.oauth import claims_of, issue_code, redeem

HINTS: list[dict[str, str]] = [
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
]


def id_token(client: Client, response: Any, kind: str = "code") -> dict[str, Any]:
    """What the ID token says: the one that came at once, else that of the code."""
    values = given(response, kind)
    text = values.get("id_token") or redeem(client, values["code"]).json["id_token"]
    return claims_of(text)


def prove_again(browser: Browser, response: Any, who: Person) -> Any:
    """Go to the step-up that an answer leads to, and prove it; where that leads."""
    assert path(response) == "/step-up/"
    proven = browser.post(response["Location"], {"password": who.password, "code": who.totp_code()})
    assert proven.status_code == 302, proven.content.decode()[:2000]
    return browser.get(proven["Location"])


def decide(browser: Browser, response: Any, decision: str) -> Any:
    """Answer the consent page that an answer leads to; where that leads."""
    assert path(response) == "/oauth/consent"
    form = {"request": query(response)["id"], "decision": decision}
    decided = browser.post("/oauth/consent", form)
    return browser.get(decided["Location"]) if decided.has_header("Location") else decided


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none without a session is login_required")
def test_prompt_none_not_logged_in(web: Client, kind: str) -> None:
    response = authorize(Browser(), web, response_type=kind, prompt="none", state="s" * 128)

    assert refused(response, kind) == "login_required"
    assert answer(response)["state"] == "s" * 128


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none with a session shows nothing")
def test_prompt_none_logged_in(alices: Browser, web: Client, kind: str, later: Any) -> None:
    first = id_token(web, authorize(alices, web, response_type=kind), kind)
    later(seconds=3)

    second = id_token(web, authorize(alices, web, response_type=kind, prompt="none"), kind)

    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none with any other value is an error")
def test_prompt_none_stands_alone(alices: Browser, web: Client, kind: str) -> None:
    for other in ("login", "consent", "select_account"):
        response = authorize(alices, web, response_type=kind, prompt=f"none {other}")

        assert refused(response, kind) == "invalid_request"


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=none without consent is consent_required")
def test_prompt_none_without_consent(alices: Browser, spa: Client, kind: str) -> None:
    response = authorize(alices, spa, response_type=kind, prompt="none")

    assert refused(response, kind) == "consent_required"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=login asks again, and auth_time is later")
def test_prompt_login(
    alices: Browser, web: Client, employee: Person, kind: str, later: Any
) -> None:
    first = id_token(web, authorize(alices, web, response_type=kind), kind)
    later(seconds=2)
    response = authorize(alices, web, response_type=kind, prompt="login")
    later(seconds=2)

    second = id_token(web, prove_again(alices, response, employee), kind)

    assert second["auth_time"] > first["auth_time"]


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=login: without proving it nothing is given")
def test_prompt_login_is_not_passed_by(alices: Browser, web: Client, kind: str) -> None:
    response = authorize(alices, web, response_type=kind, prompt="login")

    assert path(response) == "/step-up/"
    assert path(alices.get(query(response)["next"])) == "/step-up/"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=consent asks again")
def test_prompt_consent(alices: Browser, spa: Client, kind: str) -> None:
    given(decide(alices, authorize(alices, spa, response_type=kind), "allow"), kind)
    given(authorize(alices, spa, response_type=kind), kind)

    again = authorize(alices, spa, response_type=kind, prompt="consent")

    given(decide(alices, again, "allow"), kind)
    assert Consent.unscoped.count() == 1


@pytest.mark.spec("OpenID Core", "3.1.2.1", "prompt=select_account asks which")
def test_prompt_select_account(alices: Browser, web: Client, kind: str) -> None:
    response = authorize(alices, web, response_type=kind, prompt="select_account")
    assert path(response) == "/oauth/authorize/account"
    form = {"request": query(response)["id"], "decision": "continue"}

    chosen = alices.post("/oauth/authorize/account", form)

    given(alices.get(chosen["Location"]), kind)


@pytest.mark.spec("OpenID Core", "3.1.2.1", "max_age asks again, and auth_time is later")
def test_max_age_1(alices: Browser, web: Client, employee: Person, kind: str, later: Any) -> None:
    first = id_token(web, authorize(alices, web, response_type=kind), kind)
    later(seconds=3)
    response = authorize(alices, web, response_type=kind, max_age="1")

    second = id_token(web, prove_again(alices, response, employee), kind)

    assert second["auth_time"] > first["auth_time"]


@pytest.mark.spec("OpenID Core", "3.1.2.1", "a sign-in that is too old is login_required, silently")
def test_max_age_silently(alices: Browser, web: Client, kind: str, later: Any) -> None:
    later(seconds=3)
    response = authorize(alices, web, response_type=kind, max_age="1", prompt="none")

    assert refused(response, kind) == "login_required"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "3.1.2.1", "a recent sign-in satisfies max_age")
def test_max_age_10000(alices: Browser, web: Client, kind: str, later: Any) -> None:
    first = id_token(web, authorize(alices, web, response_type=kind, max_age="15000"), kind)
    later(seconds=3)

    second = id_token(web, authorize(alices, web, response_type=kind, max_age="10000"), kind)

    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


@pytest.mark.spec("OpenID Core", "3.1.2.1", "an id_token_hint of the user goes on silently")
@pytest.mark.parametrize("age", [0, 3])
def test_id_token_hint(
    alices: Browser, web: Client, employee: Person, kind: str, later: Any, age: int
) -> None:
    tokens = redeem(web, issue_code(web, employee.user.login_sessions.get())).json
    later(hours=age)

    response = authorize(
        alices, web, response_type=kind, prompt="none", id_token_hint=tokens["id_token"]
    )

    given(response, kind)


@pytest.mark.spec("OpenID Core", "3.1.2.1", "an ID token that came at once is as good a hint")
def test_its_own_id_token_as_a_hint(alices: Browser, web: Client, kind: str) -> None:
    hint = given(authorize(alices, web, response_type=kind), kind).get("id_token")

    response = authorize(alices, web, response_type=kind, prompt="none", id_token_hint=hint)

    given(response, kind)


@pytest.mark.spec("OpenID Core", "3.1.2.1", "an id_token_hint of somebody else is login_required")
def test_id_token_hint_of_somebody_else(
    alices: Browser, web: Client, newcomer: Person, kind: str
) -> None:
    others = cast.sign_in(Browser(), newcomer)
    tokens = redeem(web, issue_code(web, others)).json

    response = authorize(
        alices, web, response_type=kind, prompt="none", id_token_hint=tokens["id_token"]
    )

    assert refused(response, kind) == "login_required"


@pytest.mark.spec("OpenID Core", "3.1.2.1", "display, locales and login_hint are never errors")
def test_hints_are_never_errors(alices: Browser, web: Client, kind: str) -> None:
    for changes in HINTS:
        given(authorize(alices, web, response_type=kind, **changes), kind)


@pytest.mark.spec("OpenID Core", "3.1.2.1", "login_hint fills in who signs in")
def test_login_hint(web: Client, employee: Person, kind: str) -> None:
    visitor = Browser()
    response = authorize(visitor, web, response_type=kind, login_hint=employee.email)

    assert f'value="{employee.email}"' in visitor.get(response["Location"]).content.decode()


@pytest.mark.spec("OpenID Core", "3.1.2.1", "nonce is optional for the code flow")
def test_without_nonce_there_is_none_in_the_token(alices: Browser, acme_web: Client) -> None:
    assert "nonce" not in id_token(acme_web, authorize(alices, acme_web, nonce=None))


@pytest.mark.spec("OpenID Core", "3.1.2.1", "nonce comes back unmodified")
def test_nonce_comes_back(alices: Browser, web: Client, kind: str) -> None:
    nonce = "n-" + "~!*'();:@&=+$,/?#[]" * 20

    said = id_token(web, authorize(alices, web, response_type=kind, nonce=nonce), kind)

    assert said["nonce"] == nonce


@pytest.mark.spec("OpenID Core", "3.1.2.2", "redirect_uri is required and matches exactly")
def test_ensure_registered_redirect_uri(alices: Browser, web: Client, kind: str) -> None:
    for uri in (None, f"{cast.REDIRECT_URI}?a=1", f"{cast.REDIRECT_URI}/x"):
        assert is_error_page(authorize(alices, web, response_type=kind, redirect_uri=uri))


@pytest.mark.spec("OpenID Core", "3.1.2.3", "a stranger is asked to sign in, and comes back")
def test_a_stranger_is_asked_to_sign_in(web: Client, employee: Person, kind: str) -> None:
    visitor = Browser()
    response = authorize(visitor, web, response_type=kind)
    assert path(response) == reverse("account_login")
    back = query(response)["next"]
    assert back.startswith("/oauth/authorize/resume?id=")

    form = {"login": employee.email, "password": employee.password, "next": back}
    assert visitor.post("/accounts/login/", form)["Location"].startswith("/mfa/challenge/")
    proven = visitor.post("/mfa/challenge/", {"code": employee.totp_code()})

    assert id_token(web, visitor.get(proven["Location"]), kind)["sub"] == str(employee.user.pk)


@pytest.mark.spec("OpenID Core", "3.1.2.4", "consent is obtained before anything is given")
def test_consent_comes_first(alices: Browser, spa: Client, kind: str) -> None:
    response = authorize(alices, spa, response_type=kind)
    assert path(response) == "/oauth/consent"
    assert nothing_was_issued()

    given(decide(alices, response, "allow"), kind)


@pytest.mark.spec("OpenID Core", "3.1.2.6", "who does not allow it is access_denied")
def test_consent_refused(alices: Browser, spa: Client, kind: str) -> None:
    response = decide(alices, authorize(alices, spa, response_type=kind), "deny")

    assert refused(response, kind) == "access_denied"
    assert nothing_was_issued()


@pytest.mark.spec("OpenID Core", "5.5.1.1", "acr tells what was reached")
def test_acr_and_amr_tell_how(alices: Browser, web: Client, kind: str) -> None:
    token = id_token(web, authorize(alices, web, response_type=kind, acr_values="aal2"), kind)

    assert token["acr"] == "aal2"
    assert "mfa" in token["amr"]


@pytest.mark.spec("OpenID Core", "3.1.2.1", "acr_values within reach step up")
def test_acr_values_step_up(web: Client, employee: Person, kind: str) -> None:
    visitor = Browser()
    cast.sign_in(visitor, employee, acr="aal1")
    response = authorize(visitor, web, response_type=kind, acr_values="aal2")
    assert query(response)["acr"] == "aal2"

    assert id_token(web, prove_again(visitor, response, employee), kind)["acr"] == "aal2"


@pytest.mark.spec("OpenID Core", "6.1", "request objects are refused, not ignored")
def test_request_objects_are_refused(alices: Browser, web: Client, kind: str) -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6InMifQ."

    by_value = authorize(alices, web, response_type=kind, request=unsigned)
    by_reference = authorize(
        alices, web, response_type=kind, request_uri="https://app.acme.example/r#x"
    )

    assert refused(by_value, kind) == "request_not_supported"
    assert refused(by_reference, kind) == "request_uri_not_supported"
    evil = authorize(
        alices, web, response_type=kind, request=unsigned, redirect_uri="https://evil.example/"
    )
    assert is_error_page(evil)
    assert not AuthorizationCode.unscoped.exists()
