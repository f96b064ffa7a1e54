"""RP-initiated logout."""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from idp.flows import deactivate_client
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, target
from tests.support.oauth import issue_code, redeem, refresh

RETURN_TO = "https://app.acme.example/"


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser(enforce_csrf_checks=False)
    cast.sign_in(visitor, employee)
    return visitor


@pytest.fixture
def tokens(alices: Browser, acme_web: Client, employee: Person) -> dict[str, Any]:
    return redeem(acme_web, issue_code(acme_web, employee.user.login_sessions.get())).json


def end(browser: Browser, **parameters: str) -> Any:
    return browser.get(f"/oauth/end-session?{urlencode(parameters)}")


def is_signed_in() -> bool:
    return LoginSession.unscoped.filter(ended_at=None).exists()


class TestWithAHint:
    def test_it_signs_out_and_returns_with_state_alone(
        self, alices: Browser, acme_web: Client, tokens: dict[str, Any]
    ) -> None:
        response = end(
            alices, id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO,
            state="a b&c/=?",
        )  # fmt: skip

        assert response.status_code == 303
        assert response["Location"] == f"{RETURN_TO}?state=a%20b%26c%2F%3D%3F"
        assert response["Clear-Site-Data"] == '"cache"'
        assert LoginSession.unscoped.get().end_reason == "signed_out"
        assert AuditEvent.objects.filter(event="sessions.session.ended").count() == 1
        silent = authorize(alices, acme_web, prompt="none")
        assert answer(silent)["error"] == "login_required"
        assert refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"

    def test_without_state_none_comes_back(self, alices: Browser, tokens: dict[str, Any]) -> None:
        response = end(alices, id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO)

        assert response["Location"] == RETURN_TO

    def test_without_an_address_it_ends_on_a_page(
        self, alices: Browser, tokens: dict[str, Any]
    ) -> None:
        response = end(alices, id_token_hint=tokens["id_token"])

        assert response.status_code == 200
        assert b"You are signed out" in response.content
        assert not is_signed_in()

    def test_an_expired_hint_is_good(
        self, alices: Browser, tokens: dict[str, Any], later: Any
    ) -> None:
        later(hours=3)

        end(alices, id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO)

        assert not is_signed_in()

    @pytest.mark.parametrize(
        "uri", [f"{RETURN_TO}?a=1", f"{RETURN_TO}x", "https://evil.example/", RETURN_TO[:-1]]
    )
    def test_an_unregistered_address_is_never_gone_to(
        self, alices: Browser, tokens: dict[str, Any], uri: str
    ) -> None:
        response = end(
            alices, id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri, state="s"
        )

        assert response.status_code == 200
        assert not response.has_header("Location")
        assert uri.encode() not in response.content

    def test_signed_out_already_it_returns_all_the_same(
        self, alices: Browser, tokens: dict[str, Any]
    ) -> None:
        response = end(
            Browser(), id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO
        )

        assert response["Location"] == RETURN_TO
        assert is_signed_in()  # alice's own browser is not concerned

    def test_a_client_that_is_gone_leads_nowhere(
        self, alices: Browser, acme_web: Client, tokens: dict[str, Any]
    ) -> None:
        deactivate_client(client=acme_web, now=clock.now())

        response = end(alices, id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO)

        assert response.status_code == 200
        assert is_signed_in()

    def test_a_hint_of_another_session_asks_first(
        self, alices: Browser, employee: Person, tokens: dict[str, Any]
    ) -> None:
        other = Browser()
        cast.sign_in(other, employee)

        response = end(other, id_token_hint=tokens["id_token"], post_logout_redirect_uri=RETURN_TO)

        assert response.status_code == 200
        assert b"logout-form" in response.content
        assert LoginSession.unscoped.filter(ended_at=None).count() == 2

    def test_a_hint_of_another_user_asks_first(
        self, newcomer: Person, tokens: dict[str, Any]
    ) -> None:
        other = Browser()
        cast.sign_in(other, newcomer)

        assert b"logout-form" in end(other, id_token_hint=tokens["id_token"]).content
        assert LoginSession.unscoped.filter(ended_at=None).count() == 2

    def test_a_client_id_that_differs_is_not_believed(
        self, alices: Browser, acme_spa: Client, tokens: dict[str, Any]
    ) -> None:
        response = end(
            alices, id_token_hint=tokens["id_token"], client_id=acme_spa.client_id,
            post_logout_redirect_uri=RETURN_TO,
        )  # fmt: skip

        assert b"logout-form" in response.content
        assert is_signed_in()


