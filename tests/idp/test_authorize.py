"""The authorization endpoint and the journey it begins."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from core.ids import digest
from core.limits import spend
from idp.flows import deactivate_client, update_client
from idp.limits import PENDING_REQUESTS
from idp.models import AuthorizationCode, AuthorizationRequest, Client, Consent
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.authorize import (
    ISSUER,
    answer,
    authorize,
    is_error_page,
    nothing_was_issued,
    parameters,
    path,
    query,
    target,
)


@pytest.fixture
def visitor() -> Browser:
    return Browser()


@pytest.fixture
def alices(visitor: Browser, employee: Person) -> Browser:
    cast.sign_in(visitor, employee)
    return visitor


def resume(visitor: Browser) -> Any:
    row = AuthorizationRequest.unscoped.latest("created_at")
    return visitor.get(f"/oauth/authorize/resume?id={row.id}")


class TestSignedIn:
    def test_it_answers_with_a_code_state_and_issuer(
        self, alices: Browser, acme_web: Client, employee: Person
    ) -> None:
        response = authorize(alices, acme_web)

        assert response.status_code == 303
        assert "no-store" in response["Cache-Control"]
        assert answer(response).keys() == {"code", "state", "iss"}
        assert answer(response)["state"] == "s-1"
        assert answer(response)["iss"] == ISSUER
        code = AuthorizationCode.unscoped.get()
        session = LoginSession.unscoped.get()
        assert bytes(code.digest) == digest(answer(response)["code"])
        assert len(answer(response)["code"]) == 43
        assert (code.client, code.user, code.session) == (acme_web, employee.user, session)
        assert (code.scope, code.nonce, code.redirect_uri) == (
            "openid profile", "n-1", cast.REDIRECT_URI,
        )  # fmt: skip
        assert (code.expires_at - code.created_at).total_seconds() == 60

    def test_it_writes_the_code_down_in_audit_without_the_code(
        self, alices: Browser, acme_web: Client, employee: Person
    ) -> None:
        code = answer(authorize(alices, acme_web))["code"]

        event = AuditEvent.objects.get(event="idp.code.issued")
        assert event.actor == f"accounts.User:{employee.user.pk}"
        assert event.subject == f"idp.Client:{acme_web.pk}"
        assert event.session_id == LoginSession.unscoped.get().id
        assert event.organisation_id == acme_web.organisation_id
        assert code not in str(event.facts)

    def test_it_takes_few_statements_and_keeps_no_request(
        self, alices: Browser, acme_web: Client
    ) -> None:
        authorize(alices, acme_web)  # the session's verdict is fresh now

        with CaptureQueriesContext(connection) as captured:
            authorize(alices, acme_web)

        statements = [q["sql"] for q in captured if "SAVEPOINT" not in q["sql"]]
        assert len(statements) <= 10, "\n".join(statements)
        assert not AuthorizationRequest.unscoped.exists()

    def test_state_comes_back_byte_for_byte(self, alices: Browser, acme_web: Client) -> None:
        state = "~!@#$%^&*()_+`-={}|[]\\:\";'<>?,./ x" * 4

        assert answer(authorize(alices, acme_web, state=state))["state"] == state

    def test_without_state_none_comes_back(self, alices: Browser, acme_web: Client) -> None:
        assert answer(authorize(alices, acme_web, state=None)).keys() == {"code", "iss"}

    def test_a_registered_query_survives(self, alices: Browser, acme_web: Client) -> None:
        uri = f"{cast.REDIRECT_URI}?a=1&b=%7e"
        update_client(client=acme_web, redirect_uris=[uri], now=clock.now())

        location = target(authorize(alices, acme_web, redirect_uri=uri))

        assert location.startswith(f"{uri}&code=")

    def test_a_native_scheme_is_redirected_to(self, alices: Browser, acme_spa: Client) -> None:
        uri = "com.example.app:/callback"
        update_client(client=acme_spa, redirect_uris=[uri], is_first_party=True, now=clock.now())

        assert target(authorize(alices, acme_spa, redirect_uri=uri)).startswith(f"{uri}?code=")

    def test_what_does_not_concern_us_is_ignored(self, alices: Browser, acme_web: Client) -> None:
        response = authorize(
            alices, acme_web, ui_locales="se", claims_locales="se", display="popup",
            extra="foobar", login_hint="nobody@localhost", claims='{"userinfo":{"name":null}}',
        )  # fmt: skip

        assert "code" in answer(response)

    def test_pure_oauth_without_openid_is_possible(self, alices: Browser, acme_web: Client) -> None:
        assert "code" in answer(authorize(alices, acme_web, scope="roles", nonce=None))

    def test_a_post_comes_again_as_a_get(self, alices: Browser, acme_web: Client) -> None:
        response = alices.post("/oauth/authorize", parameters(acme_web), secure=False)
        assert is_error_page(response)  # multipart is no form of this protocol

        response = Browser(enforce_csrf_checks=True).post(
            "/oauth/authorize",
            "&".join(f"{k}={v}" for k, v in parameters(acme_web).items()),
            content_type="application/x-www-form-urlencoded",
        )

        assert response.status_code == 303
        assert path(response) == "/oauth/authorize"
        assert parse_qs(urlsplit(response["Location"]).query) == {
            k: [v] for k, v in parameters(acme_web).items()
        }
        assert "code" in answer(alices.get(response["Location"]))


class TestErrorsByRedirect:
    @pytest.mark.parametrize(
        ("changes", "error"),
        [
            ({"response_type": None}, "invalid_request"),
            ({"response_type": "token"}, "unsupported_response_type"),
            ({"response_type": "code id_token"}, "unauthorized_client"),
            ({"response_type": "code code"}, "unsupported_response_type"),
            ({"response_type": 'co"de\\'}, "unsupported_response_type"),
            ({"response_mode": "post"}, "invalid_request"),
            ({"response_mode": "web_message"}, "invalid_request"),
            ({"request": "eyJ.e30."}, "invalid_request_object"),
            ({"request_uri": "https://a.example/r"}, "request_uri_not_supported"),
            ({"code_challenge": None}, "invalid_request"),
            ({"code_challenge": "short"}, "invalid_request"),
            ({"code_challenge": "a" * 44}, "invalid_request"),
            ({"code_challenge": "a" * 42 + "="}, "invalid_request"),
            ({"code_challenge_method": "plain"}, "invalid_request"),
            ({"code_challenge_method": None}, "invalid_request"),
            ({"scope": None}, "invalid_scope"),
            ({"scope": "openid admin"}, "invalid_scope"),
            ({"nonce": "n" * 513}, "invalid_request"),
            ({"prompt": "none login"}, "invalid_request"),
            ({"prompt": "none create"}, "invalid_request"),
            ({"claims": "{"}, "invalid_request"),
            ({"claims": "[]"}, "invalid_request"),
            ({"claims": "[" * 1500}, "invalid_request"),
            ({"max_age": "-1"}, "invalid_request"),
            ({"max_age": "1.5"}, "invalid_request"),
            ({"max_age": "9" * 30}, "invalid_request"),
            ({"id_token_hint": "eyJ.e30.x"}, "invalid_request"),
        ],
    )
    def test_each_goes_back_with_state_and_issuer(
        self, alices: Browser, acme_web: Client, changes: dict[str, Any], error: str
    ) -> None:
        response = authorize(alices, acme_web, **changes)

        assert response.status_code == 303
        assert answer(response)["error"] == error
        assert answer(response)["state"] == "s-1"
        assert answer(response)["iss"] == ISSUER
        assert "code" not in answer(response)
        description = answer(response)["error_description"]
        assert description.isascii()
        assert not set(description) & set('"\\\r\n\t')
        assert nothing_was_issued()

    def test_a_client_without_the_grant_type_is_told_so(
        self, alices: Browser, acme_web: Client
    ) -> None:
        Client.unscoped.filter(pk=acme_web.pk).update(grant_types=["client_credentials"])

        assert answer(authorize(alices, acme_web))["error"] == "unauthorized_client"

    def test_scopes_are_limited_to_what_the_client_registered(
        self, alices: Browser, acme_web: Client
    ) -> None:
        update_client(client=acme_web, scopes=["openid"], now=clock.now())

        assert answer(authorize(alices, acme_web, scope="openid email"))["error"] == "invalid_scope"


class TestErrorsByPage:
    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "nobody"},
            {"client_id": None},
            {"redirect_uri": None},
            {"redirect_uri": "https://app.acme.example/other"},
            {"state": ["a", "b"]},
            {"state": "\0"},
            {"state": "é"},
            {"state": "s" * 2001},
            {"unknown": "x" * 9000},
            {"client_id": "\0"},
            {"redirect_uri": "https://é/"},
        ],
    )
    def test_what_has_nobody_to_go_back_to_gets_a_page(
        self, alices: Browser, acme_web: Client, changes: dict[str, Any]
    ) -> None:
        assert is_error_page(authorize(alices, acme_web, **changes))
        assert nothing_was_issued()

    def test_the_page_has_a_reference(self, alices: Browser, acme_web: Client) -> None:
        assert b"Reference" in authorize(alices, "nobody").content

    def test_a_deactivated_client_is_unknown(self, alices: Browser, acme_web: Client) -> None:
        deactivate_client(client=acme_web, now=clock.now())

        assert is_error_page(authorize(alices, acme_web))

    def test_a_client_of_a_closed_organisation_is_unknown(
        self, visitor: Browser, acme_web: Client, acme: Organisation
    ) -> None:
        Organisation.objects.filter(pk=acme.pk).update(is_active=False)

        assert is_error_page(authorize(visitor, acme_web))

    @pytest.mark.parametrize(
        "raw", ["%", "%zz", "client_id=%ff", "&&&=", "a=1&" * 300, "client_id[]=a", "\u00e9"]
    )
    def test_malformed_queries_get_400(self, visitor: Browser, db: None, raw: str) -> None:
        response = visitor.get("/oauth/authorize", QUERY_STRING=raw.encode().decode("latin-1"))

        assert response.status_code == 400

    @pytest.mark.parametrize("method", ["put", "delete", "patch", "head", "options"])
    def test_other_methods_are_not_allowed(self, visitor: Browser, method: str, db: None) -> None:
        assert getattr(visitor, method)("/oauth/authorize").status_code == 405


class TestJourney:
    def test_a_stranger_signs_in_and_comes_back(
        self, visitor: Browser, acme_web: Client, employee: Person
    ) -> None:
        response = authorize(visitor, acme_web, login_hint="alice@acme.example")

        assert path(response) == reverse("account_login")
        row = AuthorizationRequest.unscoped.get()
        assert query(response)["next"] == f"/oauth/authorize/resume?id={row.id}"
        assert visitor.session["login_hint"] == "alice@acme.example"
        secret = visitor.session["authorization_browser"]
        assert bytes(row.browser_digest) == digest(secret)

        _sign_in_keeping(visitor, employee)
        response = resume(visitor)

        assert response.status_code == 200  # a form may have led here: see idp/answers.py
        assert b'id="continue"' in response.content
        assert "code" in answer(response)
        row.refresh_from_db()
        assert row.used_at is not None

    def test_nobody_is_asked_silently(self, visitor: Browser, acme_web: Client) -> None:
        response = authorize(visitor, acme_web, prompt="none", state="s" * 128)

        assert answer(response) | {"error_description": ""} == {
            "error": "login_required", "error_description": "", "state": "s" * 128, "iss": ISSUER,
        }  # fmt: skip
        assert not AuthorizationRequest.unscoped.exists()

    def test_a_request_is_answered_once(self, alices: Browser, acme_web: Client) -> None:
        authorize(alices, acme_web, prompt="login")
        clock.shift(timedelta(seconds=1))
        LoginSession.unscoped.update(auth_time=clock.now())
        assert "code" in answer(resume(alices))

        response = resume(alices)

        assert response.status_code == 409
        assert not response.has_header("Location")
        assert AuthorizationCode.unscoped.count() == 1

    def test_another_browser_cannot_resume_it(
        self, alices: Browser, acme_web: Client, employee: Person
    ) -> None:
        victim = Browser()
        cast.sign_in(victim, employee)
        authorize(alices, acme_web, prompt="login")

        response = resume(victim)

        assert response.status_code == 404
        assert not response.has_header("Location")
        assert nothing_was_issued()

    @pytest.mark.parametrize("handle", ["", "x", "\0", "0" * 5000, "0" * 32])
    def test_a_made_up_handle_is_told_so(self, alices: Browser, handle: str) -> None:
        assert alices.get("/oauth/authorize/resume", {"id": handle}).status_code == 404

    def test_it_runs_out(self, visitor: Browser, acme_web: Client, employee: Person) -> None:
        authorize(visitor, acme_web)
        _sign_in_keeping(visitor, employee)
        AuthorizationRequest.unscoped.update(expires_at=clock.now())

        assert resume(visitor).status_code == 409
        assert nothing_was_issued()

    def test_a_redirect_uri_withdrawn_meanwhile_gets_a_page(
        self, visitor: Browser, acme_web: Client, employee: Person
    ) -> None:
        authorize(visitor, acme_web)
        _sign_in_keeping(visitor, employee)
        update_client(
            client=acme_web, redirect_uris=["https://new.acme.example/cb"], now=clock.now()
        )

        response = resume(visitor)

        assert is_error_page(response)
        assert nothing_was_issued()

    @pytest.mark.usefixtures("early_in_a_window")
    def test_beginning_is_limited(self, visitor: Browser, acme_web: Client) -> None:
        for _ in range(PENDING_REQUESTS.burst):
            spend(PENDING_REQUESTS, "127.0.0.1", now=clock.now())

        assert authorize(visitor, acme_web).status_code == 429


class TestPrompts:
    def test_prompt_login_proves_anew_and_does_not_loop(
        self, alices: Browser, acme_web: Client, later: Any
    ) -> None:
        response = authorize(alices, acme_web, prompt="login")
        assert path(response) == "/step-up/"
        assert query(response)["max_age"] == "0"
        assert path(resume(alices)) == "/step-up/"  # coming back without having done it

        later(seconds=2)
        LoginSession.unscoped.update(auth_time=clock.now())
        later(seconds=40)

        assert "code" in answer(resume(alices))

    def test_an_old_sign_in_is_renewed_for_max_age_and_does_not_loop(
        self, alices: Browser, acme_web: Client, later: Any
    ) -> None:
        later(seconds=5)
        response = authorize(alices, acme_web, max_age="1")
        assert path(response) == "/step-up/"
        assert query(response)["max_age"] == "1"

        LoginSession.unscoped.update(auth_time=clock.now())
        later(seconds=30)

        assert "code" in answer(resume(alices))

    def test_a_recent_sign_in_satisfies_max_age(
        self, alices: Browser, acme_web: Client, later: Any
    ) -> None:
        later(seconds=5)

        assert "code" in answer(authorize(alices, acme_web, max_age="10000"))

    def test_max_age_fails_silently(self, alices: Browser, acme_web: Client, later: Any) -> None:
        later(seconds=5)

        response = authorize(alices, acme_web, max_age="1", prompt="none")

        assert answer(response)["error"] == "login_required"

    def test_a_client_may_demand_more(
        self, visitor: Browser, acme_web: Client, employee: Person
    ) -> None:
        cast.sign_in(visitor, employee, acr="aal1")
        update_client(client=acme_web, required_acr="aal2", now=clock.now())

        response = authorize(visitor, acme_web)

        assert path(response) == "/step-up/"
        assert query(response)["acr"] == "aal2"
        silent = authorize(visitor, acme_web, prompt="none")
        assert answer(silent)["error"] == "interaction_required"
        assert nothing_was_issued()

    def test_acr_values_ask_for_what_the_user_can_prove(
        self, visitor: Browser, acme_web: Client, employee: Person
    ) -> None:
        cast.sign_in(visitor, employee, acr="aal1")

        assert query(authorize(visitor, acme_web, acr_values="aal2"))["acr"] == "aal2"

    def test_acr_values_out_of_reach_are_let_go(
        self, visitor: Browser, acme_web: Client, newcomer: Person
    ) -> None:
        cast.sign_in(visitor, newcomer, acr="aal1")

        assert "code" in answer(authorize(visitor, acme_web, acr_values="aal2"))

    def test_select_account_asks_once(self, alices: Browser, acme_web: Client) -> None:
        response = authorize(alices, acme_web, prompt="select_account")
        assert path(response) == "/oauth/authorize/account"
        page = alices.get(response["Location"])
        assert b"alice@acme.example" in page.content
        handle = query(response)["id"]

        response = alices.post(
            "/oauth/authorize/account", {"request": handle, "decision": "continue"}
        )

        assert path(response) == "/oauth/authorize/resume"
        assert "code" in answer(alices.get(response["Location"]))

    def test_another_account_signs_the_first_one_out(
        self, alices: Browser, acme_web: Client, newcomer: Person
    ) -> None:
        handle = query(authorize(alices, acme_web, prompt="select_account"))["id"]

        response = alices.post(
            "/oauth/authorize/account", {"request": handle, "decision": "switch"}
        )
        response = alices.get(response["Location"])

        assert path(response) == reverse("account_login")
        assert LoginSession.unscoped.get().ended_at is not None
        _sign_in_keeping(alices, newcomer)
        assert "code" in answer(resume(alices))
        assert AuthorizationCode.unscoped.get().user == newcomer.user


class TestOtherOrganisations:
    def test_a_user_of_another_organisation_is_turned_away(
        self, visitor: Browser, acme_web: Client, outsider: Person
    ) -> None:
        cast.sign_in(visitor, outsider)

        response = authorize(visitor, acme_web)

        assert answer(response)["error"] == "access_denied"
        assert nothing_was_issued()
        event = AuditEvent.objects.get(event="idp.authorization.denied")
        assert event.actor == f"accounts.User:{outsider.user.pk}"
        assert event.subject == f"idp.Client:{acme_web.pk}"

    def test_it_can_give_no_consent(
        self, visitor: Browser, acme_spa: Client, outsider: Person
    ) -> None:
        cast.sign_in(visitor, outsider)

        assert answer(authorize(visitor, acme_spa))["error"] == "access_denied"
        assert not Consent.unscoped.exists()


def _sign_in_keeping(visitor: Browser, who: Person, *, acr: str = "aal2") -> None:
    """Sign in as the pages do: what the browser's session held before is carried over."""
    kept = visitor.session["authorization_browser"]
    cast.sign_in(visitor, who, acr=acr)
    session = visitor.session
    session["authorization_browser"] = kept
    session.save()


