"""Device authorization: what a device is told, what a person is asked, what is given."""

import json
from datetime import timedelta

import pytest
from django.test import Client as Browser
from joserfc.jwk import ECKey

from audit.events import Event
from audit.models import AuditEvent
from core import clock, outbound
from core.ids import digest
from idp import device as devices
from idp.flows import connected_applications, revoke_consent, update_client
from idp.models import Client, Consent, DeviceAuthorization, RefreshFamily
from idp.models.client import DEVICE_CODE
from idp.registration import rules
from idp.tasks import purge
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import device, oauth
from tests.support.authorize import path, query

pytestmark = pytest.mark.django_db


@pytest.fixture
def tv(acme) -> Client:
    return device.television(acme)


@pytest.fixture
def codes(tv) -> dict:
    return device.start(tv).json


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def event_of(event: Event) -> AuditEvent:
    return AuditEvent.objects.get(event=event)


class TestStarting:
    def test_only_digests_are_kept(self, tv, codes):
        row = DeviceAuthorization.unscoped.get()

        assert bytes(row.digest) == digest(codes["device_code"])
        letters = codes["user_code"].replace("-", "")
        assert bytes(row.user_code_digest) == devices.keyed_digest(letters)
        assert bytes(row.user_code_digest) != digest(letters)
        assert (row.scope, row.address) == ("openid profile", "203.0.113.7")

    def test_it_is_written_down(self, tv, acme, codes):
        event = event_of(Event.DEVICE_AUTHORIZATION_STARTED)

        assert event.actor == f"idp.Client:{tv.id}"
        assert (event.organisation_id, event.address) == (acme.id, "203.0.113.7")
        assert event.facts["scope"] == "openid profile"

    def test_it_is_off_unless_registered(self, acme_web):
        assert device.start(acme_web).error == "unauthorized_client"
        assert not DeviceAuthorization.unscoped.exists()

    @pytest.mark.parametrize("scope", [None, "openid admin", "email openid hidden"])
    def test_scopes_are_those_of_the_client(self, tv, scope):
        assert device.start(tv, scope=scope).error == "invalid_scope"

    def test_a_confidential_client_authenticates(self, acme):
        client = cast.client("acme-box", acme, grant_types=[DEVICE_CODE])

        assert device.start(client).status == 200
        reply = oauth.send(
            "POST",
            "/oauth/device_authorization",
            form={"client_id": client.client_id, "scope": "openid"},
        )
        assert (reply.status, reply.error) == (401, "invalid_client")

    def test_a_client_that_was_just_switched_off_gets_nothing(self, tv):
        device.start(tv)
        Client.unscoped.filter(pk=tv.pk).update(is_active=False, changed_at=clock.now())

        assert device.start(tv).error == "invalid_client"
        assert DeviceAuthorization.unscoped.count() == 1

    def test_a_user_code_that_another_has_is_drawn_again(self, tv, monkeypatch):
        letters = iter("B" * 8 + "B" * 8 + "C" * 8)
        monkeypatch.setattr("core.user_codes.secrets.choice", lambda _: next(letters))

        assert [device.start(tv).json["user_code"] for _ in "12"] == ["BBBB-BBBB", "CCCC-CCCC"]

    @pytest.mark.usefixtures("early_in_a_window")
    def test_a_flood_is_refused(self, tv):
        replies = [device.start(tv).status for _ in range(61)]

        assert replies.count(200) == 60
        assert replies[-1] == 429

    def test_whatever_agent_it_names_fits(self, tv):
        form = {"client_id": tv.client_id, "scope": "openid"}
        agent = "T\x7f\u200b" + "x" * 5000
        reply = oauth.send("POST", "/oauth/device_authorization", form=form, HTTP_USER_AGENT=agent)

        assert reply.status == 200
        assert len(DeviceAuthorization.unscoped.get().user_agent) == 512


class TestRegistration:
    def test_device_code_brings_refresh_tokens(self):
        kept = rules.check_grant_types([DEVICE_CODE, "refresh_token"], kind="public")

        assert kept == ["refresh_token", DEVICE_CODE]

    def test_it_needs_no_redirect_uri(self):
        rules.check_way_back([DEVICE_CODE], [])