class TestConfirming:
    def test_without_a_hint_the_user_is_asked(self, alices: Browser, acme: Organisation) -> None:
        response = end(alices)

        assert b"logout-form" in response.content
        assert is_signed_in()

    def test_signing_out_is_confirmed_by_post(self, alices: Browser) -> None:
        response = alices.post(
            "/oauth/end-session", "decision=logout",
            content_type="application/x-www-form-urlencoded",
        )  # fmt: skip

        assert b"You are signed out" in response.content
        assert not is_signed_in()

    def test_staying_is_possible(self, alices: Browser) -> None:
        response = _confirm(alices, decision="stay")

        assert response.status_code == 302
        assert is_signed_in()

    @pytest.mark.parametrize("decision", ["", "maybe"])
    def test_anything_else_asks_again(self, alices: Browser, decision: str) -> None:
        assert b"logout-form" in _confirm(alices, decision=decision).content
        assert is_signed_in()

    def test_without_a_hint_the_address_is_at_most_a_link(
        self, alices: Browser, acme_web: Client
    ) -> None:
        response = _confirm(
            alices, decision="logout", client_id=acme_web.client_id,
            post_logout_redirect_uri=RETURN_TO, state="s",
        )  # fmt: skip

        assert response.status_code == 200
        assert not response.has_header("Refresh")
        assert f'href="{RETURN_TO}?state=s"'.encode() in response.content

    def test_an_address_alone_leads_nowhere(self, alices: Browser, acme_web: Client) -> None:
        response = _confirm(alices, decision="logout", post_logout_redirect_uri=RETURN_TO)

        assert response.status_code == 200
        assert RETURN_TO.encode() not in response.content

    def test_with_a_hint_of_another_session_it_returns_after_the_question(
        self, alices: Browser, employee: Person, tokens: dict[str, Any]
    ) -> None:
        other = Browser()
        cast.sign_in(other, employee)

        response = _confirm(
            other, decision="logout", id_token_hint=tokens["id_token"],
            post_logout_redirect_uri=RETURN_TO, state="s",
        )  # fmt: skip

        assert response.status_code == 200  # the form's page moves on by itself
        assert target(response) == f"{RETURN_TO}?state=s"

    def test_another_site_cannot_confirm(self, employee: Person) -> None:
        strict = Browser(enforce_csrf_checks=True)
        cast.sign_in(strict, employee)

        response = _confirm(strict, decision="logout")

        assert response.status_code == 403
        assert is_signed_in()

    def test_a_post_of_a_client_comes_again_as_a_get(self, tokens: dict[str, Any]) -> None:
        response = Browser(enforce_csrf_checks=True).post(
            "/oauth/end-session",
            urlencode({"id_token_hint": tokens["id_token"], "state": "s"}),
            content_type="application/x-www-form-urlencoded",
        )

        assert response.status_code == 303
        assert response["Location"].startswith("/oauth/end-session?id_token_hint=")

    def test_signed_out_already_there_is_nothing_to_ask(self, db: None) -> None:
        assert b"You are signed out" in end(Browser(), state="s").content

    @pytest.mark.parametrize(
        "raw", ["state=a&state=b", "state=%00", "client_id=%ff", "a=" + "b" * 9000]
    )
    def test_bad_input_gets_a_page(self, alices: Browser, raw: str) -> None:
        response = alices.get(f"/oauth/end-session?{raw}")

        assert response.status_code == 400
        assert is_signed_in()


class TestHintsThatAreNone:
    """What is not an ID token of ours causes neither a sign-out nor a redirect."""

    @pytest.fixture
    def assert_ignored(self, alices: Browser, acme_web: Client) -> Any:
        def check(hint: str) -> None:
            response = end(
                alices, id_token_hint=hint, post_logout_redirect_uri=RETURN_TO,
                client_id=acme_web.client_id,
            )  # fmt: skip
            assert response.status_code == 200
            assert b"logout-form" in response.content
            response = _confirm(
                alices, decision="logout", id_token_hint=hint,
                post_logout_redirect_uri=RETURN_TO, client_id=acme_web.client_id,
            )  # fmt: skip
            assert not response.has_header("Refresh")
            assert RETURN_TO.encode() not in response.content

        return check

    def test_an_unsigned_one(self, tokens: dict[str, Any], assert_ignored: Any) -> None:
        _, payload, _ = tokens["id_token"].split(".")
        assert_ignored(f"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.")

    def test_one_signed_by_somebody_else(self, tokens: dict[str, Any], assert_ignored: Any) -> None:
        from joserfc import jwt
        from joserfc.jwk import ECKey

        from tests.support.oauth import claims_of, header_of

        forged = jwt.encode(
            header_of(tokens["id_token"]), claims_of(tokens["id_token"]),
            ECKey.generate_key("P-256"), algorithms=["ES256"],
        )  # fmt: skip
        assert_ignored(forged)

    def test_an_access_token(self, tokens: dict[str, Any], assert_ignored: Any) -> None:
        assert_ignored(tokens["access_token"])

    @pytest.mark.parametrize("hint", ["x", "a.b.c", "..", "eyJ" * 900])
    def test_nonsense(self, hint: str, assert_ignored: Any) -> None:
        assert_ignored(hint)


def _confirm(browser: Browser, **form: str) -> Any:
    return browser.post(
        "/oauth/end-session", urlencode(form), content_type="application/x-www-form-urlencoded"
    )