class TestPagesOnTheWay:
    def test_sign_in_says_where_one_is_going_and_who_is_expected(
        self, visitor: Browser, acme_web: Client
    ) -> None:
        response = authorize(visitor, acme_web, login_hint="alice@acme.example")

        page = visitor.get(response["Location"]).content.decode()

        assert "Acme Web" in page
        assert 'value="alice@acme.example"' in page

    def test_without_a_request_of_this_browser_it_names_nobody(
        self, visitor: Browser, acme_web: Client
    ) -> None:
        location = authorize(Browser(), acme_web)["Location"]

        assert "Acme Web" not in visitor.get(location).content.decode()

    def test_the_second_factor_page_says_it_too(
        self, visitor: Browser, acme_web: Client, employee: Person
    ) -> None:
        location = authorize(visitor, acme_web)["Location"]

        response = visitor.post(location, {"login": employee.email, "password": employee.password})
        page = visitor.get(response["Location"]).content.decode()

        assert "Acme Web" in page

    @pytest.mark.parametrize("target", ["//[", "/oauth/authorize/resume?id=\0", "/\0", "http://["])
    def test_a_broken_next_breaks_nothing(self, visitor: Browser, target: str, db: None) -> None:
        assert visitor.get(reverse("account_login"), {"next": target}).status_code < 500
