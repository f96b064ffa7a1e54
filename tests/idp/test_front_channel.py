"""Tokens of the authorization endpoint itself: what they stand on, and what refuses them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from idp.authorization import front_channel
from idp.authorization.front_channel import SessionRefused
from idp.clients import authentication
from idp.models import Client, RefreshFamily
from idp.requests.parameters import AuthorizationParams
from sessions.flows import end_session
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

TYPES = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"]


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


def asked(response_type: str, **changes: Any) -> AuthorizationParams:
    values: dict[str, Any] = {
        "client_id": "acme-web", "redirect_uri": cast.REDIRECT_URI, "nonce": "n-1",
        "scope": ("openid", "profile"),
    }  # fmt: skip
    return AuthorizationParams(response_type=response_type, **(values | changes))


def issue(
    client: Client, session: LoginSession, response_type: str = "id_token token", **how: Any
) -> dict[str, str]:
    terms = how.pop("terms", {})
    code = how.pop("code", None)
    return front_channel.issue_tokens(
        asked(response_type, **how), client=client, user=session.user, session=session, code=code,
        terms=terms, now=clock.now(),
    )  # fmt: skip


def nothing_is_left() -> bool:
    return (
        not RefreshFamily.unscoped.exists()
        and not AuditEvent.objects.filter(event="idp.token.issued").exists()
    )


class TestIssueTokens:
    @pytest.mark.parametrize("response_type", TYPES)
    def test_each_word_names_one(
        self, acme_web: Client, session: LoginSession, response_type: str
    ) -> None:
        given = issue(acme_web, session, response_type, code="c")

        words = set(response_type.split())
        assert ("id_token" in given) is ("id_token" in words)
        assert ("access_token" in given) is ("token" in words)
        assert not {"refresh_token", "code"} & given.keys()
        assert all(isinstance(value, str) for value in given.values())

    def test_an_access_token_stands_on_a_family_that_never_refreshes(
        self, acme_web: Client, session: LoginSession, now: datetime
    ) -> None:
        terms = {"acr": "aal2"}

        given = issue(acme_web, session, terms=terms)

        family = RefreshFamily.unscoped.get()
        assert (family.client, family.user, family.session) == (acme_web, session.user, session)
        assert (family.scope, family.terms) == ("openid profile", terms)
        assert not family.issues_refresh
        assert family.expires_at - now < settings.ACCESS_TOKEN_LIFETIME + timedelta(minutes=1)
        claims = oauth.claims_of(given["access_token"])
        assert claims["scope"] == "openid profile"
        assert claims["exp"] <= family.expires_at.timestamp()

    @pytest.mark.parametrize("response_type", ["id_token", "code id_token"])
    def test_an_id_token_alone_stands_on_none(
        self, acme_web: Client, session: LoginSession, response_type: str
    ) -> None:
        issue(acme_web, session, response_type, code="c")

        assert not RefreshFamily.unscoped.exists()
        assert AuditEvent.objects.get(event="idp.token.issued").facts["family"] is None

    def test_it_is_written_down(self, acme_web: Client, session: LoginSession) -> None:
        issue(acme_web, session)

        event = AuditEvent.objects.get(event="idp.token.issued")
        assert event.actor == f"accounts.User:{session.user_id}"
        assert event.subject == f"idp.Client:{acme_web.pk}"
        assert (event.session_id, event.organisation_id) == (session.pk, acme_web.organisation_id)
        assert event.facts == {
            "grant_type": "implicit",
            "response_type": "id_token token",
            "scope": "openid profile",
            "family": str(RefreshFamily.unscoped.get().pk),
            "withheld": [],
        }

    def test_only_without_an_access_token_the_claims_are_in_the_id_token(
        self, acme_web: Client, session: LoginSession
    ) -> None:
        alone = oauth.claims_of(issue(acme_web, session, "id_token")["id_token"])
        beside = oauth.claims_of(issue(acme_web, session, "id_token token")["id_token"])
        later = oauth.claims_of(issue(acme_web, session, "code id_token", code="c")["id_token"])

        assert alone["name"] == "Alice Arden"
        assert "email" not in alone, "not among the scopes"
        assert "name" not in beside
        assert "name" not in later, "the code leads to userinfo"

    def test_a_registered_resource_is_the_audience(self, acme: Any, session: LoginSession) -> None:
        api = "https://api.acme.example"
        app = cast.client("app", acme, is_first_party=True, metadata={"resources": [api]})

        given = issue(app, session, client_id="app", terms={"resource": [api]})

        assert api in oauth.claims_of(given["access_token"])["aud"]


class TestRefused:
    """Whatever ends a session ends this way to tokens, and nothing is left behind."""

    def refused(self, client: Client, session: LoginSession) -> tuple[str, ...]:
        with pytest.raises(SessionRefused) as refused:
            issue(client, session)
        assert nothing_is_left()
        return refused.value.reasons

    def test_a_session_that_ended(self, acme_web: Client, session: LoginSession) -> None:
        end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())

        assert self.refused(acme_web, session)

    def test_a_session_that_is_gone(self, acme_web: Client, session: LoginSession) -> None:
        LoginSession.unscoped.filter(pk=session.pk).delete()

        assert self.refused(acme_web, session) == ("session_gone",)

    def test_a_session_that_is_over(
        self, acme_web: Client, session: LoginSession, later: Any
    ) -> None:
        later(days=30)

        assert self.refused(acme_web, session)

    def test_a_closed_account(self, acme_web: Client, session: LoginSession) -> None:
        type(session.user).unscoped.update(is_active=False)

        assert self.refused(acme_web, session)

    def test_a_client_that_asks_for_more(
        self, acme: Any, client: Browser, newcomer: Person
    ) -> None:
        weak = cast.sign_in(client, newcomer, acr="aal1")
        strict = cast.client("strict", acme, is_first_party=True, required_acr="aal2")

        assert self.refused(strict, weak)

    def test_a_client_that_was_switched_off(self, acme_web: Client, session: LoginSession) -> None:
        Client.unscoped.filter(pk=acme_web.pk).update(is_active=False, changed_at=clock.now())

        assert self.refused(acme_web, session)

    def test_a_client_that_is_gone(self, acme: Any, session: LoginSession) -> None:
        gone = cast.client("gone", acme, is_first_party=True)
        authentication.forget()
        Client.unscoped.filter(pk=gone.pk).delete()

        assert self.refused(gone, session) == ("session_gone",)


class TestAsItIsNow:
    def test_a_client_that_changed_is_read_again(
        self, acme_web: Client, session: LoginSession
    ) -> None:
        """This process knows the client from before, for five seconds."""
        issue(acme_web, session)
        Client.unscoped.filter(pk=acme_web.pk).update(
            audience="https://api.acme.example", changed_at=clock.now() + timedelta(seconds=1)
        )

        given = issue(acme_web, session)

        assert "https://api.acme.example" in oauth.claims_of(given["access_token"])["aud"]

    def test_asking_for_keys_of_a_client_that_is_unknown_asks_nobody(
        self, acme_web: Client
    ) -> None:
        Client.unscoped.filter(pk=acme_web.pk).delete()

        front_channel.ask_for_keys(acme_web)
