"""Backchannel authentication: whom a client may ask, what a person is shown, what is given."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as sent
from django.test import Client as Browser

from accounts.models import Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from core.ids import digest, new_id
from idp.flows import connected_applications, register_client, revoke_consent, update_client
from idp.models import BackchannelAuthentication, Client, RefreshFamily
from idp.models.client import CIBA
from idp.registration import rules
from idp.tasks import purge
from mfa.models import PasskeyFactor
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import ciba, oauth, registering
from tests.support.authorize import path, query

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank(acme: Any, employee: Person) -> Client:
    return ciba.asker(acme)


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def asked() -> BackchannelAuthentication:
    return BackchannelAuthentication.unscoped.get()


def event_of(event: Event) -> AuditEvent:
    return AuditEvent.objects.get(event=event)


class TestAsking:
    def test_only_a_digest_is_kept(self, bank: Client, employee: Person) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]

        assert bytes(asked().digest) == digest(auth_req_id)
        assert len(auth_req_id) == 43
        assert (asked().user_id, asked().scope) == (employee.user.pk, "openid profile")

    def test_it_is_written_down(self, bank: Client, employee: Person) -> None:
        ciba.ask(bank, binding_message="K-42")

        event = event_of(Event.BACKCHANNEL_AUTHENTICATION_STARTED)
        assert event.actor == f"idp.Client:{bank.id}"
        assert event.subject == f"accounts.User:{employee.user.pk}"
        assert event.address == "203.0.113.7"
        assert event.facts["binding_message"] == "K-42"

    def test_the_person_gets_a_mail_with_none_of_the_clients_words(self, bank: Client) -> None:
        ciba.ask(bank, binding_message="Call 555-0100")

        [message] = sent.outbox
        assert message.to == ["alice@acme.example"]
        assert f"http://localhost:8000{ciba.page_of()}" in message.body
        assert "Did you start this just now?" in message.body
        assert "Call" not in message.body
        assert "555-0100" not in message.body
        assert bank.name not in message.body

    def test_a_public_client_cannot(self, acme: Any, employee: Person) -> None:
        client = cast.client("acme-pub", acme, kind="public", grant_types=[CIBA])

        reply = oauth.send(
            "POST",
            ciba.PATH,
            form={"client_id": client.client_id, "scope": "openid", "login_hint": employee.email},
        )

        assert reply.error == "unauthorized_client"

    @pytest.mark.parametrize("hint", ["alice@acme.example", " Alice@Acme.Example "])
    def test_a_login_hint_is_an_address(self, bank: Client, hint: str) -> None:
        assert ciba.ask(bank, login_hint=hint).status == 200

    def test_an_id_token_of_ours_is_a_hint(
        self, bank: Client, alices: Browser, employee: Person
    ) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)
        hint = ciba.poll(bank, auth_req_id).json["id_token"]

        assert ciba.ask(bank, login_hint=None, id_token_hint=hint).status == 200
        rows = BackchannelAuthentication.unscoped.filter(user=employee.user)
        assert rows.count() == 2

    def test_so_is_one_with_a_pairwise_subject(self, acme: Any, alices: Browser) -> None:
        client = ciba.asker(
            acme,
            metadata={"subject_type": "pairwise"},
            redirect_uris=[cast.REDIRECT_URI],
        )
        auth_req_id = ciba.ask(client).json["auth_req_id"]
        ciba.decide(alices)
        hint = ciba.poll(client, auth_req_id).json["id_token"]
        assert len(oauth.claims_of(hint)["sub"]) == 43

        assert ciba.ask(client, login_hint=None, id_token_hint=hint).status == 200
        LoginSession.unscoped.all().delete()
        assert ciba.ask(client, login_hint=None, id_token_hint=hint).error == "unknown_user_id"

    def test_a_hint_made_for_another_client_is_refused(
        self, acme: Any, bank: Client, alices: Browser
    ) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)
        hint = ciba.poll(bank, auth_req_id).json["id_token"]
        other = ciba.asker(acme, "acme-other")

        assert ciba.ask(other, login_hint=None, id_token_hint=hint).error == "invalid_request"

    def test_an_access_token_is_no_hint(self, bank: Client, alices: Browser) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)
        token = ciba.poll(bank, auth_req_id).json["access_token"]

        assert ciba.ask(bank, login_hint=None, id_token_hint=token).error == "invalid_request"

    @pytest.mark.parametrize("who", ["nobody@acme.example", "carol@globex.example", "closed"])
    def test_whoever_is_not_of_the_organisation_is_nobody(
        self, bank: Client, outsider: Person, newcomer: Person, who: str
    ) -> None:
        if who == "closed":
            type(newcomer.user).unscoped.filter(pk=newcomer.user.pk).update(is_active=False)
            who = newcomer.email

        reply = ciba.ask(bank, login_hint=who)

        assert (reply.status, reply.error) == (400, "unknown_user_id")
        assert reply.json["error_description"] == "We do not know this person."
        assert not BackchannelAuthentication.unscoped.exists()
        assert sent.outbox == []

    def test_a_client_that_was_just_switched_off_gets_nothing(self, bank: Client) -> None:
        ciba.ask(bank)
        Client.unscoped.filter(pk=bank.pk).update(is_active=False, changed_at=clock.now())

        assert ciba.ask(bank).error == "invalid_client"
        assert BackchannelAuthentication.unscoped.count() == 1

    @pytest.mark.parametrize(
        ("sent_as", "kept"), [("1", 10), ("10", 10), ("900", 900), ("999999", 1800), (None, 600)]
    )
    def test_the_expiry_is_bounded(self, bank: Client, sent_as: str | None, kept: int) -> None:
        assert ciba.ask(bank, requested_expiry=sent_as).json["expires_in"] == kept
        assert asked().expires_at - asked().created_at == timedelta(seconds=kept)

    def test_acr_values_that_we_do_not_know_are_passed_over(self, bank: Client) -> None:
        ciba.ask(bank, acr_values="urn:example:gold phr aal2")

        assert asked().acr_values == ["phr", "aal2"]


class TestRegistration:
    def test_ciba_brings_refresh_tokens_and_needs_no_redirect_uri(self) -> None:
        kept = rules.check_grant_types([CIBA, "refresh_token"], kind="confidential")

        assert kept == ["refresh_token", CIBA]
        rules.check_way_back(kept, [])

    def test_it_is_for_confidential_clients(self) -> None:
        with pytest.raises(Refusal, match="confidential"):
            rules.check_grant_types([CIBA], kind="public")

    @pytest.mark.parametrize(
        ("metadata", "why"),
        [
            ({"backchannel_token_delivery_mode": "push"}, "poll or ping"),
            ({"backchannel_token_delivery_mode": "ping"}, "needs"),
            ({"backchannel_user_code_parameter": True}, "not supported"),
            ({"backchannel_authentication_request_signing_alg": "HS256"}, "signing_alg"),
            (
                {
                    "backchannel_authentication_request_signing_alg": "RS256",
                    "security_profile": "fapi2",
                },
                "signing_alg",
            ),
            (
                {
                    "backchannel_token_delivery_mode": "ping",
                    "backchannel_client_notification_endpoint": "http://app.acme.example/ping",
                },
                "https",
            ),
        ],
        ids=["push", "no-endpoint", "user-code", "symmetric", "fapi2-rs256", "http"],
    )
    def test_what_cannot_be_done_is_refused(self, metadata: dict[str, Any], why: str) -> None:
        with pytest.raises(Refusal, match=why) as refused:
            rules.check_metadata(metadata)
        assert refused.value.code == "invalid_client_metadata"

    def test_the_grant_type_needs_a_delivery_mode(self, acme: Any, bank: Client) -> None:
        with pytest.raises(Refusal, match="backchannel_token_delivery_mode"):
            register_client(
                organisation=acme, name="Bank", kind="confidential", grant_types=[CIBA],
                now=clock.now(),
            )  # fmt: skip
        with pytest.raises(Refusal, match="backchannel_token_delivery_mode"):
            update_client(client=bank, metadata={}, now=clock.now())

    def test_applications_register_it_where_it_is_open_to_them(self, acme: Any) -> None:
        members = {
            "grant_types": [CIBA],
            "response_types": [],
            "redirect_uris": None,
            "backchannel_token_delivery_mode": "ping",
            "backchannel_client_notification_endpoint": "https://bank.example/ping",
            "backchannel_authentication_request_signing_alg": "PS256",
            "backchannel_user_code_parameter": False,
        }
        closed = registering.register(registering.initial_token(acme), **members)
        opened = registering.register(
            registering.initial_token(acme, grant_types=[CIBA]), **members
        )

        assert closed.error == "invalid_client_metadata"
        assert opened.status == 201
        kept = opened.json
        assert kept["backchannel_token_delivery_mode"] == "ping"
        assert kept["backchannel_client_notification_endpoint"] == "https://bank.example/ping"
        assert kept["backchannel_authentication_request_signing_alg"] == "PS256"


class TestThePages:
    def test_the_list_shows_what_waits_for_this_person_alone(
        self, bank: Client, alices: Browser, newcomer: Person
    ) -> None:
        ciba.ask(bank, binding_message="K-42")
        ninas = Browser()
        cast.sign_in(ninas, newcomer)

        mine = alices.get("/authentication-requests/").content.decode()
        hers = ninas.get("/authentication-requests/").content.decode()

        assert "K-42" in mine
        assert "Acme Bank" in mine
        assert ciba.page_of() in mine
        assert "Nothing to answer" in hers
        assert "Acme Bank" not in hers

    def test_of_an_organisation_that_is_closed_nobody_asks(
        self, bank: Client, acme: Organisation
    ) -> None:
        """Also where the client has been seen a moment ago."""
        assert ciba.ask(bank).status == 200
        Organisation.objects.filter(pk=acme.pk).update(is_active=False)

        assert ciba.ask(bank).error == "invalid_client"
        assert BackchannelAuthentication.unscoped.count() == 1

    @pytest.mark.parametrize("home", ["/", "/security/"])
    def test_home_says_that_something_waits(self, bank: Client, alices: Browser, home: str) -> None:
        assert "card-requests" not in alices.get(home).content.decode()
        ciba.ask(bank)

        page = alices.get(home).content.decode()
        assert "1 sign-in request to answer" in page
        assert 'id="card-requests" href="/authentication-requests/"' in page
        ciba.decide(alices)
        assert "card-requests" not in alices.get(home).content.decode()

    def test_it_shows_who_asks_for_what_from_where_and_when(
        self, bank: Client, alices: Browser
    ) -> None:
        ciba.ask(bank, binding_message="Pay <b>1</b> & go")

        page = alices.get(ciba.page_of()).content.decode()

        assert "Did you start this just now?" in page
        for words in ("Acme Bank", "Acme", "203.0.113.7", "See your name", "<time"):
            assert words in page
        assert 'id="binding-message">Pay &lt;b&gt;1&lt;/b&gt; &amp; go</h2>' in page

    def test_authorization_details_are_shown_and_given(self, acme: Any, alices: Browser) -> None:
        bank = ciba.asker(acme, metadata={"authorization_details_types": ["payment"]})
        details = '[{"type":"payment","amount":"12.50 EUR"}]'
        auth_req_id = ciba.ask(bank, authorization_details=details).json["auth_req_id"]

        page = alices.get(ciba.page_of()).content.decode()
        ciba.decide(alices)
        tokens = ciba.poll(bank, auth_req_id).json

        assert "12.50 EUR" in page
        claims = oauth.claims_of(tokens["access_token"])
        assert claims["authorization_details"] == [{"type": "payment", "amount": "12.50 EUR"}]

    def test_somebody_else_cannot_look_or_answer(
        self, bank: Client, approver: Person, outsider: Person
    ) -> None:
        ciba.ask(bank)
        for person in (approver, outsider):
            browser = Browser()
            cast.sign_in(browser, person)
            assert browser.get(ciba.page_of()).status_code == 409
            assert ciba.decide(browser).status_code == 409
        assert asked().approved_at is None

    def test_an_old_sign_in_is_not_enough(self, bank: Client, alices: Browser, later: Any) -> None:
        ciba.ask(bank)
        later(minutes=5, seconds=1)

        for answer in (alices.get(ciba.page_of()), ciba.decide(alices)):
            assert answer["Location"].startswith("/step-up/?")
            assert query(answer)["max_age"] == "300"
        assert asked().approved_at is None

    def test_a_client_may_demand_more(self, acme: Any, employee: Person, newcomer: Person) -> None:
        bank = ciba.asker(acme, required_acr="aal2")
        ciba.ask(bank, login_hint=newcomer.email)
        browser = Browser()
        cast.sign_in(browser, newcomer, acr="aal1")

        answer = ciba.decide(browser)

        assert path(answer) == "/step-up/"
        assert query(answer)["acr"] == "aal2"
        assert asked().approved_at is None

    def test_it_steps_up_to_the_acr_that_was_asked_for(
        self, bank: Client, employee: Person
    ) -> None:
        PasskeyFactor.objects.create(
            user=employee.user,
            organisation=employee.user.organisation,
            name="Key",
            confirmed=True,
            credential_id=b"c" * 16,
            credential_digest=digest("c" * 16),
            public_key=b"",
            aaguid=new_id(),
            backup_eligible=False,
            backed_up=False,
        )
        ciba.ask(bank, acr_values="phrh")
        browser = Browser()
        cast.sign_in(browser, employee, acr="phr")

        answer = ciba.decide(browser)

        assert path(answer) == "/step-up/"
        assert query(answer)["acr"] == "phrh"
        assert asked().approved_at is None

    @pytest.mark.parametrize("decision", ["", "maybe", "\0"])
    def test_a_strange_answer_asks_again(
        self, bank: Client, alices: Browser, decision: str
    ) -> None:
        ciba.ask(bank)

        assert "Did you start this" in ciba.decide(alices, decision).content.decode()

    def test_an_answer_counts_once(self, bank: Client, alices: Browser) -> None:
        ciba.ask(bank)
        ciba.decide(alices, "deny")

        assert ciba.decide(alices).status_code == 409
        assert asked().approved_at is None

    def test_after_it_has_run_out_nothing_is_asked(
        self, bank: Client, alices: Browser, employee: Person, later: Any
    ) -> None:
        ciba.ask(bank)
        later(minutes=10)
        cast.sign_in(alices, employee)

        assert alices.get(ciba.page_of()).status_code == 409
        assert "Nothing to answer" in alices.get("/authentication-requests/").content.decode()


class TestAnswering:
    def test_allowed_it_is_given(
        self, bank: Client, alices: Browser, employee: Person, acme: Any
    ) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        page = ciba.decide(alices).content.decode()
        reply = ciba.poll(bank, auth_req_id)

        assert "You have allowed it" in page
        assert reply.status == 200
        claims = oauth.claims_of(reply.json["id_token"])
        assert (claims["sub"], claims["aud"]) == (str(employee.user.pk), bank.client_id)
        assert claims["acr"] == "aal2"
        assert {"amr", "auth_time", "sid"} <= claims.keys()
        for event in (
            Event.BACKCHANNEL_AUTHENTICATION_APPROVED,
            Event.BACKCHANNEL_AUTHENTICATION_REDEEMED,
        ):
            written = event_of(event)
            assert written.actor == f"accounts.User:{employee.user.pk}"
            assert str(written.session_id) == claims["sid"]
            assert written.organisation_id == acme.id

    def test_the_acr_that_was_asked_for_and_met_is_said(
        self, bank: Client, employee: Person
    ) -> None:
        auth_req_id = ciba.ask(bank, acr_values="phrh phr").json["auth_req_id"]
        browser = Browser()
        cast.sign_in(browser, employee, acr="phr")
        ciba.decide(browser)

        tokens = ciba.poll(bank, auth_req_id).json

        assert oauth.claims_of(tokens["id_token"])["acr"] == "phr"

    def test_what_it_brings_refreshes(self, bank: Client, alices: Browser) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)
        tokens = ciba.poll(bank, auth_req_id).json

        assert oauth.refresh(bank, tokens["refresh_token"]).status == 200

    def test_refused_it_is_denied(self, bank: Client, alices: Browser) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        page = ciba.decide(alices, "deny").content.decode()

        assert "It was not allowed" in page
        assert ciba.poll(bank, auth_req_id).error == "access_denied"
        denied = event_of(Event.BACKCHANNEL_AUTHENTICATION_DENIED)
        assert denied.facts["started_from"] == "203.0.113.7"
        assert not RefreshFamily.unscoped.exists()

    def test_a_resource_becomes_the_audience(self, acme: Any, alices: Browser) -> None:
        bank = ciba.asker(
            acme, metadata={"resources": ["https://api.example", "https://b.example"]}
        )
        auth_req_id = ciba.ask(bank, resource="https://api.example").json["auth_req_id"]
        ciba.decide(alices)

        tokens = ciba.poll(bank, auth_req_id).json

        assert "https://api.example" in oauth.claims_of(tokens["access_token"])["aud"]
        assert ciba.ask(bank, resource="https://evil.example").error == "invalid_target"

    def test_the_application_is_listed_and_can_be_taken_back_before_it_is_fetched(
        self, bank: Client, alices: Browser, employee: Person
    ) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)
        [application] = connected_applications(employee.user, now=clock.now())
        assert application.client == bank

        revoke_consent(user=employee.user, client=bank, session_id=None, now=clock.now())

        assert ciba.poll(bank, auth_req_id).error == "expired_token"

    def test_the_session_ends_and_so_does_what_it_allowed(
        self, bank: Client, alices: Browser
    ) -> None:
        first, second = (ciba.ask(bank).json["auth_req_id"] for _ in "12")
        for row in BackchannelAuthentication.unscoped.all():
            alices.post(ciba.page_of(row), {"decision": "allow"})
        tokens = ciba.poll(bank, first).json
        LoginSession.unscoped.update(ended_at=clock.now(), end_reason="signed_out")

        assert oauth.refresh(bank, tokens["refresh_token"]).error == "invalid_grant"
        assert ciba.poll(bank, second).error == "invalid_grant"

    def test_a_client_that_lost_the_grant_type(self, bank: Client, alices: Browser) -> None:
        first, second = (ciba.ask(bank).json["auth_req_id"] for _ in "12")
        ciba.decide(alices)
        update_client(
            client=bank,
            grant_types=["authorization_code"],
            redirect_uris=[cast.REDIRECT_URI],
            now=clock.now(),
        )

        left = BackchannelAuthentication.unscoped.get(approved_at=None)
        assert alices.get(ciba.page_of(left)).status_code == 409
        assert "unauthorized_client" in {ciba.poll(bank, each).error for each in (first, second)}
        assert not RefreshFamily.unscoped.exists()


def test_old_requests_are_deleted(bank: Client, later: Any) -> None:
    ciba.ask(bank)
    later(days=1, minutes=9)
    purge()
    assert BackchannelAuthentication.unscoped.exists()
    later(minutes=2)
    purge()
    assert not BackchannelAuthentication.unscoped.exists()


def test_a_poll_is_one_statement_and_the_last_one_two(
    bank: Client, alices: Browser, statements: list[str]
) -> None:
    auth_req_id = ciba.ask(bank).json["auth_req_id"]
    ciba.poll(bank, auth_req_id)
    statements.clear()
    ciba.poll(bank, auth_req_id)
    assert [s.split()[0] for s in statements] == ["UPDATE"]

    ciba.decide(alices)
    clock.shift(timedelta(seconds=1))
    statements.clear()
    ciba.poll(bank, auth_req_id)
    assert [s.split()[0] for s in statements] == ["UPDATE", "WITH"]
