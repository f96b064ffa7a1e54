"""Pushed authorization requests: what is kept, for whom, how long, and how often it is answered."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser

from audit.models import AuditEvent
from core import clock
from idp.clients import authentication
from idp.flows import deactivate_client
from idp.models import AuthorizationCode, AuthorizationRequest, Client, PushedRequest
from idp.tasks import purge
from tests import cast
from tests.cast import Person
from tests.support import dpop, oauth
from tests.support.authorize import (
    answer,
    authorize,
    is_error_page,
    nothing_was_issued,
    parameters,
    path,
)
from tests.support.push import open_pushed, push, pushed

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def resume(browser: Browser, row: AuthorizationRequest) -> Any:
    return browser.get(f"/oauth/authorize/resume?id={row.id}")


class TestOpening:
    def test_client_and_reference_are_enough(self, alices: Browser, acme_web: Client) -> None:
        response = open_pushed(alices, acme_web, pushed(acme_web))

        assert answer(response).keys() == {"code", "state", "iss"}
        assert answer(response)["state"] == "s-1"
        assert AuthorizationCode.unscoped.get().nonce == "n-1"
        assert PushedRequest.unscoped.get().used_at is not None

    def test_what_stands_beside_it_is_ignored(self, alices: Browser, acme_web: Client) -> None:
        reference = pushed(acme_web, state=None)

        response = open_pushed(
            alices, acme_web, reference, state="other", nonce="other", scope="roles",
            redirect_uri="https://evil.example/", prompt="login", response_type="token",
        )  # fmt: skip

        assert answer(response).keys() == {"code", "iss"}
        assert AuthorizationCode.unscoped.get().nonce == "n-1"
        assert AuthorizationCode.unscoped.get().scope == "openid profile"

    def test_a_hint_that_was_verified_when_pushed_is_kept(
        self, alices: Browser, acme_web: Client, employee: Person, newcomer: Person
    ) -> None:
        other = Browser()
        session = cast.sign_in(other, newcomer)
        hint = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["id_token"]

        response = open_pushed(alices, acme_web, pushed(acme_web, id_token_hint=hint))

        assert path(response) == "/oauth/authorize/account"

    def test_an_error_at_once_is_an_answer_too(self, acme_web: Client) -> None:
        reference = pushed(acme_web, prompt="none")

        assert answer(open_pushed(Browser(), acme_web, reference))["error"] == "login_required"
        assert is_error_page(open_pushed(Browser(), acme_web, reference))

    def test_what_the_client_may_no_longer_ask_is_refused(
        self, alices: Browser, acme_web: Client
    ) -> None:
        reference = pushed(acme_web)
        Client.unscoped.filter(pk=acme_web.pk).update(scopes=["openid"])

        assert answer(open_pushed(alices, acme_web, reference))["error"] == "invalid_scope"

    def test_nor_does_it_lead_to_an_address_that_is_no_longer_registered(
        self, alices: Browser, acme_web: Client
    ) -> None:
        reference = pushed(acme_web)
        Client.unscoped.filter(pk=acme_web.pk).update(redirect_uris=["https://new.example/"])

        assert is_error_page(open_pushed(alices, acme_web, reference))
        assert nothing_was_issued()


class TestOnce:
    def test_it_may_be_opened_again_until_it_is_answered(
        self, acme_spa: Client, employee: Person
    ) -> None:
        browser = Browser()
        reference = pushed(acme_spa)

        assert path(open_pushed(browser, acme_spa, reference)) == "/accounts/login/"
        assert path(open_pushed(browser, acme_spa, reference)) == "/accounts/login/"
        assert AuthorizationRequest.unscoped.count() == 2

    def test_an_answered_one_is_spent(self, alices: Browser, acme_web: Client) -> None:
        reference = pushed(acme_web)
        open_pushed(alices, acme_web, reference)

        response = open_pushed(alices, acme_web, reference)

        assert is_error_page(response)
        assert AuthorizationCode.unscoped.count() == 1

    def test_of_two_sign_ins_that_it_began_one_is_answered(
        self, acme_web: Client, employee: Person
    ) -> None:
        reference = pushed(acme_web)
        first, second = Browser(), Browser()
        rows = []
        for browser in (first, second):
            open_pushed(browser, acme_web, reference)
            rows.append(AuthorizationRequest.unscoped.latest("created_at"))
            secret = browser.session["authorization_browser"]
            cast.sign_in(browser, employee)
            session = browser.session
            session["authorization_browser"] = secret
            session.save()

        assert "code" in answer(resume(first, rows[0]))
        late = resume(second, rows[1])

        assert late.status_code == 409
        assert AuthorizationCode.unscoped.count() == 1
        assert AuditEvent.objects.filter(event="idp.code.issued").count() == 1

    def test_its_minute_is_for_opening_it_not_for_signing_in(
        self, acme_web: Client, employee: Person, later: Any
    ) -> None:
        browser = Browser()
        open_pushed(browser, acme_web, pushed(acme_web))
        row = AuthorizationRequest.unscoped.get()
        secret = browser.session["authorization_browser"]
        later(minutes=10)
        cast.sign_in(browser, employee)
        session = browser.session
        session["authorization_browser"] = secret
        session.save()

        assert "code" in answer(resume(browser, row))


class TestWho:
    def test_another_client_cannot_use_it(self, alices: Browser, acme_web: Client) -> None:
        other = cast.client("acme-other", acme_web.organisation, is_first_party=True)
        reference = pushed(acme_web)

        assert is_error_page(open_pushed(alices, other, reference))
        assert PushedRequest.unscoped.get().used_at is None
        assert nothing_was_issued()

    def test_after_a_minute_it_is_over(self, alices: Browser, acme_web: Client, later: Any) -> None:
        reference = pushed(acme_web)
        later(seconds=61)

        assert is_error_page(open_pushed(alices, acme_web, reference))
        assert nothing_was_issued()

    def test_a_made_up_one_is_refused(self, alices: Browser, acme_web: Client) -> None:
        made_up = "urn:ietf:params:oauth:request_uri:" + "a" * 43

        assert is_error_page(open_pushed(alices, acme_web, made_up))

    def test_a_client_that_was_switched_off_pushes_nothing(
        self, acme_web: Client, approver: Person
    ) -> None:
        push(acme_web)  # the client is cached now
        deactivate_client(client=acme_web, actor=approver.user, now=clock.now())

        assert push(acme_web).status == 401
        assert PushedRequest.unscoped.count() == 1

    def test_nor_one_whose_secret_has_changed_since_it_was_cached(self, acme_web: Client) -> None:
        push(acme_web)
        Client.unscoped.filter(pk=acme_web.pk).update(
            secret_digest=b"x" * 32, changed_at=clock.now()
        )

        assert push(acme_web).status == 401
        assert PushedRequest.unscoped.count() == 1

    @pytest.mark.usefixtures("early_in_a_window")
    def test_public_clients_may_push_a_limited_number(
        self, acme_spa: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from dataclasses import replace

        from idp.endpoints import pushed_request

        small = replace(pushed_request.PUSHED_REQUESTS, burst=2)
        monkeypatch.setattr(pushed_request, "PUSHED_REQUESTS", small)

        assert [push(acme_spa).status for _ in range(3)] == [201, 201, 429]


class TestMustPush:
    @pytest.fixture(
        params=[{"require_pushed_authorization_requests": True}, {"security_profile": "fapi2"}]
    )
    def strict(self, acme_web: Client, request: Any) -> Client:
        Client.unscoped.filter(pk=acme_web.pk).update(metadata=request.param)
        authentication.forget()
        acme_web.refresh_from_db()
        return acme_web

    def test_a_request_that_was_not_pushed_is_refused(
        self, alices: Browser, strict: Client
    ) -> None:
        assert answer(authorize(alices, strict))["error"] == "invalid_request"
        assert nothing_was_issued()


def test_what_was_pushed_long_ago_is_deleted(acme_web: Client, later: Any) -> None:
    pushed(acme_web)
    later(days=1, minutes=2)

    purge()

    assert not PushedRequest.unscoped.exists()


def test_only_a_digest_of_the_reference_is_kept(acme_web: Client) -> None:
    reference = pushed(acme_web)
    row = PushedRequest.unscoped.get()

    assert reference.rsplit(":", 1)[1] not in str(row.parameters)
    assert row.expires_at - row.created_at == timedelta(seconds=60)


class TestProof:
    """A DPoP proof with the pushed request binds the code to its key (RFC 9449 §10.1)."""

    def push(self, client: Client, key: Any, **changes: Any) -> oauth.Reply:
        return oauth.send(
            "POST", "/oauth/par", form=parameters(client, **changes),
            authorization=oauth.basic(client.client_id),
            HTTP_DPOP=dpop.proof(key, path="/oauth/par"),
        )  # fmt: skip

    def test_the_code_is_bound_to_its_key(self, alices: Browser, acme_web: Client) -> None:
        key, other = dpop.new_key(), dpop.new_key()
        reply = self.push(acme_web, key)
        assert reply.status == 201, reply.body

        code = answer(open_pushed(alices, acme_web, reply.json["request_uri"]))["code"]

        assert AuthorizationCode.unscoped.get().terms["dpop_jkt"] == dpop.jkt(key)
        assert dpop.redeem(acme_web, code, dpop.proof(other)).error == "invalid_grant"

    def test_dpop_jkt_may_say_the_same(self, acme_web: Client) -> None:
        key = dpop.new_key()

        assert self.push(acme_web, key, dpop_jkt=dpop.jkt(key)).status == 201

    def test_dpop_jkt_may_not_say_otherwise(self, acme_web: Client) -> None:
        reply = self.push(acme_web, dpop.new_key(), dpop_jkt=dpop.jkt(dpop.new_key()))

        assert (reply.status, reply.error) == (400, "invalid_request")
        assert not PushedRequest.unscoped.exists()

    def test_a_proof_for_another_endpoint_is_refused(self, acme_web: Client) -> None:
        reply = oauth.send(
            "POST", "/oauth/par", form=parameters(acme_web),
            authorization=oauth.basic("acme-web"), HTTP_DPOP=dpop.proof(dpop.new_key()),
        )  # fmt: skip

        assert (reply.status, reply.error) == (400, "invalid_dpop_proof")
