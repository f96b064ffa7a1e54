"""OAuth 2.0 Form Post Response Mode 1.0: answers and errors as a form, and nothing in the address."""

from typing import Any

import pytest
from django.test import Client as Browser

from idp.models import Client
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    FormPost,
    answer,
    answer_and_mode,
    authorize,
    nothing_was_issued,
    query,
)
from tests.support.oauth import redeem
from tests.support.over_tls import ISSUER


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


@pytest.mark.spec("Form Post", "2", "a code comes as a form with state and iss")
def test_the_answer_is_a_form_to_the_registered_address(alices: Browser, acme_web: Client) -> None:
    response = authorize(alices, acme_web, response_mode="form_post")
    form = FormPost(response)

    assert response.status_code == 200
    assert form.action == cast.REDIRECT_URI
    assert form.fields.keys() == {"code", "state", "iss"}
    assert (form.fields["state"], form.fields["iss"]) == ("s-1", ISSUER)
    assert redeem(acme_web, form.fields["code"]).status == 200


@pytest.mark.spec("Form Post", "2", "a button sends it where no script runs")
def test_there_is_a_button_and_a_script_with_the_nonce(alices: Browser, acme_web: Client) -> None:
    response = authorize(alices, acme_web, response_mode="form_post")
    policy = response["Content-Security-Policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]

    assert [button["id"] for button in FormPost(response).buttons] == ["form-post-submit"]
    assert f'js/form_post.js" nonce="{nonce}"' in response.content.decode()
    assert "unsafe-inline" not in policy


@pytest.mark.spec("Form Post", "4", "the page is not stored and names nobody")
def test_the_page_is_not_stored_and_sends_no_referrer(alices: Browser, acme_web: Client) -> None:
    response = authorize(alices, acme_web, response_mode="form_post")

    assert "no-store" in response["Cache-Control"]
    assert response["Referrer-Policy"] == "no-referrer"
    assert "csrf" not in response.content.decode()


def test_only_this_page_may_send_a_form_there(alices: Browser, acme_web: Client) -> None:
    there = authorize(alices, acme_web, response_mode="form_post")
    elsewhere = alices.get("/security/")

    assert "form-action https://app.acme.example;" in there["Content-Security-Policy"] + ";"
    assert "form-action 'self';" in elsewhere["Content-Security-Policy"] + ";"


@pytest.mark.spec("Form Post", "2", "errors come as a form, too")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "x"}, "unsupported_response_type"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"request": "eyJ.e30."}, None),
        ({"code_challenge": None}, "invalid_request"),
    ],
)
def test_errors_are_forms(
    alices: Browser, acme_web: Client, changes: dict[str, Any], error: str | None
) -> None:
    values, mode = answer_and_mode(
        authorize(alices, acme_web, response_mode="form_post", **changes)
    )

    assert mode == "form_post"
    assert values["error"] == (error or values["error"])
    assert (values["state"], values["iss"]) == ("s-1", ISSUER)
    assert nothing_was_issued()


def test_nobody_signed_in_is_told_by_a_form(acme_web: Client) -> None:
    values, mode = answer_and_mode(
        authorize(Browser(), acme_web, response_mode="form_post", prompt="none")
    )

    assert (values["error"], mode) == ("login_required", "form_post")


def test_after_consent_the_form_comes_at_once(alices: Browser, acme_spa: Client) -> None:
    handle = query(authorize(alices, acme_spa, response_mode="form_post"))["id"]

    allowed = alices.post("/oauth/consent", {"request": handle, "decision": "allow"})

    assert "code" in FormPost(alices.get(allowed["Location"])).fields


def test_a_refused_consent_comes_by_form(alices: Browser, acme_spa: Client) -> None:
    handle = query(authorize(alices, acme_spa, response_mode="form_post"))["id"]

    denied = alices.post("/oauth/consent", {"request": handle, "decision": "deny"})

    assert FormPost(denied).fields["error"] == "access_denied"


def test_what_was_sent_is_escaped(alices: Browser, acme_web: Client) -> None:
    state = "\"'><script>alert(1)</script>"
    response = authorize(alices, acme_web, response_mode="form_post", state=state)

    assert b"<script>alert" not in response.content
    assert FormPost(response).fields["state"] == state


@pytest.mark.parametrize(
    "uri",
    ["com.acme.app:/callback", "https://app.acme.example;script-src/callback"],
    ids=["a scheme of its own", "a host that would end a directive"],
)
def test_an_address_that_no_form_can_name_is_refused(
    alices: Browser, acme_web: Client, uri: str
) -> None:
    Client.unscoped.filter(pk=acme_web.pk).update(redirect_uris=[uri])

    response = authorize(alices, acme_web, response_mode="form_post", redirect_uri=uri)

    assert response["Location"].startswith(f"{uri}?error=invalid_request")
    assert "script-src/" not in response["Content-Security-Policy"]


@pytest.mark.parametrize("mode", ["post", "FORM_POST", "form_post.jws", "web_message"])
def test_an_unknown_mode_is_answered_in_the_default_one(
    alices: Browser, acme_web: Client, mode: str
) -> None:
    values, used = answer_and_mode(authorize(alices, acme_web, response_mode=mode))

    assert (values["error"], used) == ("invalid_request", "query")


@pytest.mark.spec("Multiple Response Types", "2.1", "response_mode=fragment and query for a code")
@pytest.mark.parametrize("mode", ["fragment", "query"])
def test_the_other_modes_of_a_code(alices: Browser, acme_web: Client, mode: str) -> None:
    values, used = answer_and_mode(authorize(alices, acme_web, response_mode=mode))

    assert "code" in values
    assert used == mode


def test_the_query_is_the_default(alices: Browser, acme_web: Client) -> None:
    assert "code" in answer(authorize(alices, acme_web))
    assert answer_and_mode(authorize(alices, acme_web))[1] == "query"