class TestThePage:
    def test_strangers_sign_in_first_and_come_back(self, codes):
        response = Browser().get(device.prefilled(codes["user_code"]))

        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=/device/")

    def test_a_code_that_a_link_brings_is_filled_in_and_not_sent(self, alices, codes):
        response = alices.get(device.prefilled(codes["user_code"]))

        assert response.status_code == 200
        assert f'value="{codes["user_code"]}"' in response.content.decode()
        assert "Compare this code" in response.content.decode()

    @pytest.mark.parametrize("junk", ["", "\0", "x" * 5000, "<script>", "BCDF", "AEIOU-AEIOU"])
    def test_a_link_brings_nothing_else(self, alices, junk):
        response = alices.get("/device/", {"user_code": junk})

        assert response.status_code == 200
        assert "value=" not in response.content.decode().partition("user_code")[2][:80]

    @pytest.mark.parametrize("typed", ["{}", " {} ", "lower", "spaced", "{}."])
    def test_people_type_as_they_like(self, alices, codes, typed):
        code = codes["user_code"]
        forms = {"lower": code.lower(), "spaced": " ".join(code.replace("-", ""))}

        assert (
            path(device.enter(alices, forms.get(typed, typed.format(code)))) == "/device/confirm/"
        )

    def test_it_shows_who_asks_for_what_from_where_and_when(self, alices, codes):
        page = alices.get(device.asked(alices, codes["user_code"])).content.decode()

        assert "Did you start this on another device just now?" in page
        for words in ("Acme Tv", "Acme", "203.0.113.7", "127.0.0.1", "See your name", "<time"):
            assert words in page

    def test_a_wrong_code_is_refused_and_written_down(self, alices, employee, codes):
        response = device.enter(alices, "BBBB-CCCC")

        assert "That code is wrong" in response.content.decode()
        assert event_of(Event.DEVICE_CODE_MISTYPED).actor == f"accounts.User:{employee.user.pk}"

    def test_an_old_sign_in_is_not_enough(self, alices, codes, later):
        later(minutes=5, seconds=1)

        response = alices.get(device.prefilled(codes["user_code"]))

        assert response["Location"].startswith("/step-up/?")
        assert query_of(response)["max_age"] == "300"
        assert "user_code" in query_of(response)["next"]

    def test_the_answer_also_needs_a_fresh_sign_in(self, alices, codes, later):
        address = device.asked(alices, codes["user_code"])
        later(minutes=5, seconds=1)

        response = alices.post(address, {"decision": "allow"})

        assert response["Location"].startswith("/step-up/?")
        assert DeviceAuthorization.unscoped.get().approved_at is None

    def test_a_client_may_ask_for_more(self, newcomer, acme):
        tv = device.television(acme, required_acr="aal2")
        codes = device.start(tv).json
        browser = Browser()
        cast.sign_in(browser, newcomer, acr="aal1")
        address = device.asked(browser, codes["user_code"])

        response = browser.post(address, {"decision": "allow"})

        assert path(response) == "/step-up/"
        assert query(response)["acr"] == "aal2"
        assert DeviceAuthorization.unscoped.get().approved_at is None

    @pytest.mark.parametrize("decision", ["", "maybe", "\0"])
    def test_a_strange_answer_asks_again(self, alices, codes, decision):
        response = device.decide(alices, codes["user_code"], decision)

        assert "Did you start this" in response.content.decode()

    def test_an_answer_counts_once(self, alices, codes):
        address = device.asked(alices, codes["user_code"])
        alices.post(address, {"decision": "deny"})

        response = alices.post(address, {"decision": "allow"})

        assert response.status_code == 409
        assert DeviceAuthorization.unscoped.get().approved_at is None

    @pytest.mark.parametrize("address", ["/device/confirm/", "/device/confirm/?request=made-up"])
    def test_nothing_was_asked(self, alices, codes, address):
        assert alices.get(address).status_code == 409
        assert alices.post(address, {"decision": "allow"}).status_code == 409


def query_of(response) -> dict:
    from urllib.parse import parse_qsl, urlsplit

    return dict(parse_qsl(urlsplit(response["Location"]).query))


