"""Consent: asking, remembering, withdrawing."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp.authorization import issue
from idp.flows import connected_applications, grant_consent, revoke_consent
from idp.grants import proof
from idp.models import AuthorizationCode, AuthorizationRequest, Client, Consent, RefreshFamily
from tests import cast
from tests.cast import Person
from tests.support.authorize import answer, authorize, nothing_was_issued, path, query
from tests.support.oauth import issue_code, redeem, refresh
from tests.support.racing import Meanwhile


@pytest.fixture
def alices(employee: Person) -> Browser:
    visitor = Browser()
    cast.sign_in(visitor, employee)
    return visitor


def ask(browser: Browser, client: Client, **changes: Any) -> str:
    """Begin, and return the handle of the consent page that follows."""
    response = authorize(browser, client, **changes)
    assert path(response) == "/oauth/consent"
    return query(response)["id"]


def decide(browser: Browser, handle: str, decision: str, **more: str) -> Any:
    return browser.post("/oauth/consent", {"request": handle, "decision": decision} | more)


def withdraw(who: Person, client: Client) -> int:
    return revoke_consent(user=who.user, client=client, session_id=None, now=clock.now())


class TestAsking:
    def test_a_third_party_asks_and_shows_what_for(self, alices: Browser, acme_spa: Client) -> None:
        handle = ask(alices, acme_spa)

        page = alices.get(f"/oauth/consent?id={handle}").content.decode()

        assert "Acme Spa" in page
        assert "alice@acme.example" in page
        assert "app.acme.example" in page
        assert handle in page
        assert nothing_was_issued()

    def test_allowing_leads_back_with_a_code(
        self, alices: Browser, acme_spa: Client, employee: Person
    ) -> None:
        response = decide(alices, ask(alices, acme_spa), "allow")

        assert path(response) == "/oauth/authorize/resume"
        assert "code" in answer(alices.get(response["Location"]))
        consent = Consent.unscoped.get()
        assert (consent.user, consent.client) == (employee.user, acme_spa)
        assert consent.scopes == ["openid", "profile"]
        event = AuditEvent.objects.get(event="idp.consent.granted")
        assert event.facts["scopes"] == ["openid", "profile"]

    def test_it_is_remembered(self, alices: Browser, acme_spa: Client) -> None:
        decide(alices, ask(alices, acme_spa), "allow")

        assert "code" in answer(authorize(alices, acme_spa, scope="openid"))
        assert "code" in answer(authorize(alices, acme_spa, prompt="none"))

    def test_more_scopes_ask_again_and_add_up(self, alices: Browser, acme_spa: Client) -> None:
        decide(alices, ask(alices, acme_spa), "allow")

        handle = ask(alices, acme_spa, scope="openid email")
        page = alices.get(f"/oauth/consent?id={handle}").content.decode()
        decide(alices, handle, "allow")

        assert "It asks for more than you allowed before." in page
        assert Consent.unscoped.get().scopes == ["openid", "profile", "email"]

    def test_prompt_consent_asks_again_once(self, alices: Browser, acme_spa: Client) -> None:
        decide(alices, ask(alices, acme_spa), "allow")

        response = decide(alices, ask(alices, acme_spa, prompt="consent"), "allow")

        assert "code" in answer(alices.get(response["Location"]))

    def test_denying_leads_back_with_access_denied(self, alices: Browser, acme_spa: Client) -> None:
        response = decide(alices, ask(alices, acme_spa), "deny")

        assert answer(response)["error"] == "access_denied"
        assert answer(response)["state"] == "s-1"
        assert nothing_was_issued()
        assert not Consent.unscoped.exists()
        assert AuditEvent.objects.filter(event="idp.authorization.denied").count() == 1

    def test_a_client_of_ones_own_organisation_does_not_ask(
        self, alices: Browser, acme_web: Client
    ) -> None:
        assert "code" in answer(authorize(alices, acme_web))

    @pytest.mark.parametrize("decision", ["", "maybe", "ALLOW"])
    def test_any_other_answer_asks_again(
        self, alices: Browser, acme_spa: Client, decision: str
    ) -> None:
        response = decide(alices, ask(alices, acme_spa), decision)

        assert response.status_code == 200
        assert nothing_was_issued()
        assert not Consent.unscoped.exists()


class TestTwice:
    def test_a_double_submit_gets_a_kind_page(self, alices: Browser, acme_spa: Client) -> None:
        handle = ask(alices, acme_spa)
        alices.get(decide(alices, handle, "allow")["Location"])

        response = decide(alices, handle, "allow")

        assert response.status_code == 409
        assert b"Nothing left to do here" in response.content
        assert AuthorizationCode.unscoped.count() == 1

    def test_two_tabs_each_have_their_own_request(self, alices: Browser, acme_spa: Client) -> None:
        first = ask(alices, acme_spa, state="one")
        second = ask(alices, acme_spa, state="two", scope="openid email")

        response = alices.get(decide(alices, first, "allow")["Location"])

        assert answer(response)["state"] == "one"
        assert Consent.unscoped.get().scopes == ["openid", "profile"]
        response = alices.get(decide(alices, second, "allow")["Location"])
        assert answer(response)["state"] == "two"

    def test_a_denial_after_an_answer_changes_nothing(
        self, alices: Browser, acme_spa: Client
    ) -> None:
        handle = ask(alices, acme_spa)
        alices.get(decide(alices, handle, "allow")["Location"])

        assert decide(alices, handle, "deny").status_code == 409
        assert not AuditEvent.objects.filter(event="idp.authorization.denied").exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_simultaneous_finishes_one_gets_the_code(
        self, alices: Browser, acme_spa: Client
    ) -> None:
        handle = ask(alices, acme_spa)
        location = decide(alices, handle, "allow")["Location"]
        statuses: list[int] = []
        together = threading.Barrier(4, timeout=60)

        def finish() -> None:
            tab = Browser()
            tab.cookies = alices.cookies
            together.wait()
            statuses.append(tab.get(location).status_code)
            connection.close()

        tabs = [threading.Thread(target=finish) for _ in range(4)]
        for tab in tabs:
            tab.start()
        for tab in tabs:
            tab.join()

        assert sorted(statuses) == [200, 409, 409, 409]
        assert AuthorizationCode.unscoped.count() == 1

    def test_somebody_else_who_signed_in_meanwhile_is_asked_themselves(
        self, alices: Browser, acme_spa: Client, newcomer: Person
    ) -> None:
        handle = ask(alices, acme_spa)
        decide(alices, handle, "allow")
        kept = alices.session["authorization_browser"]
        cast.sign_in(alices, newcomer)
        session = alices.session
        session["authorization_browser"] = kept
        session.save()

        response = alices.get(f"/oauth/authorize/resume?id={handle}")

        assert path(response) == "/oauth/consent"
        assert nothing_was_issued()


class TestGrantConsent:
    def test_it_refuses_a_user_of_another_organisation(
        self, acme_spa: Client, outsider: Person
    ) -> None:
        with pytest.raises(Refusal) as refused:
            grant_consent(
                user=outsider.user, client=acme_spa, scopes=["openid"], session_id=None,
                now=clock.now(),
            )  # fmt: skip

        assert refused.value.code == "access_denied"
        assert not Consent.unscoped.exists()


class TestRevokeConsent:
    @pytest.fixture
    def tokens(self, alices: Browser, acme_spa: Client, employee: Person) -> dict[str, Any]:
        decide(alices, ask(alices, acme_spa), "allow")
        session = employee.user.login_sessions.get()
        return redeem(acme_spa, issue_code(acme_spa, session)).json

    def test_it_ends_the_refresh_tokens_in_the_same_transaction(
        self, employee: Person, acme_spa: Client, tokens: dict[str, Any]
    ) -> None:
        ended = revoke_consent(
            user=employee.user, client=acme_spa, session_id=None, now=clock.now()
        )

        assert ended == 1
        assert Consent.unscoped.get().revoked_at is not None
        assert RefreshFamily.unscoped.get().revoke_reason == "consent_revoked"
        assert refresh(acme_spa, tokens["refresh_token"]).error == "invalid_grant"
        event = AuditEvent.objects.get(event="idp.consent.revoked")
        assert event.facts == {"refresh_families": 1, "forward_sessions": 0}

    def test_a_code_on_its_way_ends_too(
        self, employee: Person, acme_spa: Client, alices: Browser
    ) -> None:
        code = issue_code(acme_spa, employee.user.login_sessions.get())

        revoke_consent(user=employee.user, client=acme_spa, session_id=None, now=clock.now())

        assert redeem(acme_spa, code).error == "invalid_grant"

    @pytest.mark.django_db(transaction=True)
    def test_a_code_that_is_redeemed_meanwhile_ends_too(
        self,
        employee: Person,
        acme_spa: Client,
        alices: Browser,
        tokens: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The redemption has its family, but has not committed it when the consent goes."""
        code = issue_code(acme_spa, employee.user.login_sessions.get())
        judge, begun = proof.judge, []

        def overtaken(*about: Any) -> Any:
            begun.append(Meanwhile(lambda: withdraw(employee, acme_spa)))
            return judge(*about)

        with monkeypatch.context() as patch:
            patch.setattr(proof, "judge", overtaken)
            given = redeem(acme_spa, code).json

        assert begun[0].answer() == 2
        assert refresh(acme_spa, given["refresh_token"]).error == "invalid_grant"
        assert not RefreshFamily.unscoped.filter(revoked_at=None).exists()

    @pytest.mark.django_db(transaction=True)
    def test_no_code_is_issued_once_it_is_withdrawn(
        self,
        employee: Person,
        acme_spa: Client,
        alices: Browser,
        tokens: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """It was there when it was looked at, and is not when the code is made."""
        make = issue._issue_code

        def overtaken(*about: Any, **how: Any) -> str:
            assert Meanwhile(lambda: withdraw(employee, acme_spa)).answer() == 1
            return make(*about, **how)

        before = AuthorizationCode.unscoped.count()
        monkeypatch.setattr(issue, "_issue_code", overtaken)

        response = authorize(alices, acme_spa)

        assert answer(response)["error"] == "access_denied"
        assert AuthorizationCode.unscoped.count() == before
        denied = AuditEvent.objects.get(event="idp.authorization.denied")
        assert denied.facts["reasons"] == ["consent_withdrawn"]

    def test_the_client_asks_again_afterwards(
        self, alices: Browser, employee: Person, acme_spa: Client, tokens: dict[str, Any]
    ) -> None:
        revoke_consent(user=employee.user, client=acme_spa, session_id=None, now=clock.now())

        assert path(authorize(alices, acme_spa)) == "/oauth/consent"

    def test_it_leaves_other_users_and_clients_alone(
        self,
        employee: Person,
        newcomer: Person,
        acme_spa: Client,
        acme_web: Client,
        alices: Browser,
    ) -> None:
        session = employee.user.login_sessions.get()
        others = cast.sign_in(Browser(), newcomer)
        mine = redeem(acme_web, issue_code(acme_web, session)).json
        theirs = redeem(acme_spa, issue_code(acme_spa, others)).json

        revoke_consent(user=employee.user, client=acme_spa, session_id=None, now=clock.now())

        assert refresh(acme_web, mine["refresh_token"]).status == 200
        assert refresh(acme_spa, theirs["refresh_token"]).status == 200

    def test_the_page_withdraws_by_post(
        self, alices: Browser, acme_spa: Client, tokens: dict[str, Any]
    ) -> None:
        response = alices.post(f"/applications/{acme_spa.id}/withdraw/")

        assert response.status_code == 302
        assert response["Location"] == "/security/applications/"
        assert Consent.unscoped.get().revoked_at is not None

    def test_a_weak_or_old_sign_in_steps_up_first(
        self, alices: Browser, acme_spa: Client, tokens: dict[str, Any], later: Any
    ) -> None:
        later(minutes=16)

        response = alices.post(f"/applications/{acme_spa.id}/withdraw/")

        assert response["Location"].startswith("/step-up/")
        assert Consent.unscoped.get().revoked_at is None

    def test_a_client_of_another_organisation_is_not_there(
        self, alices: Browser, globex_web: Client
    ) -> None:
        assert alices.post(f"/applications/{globex_web.id}/withdraw/").status_code == 404

    def test_it_is_no_link(self, alices: Browser, acme_spa: Client) -> None:
        """Coming back from a step-up by GET leads to the list, and takes nothing back."""
        decide(alices, ask(alices, acme_spa), "allow")

        response = alices.get(f"/applications/{acme_spa.id}/withdraw/")

        assert (response.status_code, response["Location"]) == (302, "/security/applications/")
        assert Consent.unscoped.get().revoked_at is None


class TestConnectedApplications:
    def test_it_lists_consents_and_live_tokens(
        self, alices: Browser, acme_spa: Client, acme_web: Client, employee: Person
    ) -> None:
        decide(alices, ask(alices, acme_spa), "allow")
        session = employee.user.login_sessions.get()
        redeem(acme_web, issue_code(acme_web, session, scope="openid email"))

        listed = {a.client: a for a in connected_applications(employee.user, now=clock.now())}

        assert set(listed) == {acme_spa, acme_web}
        assert listed[acme_spa].scopes == ("openid", "profile")
        assert listed[acme_spa].last_used_at is None
        assert listed[acme_web].scopes == ("openid", "email")
        assert listed[acme_web].last_used_at is not None
        assert listed[acme_web].id == acme_web.id

    def test_what_was_withdrawn_is_gone(
        self, alices: Browser, acme_spa: Client, employee: Person
    ) -> None:
        decide(alices, ask(alices, acme_spa), "allow")
        revoke_consent(user=employee.user, client=acme_spa, session_id=None, now=clock.now())

        assert connected_applications(employee.user, now=clock.now()) == []

    def test_it_takes_four_statements(
        self, alices: Browser, acme_spa: Client, employee: Person, django_assert_num_queries: Any
    ) -> None:
        decide(alices, ask(alices, acme_spa), "allow")

        with django_assert_num_queries(4):
            connected_applications(employee.user, now=clock.now())


class TestAccountPage:
    def test_a_hint_for_somebody_else_offers_no_going_on(
        self, alices: Browser, acme_web: Client, newcomer: Person
    ) -> None:
        others = cast.sign_in(Browser(), newcomer)
        hint = redeem(acme_web, issue_code(acme_web, others)).json["id_token"]
        response = authorize(alices, acme_web, id_token_hint=hint)
        assert path(response) == "/oauth/authorize/account"
        handle = query(response)["id"]
        assert hint not in str(AuthorizationRequest.unscoped.get().parameters)

        page = alices.get(response["Location"]).content.decode()
        alices.post("/oauth/authorize/account", {"request": handle, "decision": "continue"})

        assert 'value="continue"' not in page
        response = alices.get(f"/oauth/authorize/resume?id={handle}")
        assert path(response) == "/oauth/authorize/account"
        assert not AuditEvent.objects.filter(event="idp.code.issued").exists()

    def test_a_hint_for_oneself_goes_on_even_when_expired(
        self, alices: Browser, acme_web: Client, employee: Person, later: Any
    ) -> None:
        session = employee.user.login_sessions.get()
        hint = redeem(acme_web, issue_code(acme_web, session)).json["id_token"]
        later(hours=2)

        response = authorize(alices, acme_web, id_token_hint=hint, prompt="none")

        assert "code" in answer(response)

    def test_a_hint_of_another_client_is_refused(
        self, alices: Browser, acme_web: Client, acme_spa: Client, employee: Person
    ) -> None:
        session = employee.user.login_sessions.get()
        hint = redeem(acme_spa, issue_code(acme_spa, session)).json["id_token"]

        response = authorize(alices, acme_web, id_token_hint=hint)

        assert answer(response)["error"] == "invalid_request"

    def test_an_access_token_is_no_hint(
        self, alices: Browser, acme_web: Client, employee: Person
    ) -> None:
        session = employee.user.login_sessions.get()
        token = redeem(acme_web, issue_code(acme_web, session)).json["access_token"]

        response = authorize(alices, acme_web, id_token_hint=token)

        assert answer(response)["error"] == "invalid_request"