class TestAnswering:
    def test_allowed_it_is_given(self, alices, tv, codes, employee, acme):
        page = device.decide(alices, codes["user_code"]).content.decode()
        reply = device.poll(tv, codes["device_code"])

        assert "You are connected" in page
        assert reply.status == 200
        claims = oauth.claims_of(reply.json["access_token"])
        assert claims["sub"] == str(employee.user.pk)
        assert claims["scope"] == "openid profile"
        assert {"id_token", "refresh_token"} <= reply.json.keys()
        for event in (Event.DEVICE_AUTHORIZATION_APPROVED, Event.DEVICE_AUTHORIZATION_REDEEMED):
            written = event_of(event)
            assert written.actor == f"accounts.User:{employee.user.pk}"
            assert str(written.session_id) == claims["sid"]
            assert written.organisation_id == acme.id

    def test_what_it_brings_refreshes(self, alices, tv, codes):
        device.decide(alices, codes["user_code"])
        tokens = device.poll(tv, codes["device_code"]).json

        assert oauth.refresh(tv, tokens["refresh_token"]).status == 200

    def test_without_the_grant_type_there_is_no_refresh_token(self, alices, acme):
        tv = device.television(acme, grant_types=[DEVICE_CODE])
        codes = device.start(tv).json
        device.decide(alices, codes["user_code"])

        assert "refresh_token" not in device.poll(tv, codes["device_code"]).json

    def test_refused_it_is_denied(self, alices, tv, codes):
        page = device.decide(alices, codes["user_code"], "deny").content.decode()

        assert "It was not allowed" in page
        assert device.poll(tv, codes["device_code"]).error == "access_denied"
        assert event_of(Event.DEVICE_AUTHORIZATION_DENIED).facts["started_from"] == "203.0.113.7"
        assert not RefreshFamily.unscoped.exists()

    def test_the_device_shows_among_the_applications(self, alices, tv, codes, employee):
        device.decide(alices, codes["user_code"])

        [application] = connected_applications(employee.user, now=clock.now())

        assert application.client == tv
        assert Consent.unscoped.get().scopes == ["openid", "profile"]

    def test_consent_taken_back_before_it_is_fetched(self, alices, tv, codes, employee):
        device.decide(alices, codes["user_code"])
        revoke_consent(user=employee.user, client=tv, session_id=None, now=clock.now())

        assert device.poll(tv, codes["device_code"]).error == "expired_token"

    def test_a_client_that_lost_the_grant_type(self, alices, tv, codes):
        device.decide(alices, codes["user_code"])
        waiting = device.start(tv).json
        update_client(
            client=tv,
            grant_types=["authorization_code"],
            redirect_uris=[cast.REDIRECT_URI],
            now=clock.now(),
        )

        assert "That code is wrong" in device.enter(alices, waiting["user_code"]).content.decode()
        assert device.poll(tv, codes["device_code"]).error == "unauthorized_client"

    def test_a_client_that_was_closed(self, alices, tv, codes):
        device.decide(alices, codes["user_code"])
        Client.unscoped.filter(pk=tv.pk).update(is_active=False, changed_at=clock.now())

        assert device.poll(tv, codes["device_code"]).status in {400, 401}
        assert not RefreshFamily.unscoped.exists()

    def test_the_session_ends_and_so_does_the_device(self, alices, tv, codes):
        device.decide(alices, codes["user_code"])
        tokens = device.poll(tv, codes["device_code"]).json
        LoginSession.unscoped.update(ended_at=clock.now(), end_reason="signed_out")

        assert oauth.refresh(tv, tokens["refresh_token"]).error == "invalid_grant"


def test_old_requests_are_deleted(codes, later):
    later(days=1, minutes=9)
    purge()
    assert DeviceAuthorization.unscoped.exists()
    later(minutes=2)
    purge()
    assert not DeviceAuthorization.unscoped.exists()


def test_a_poll_is_one_statement_and_the_last_one_two(alices, tv, codes, statements):
    device.poll(tv, codes["device_code"])
    statements.clear()
    device.poll(tv, codes["device_code"])
    assert [s.split()[0] for s in statements] == ["UPDATE"]

    device.decide(alices, codes["user_code"])
    clock.shift(timedelta(seconds=1))
    statements.clear()
    device.poll(tv, codes["device_code"])
    assert [s.split()[0] for s in statements] == ["UPDATE", "WITH"]


def test_the_keys_of_a_client_are_asked_for_before_its_approval_is_claimed(
    acme, alices, elsewhere, statements, monkeypatch
):
    key = ECKey.generate_key("P-256", {"use": "enc"}).as_dict(private=False)
    address = elsewhere.serve("/jwks", json.dumps({"keys": [key]}).encode())
    metadata = {"jwks_uri": address, "id_token_encrypted_response_alg": "ECDH-ES"}
    tv = device.television(acme, metadata=metadata)
    codes = device.start(tv).json
    device.decide(alices, codes["user_code"])
    fetch, before = outbound.fetch, []

    def noted(*args, **named):
        before.append([s.split()[0] for s in statements])
        return fetch(*args, **named)

    monkeypatch.setattr(outbound, "fetch", noted)
    statements.clear()

    assert device.poll(tv, codes["device_code"]).status == 200
    assert before == [["UPDATE"]]  # the poll, which is a transaction by itself
