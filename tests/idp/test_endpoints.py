"""The machine endpoints, driven over WSGI."""

from datetime import timedelta

import pytest
from django.test import Client as Browser

from accounts.flows import assign_role, create_role
from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from console.reading import activity_of
from core import clock
from idp.keys import rotate
from idp.models import Client, RefreshFamily
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def tokens(acme_web: Client, session: LoginSession) -> dict:
    reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session))
    assert reply.status == 200, reply.body
    return reply.json


class TestToken:
    def test_a_code_buys_a_fifteen_minute_access_token(self, tokens, employee, acme_web, session):
        claims = oauth.claims_of(tokens["access_token"])

        assert oauth.header_of(tokens["access_token"])["typ"] == "at+jwt"
        assert oauth.header_of(tokens["access_token"])["alg"] == "ES256"
        assert tokens["expires_in"] == 900
        assert claims["exp"] - claims["iat"] == 900
        assert claims["sub"] == str(employee.user.pk)
        assert claims["client_id"] == acme_web.client_id
        assert claims["sid"] == str(session.id)
        assert claims["acr"] == "aal2"

    def test_the_id_token_names_the_client_and_repeats_the_nonce(self, tokens, acme_web):
        claims = oauth.claims_of(tokens["id_token"])

        assert claims["aud"] == acme_web.client_id
        assert claims["nonce"] == "n-1"
        assert claims["amr"]

    def test_answers_are_never_stored(self, acme_web, session):
        reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session))

        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Pragma"] == "no-cache"

    def test_a_client_may_ask_for_rs256(self, acme_web, session):
        Client.unscoped.filter(id=acme_web.id).update(signing_alg="RS256")

        reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session))

        assert oauth.header_of(reply.json["id_token"])["alg"] == "RS256"
        assert oauth.header_of(reply.json["access_token"])["alg"] == "RS256"

    def test_refreshing_rotates(self, tokens, acme_web):
        reply = oauth.refresh(acme_web, tokens["refresh_token"])

        assert reply.status == 200
        assert reply.json["refresh_token"] != tokens["refresh_token"]
        assert AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).count() == 1

    def test_a_refreshed_id_token_keeps_the_time_of_authentication(self, tokens, acme_web, later):
        first = oauth.claims_of(tokens["id_token"])
        later(minutes=20)

        claims = oauth.claims_of(oauth.refresh(acme_web, tokens["refresh_token"]).json["id_token"])

        assert claims["auth_time"] == first["auth_time"]
        assert claims["acr"] == first["acr"]
        assert "nonce" not in claims

    def test_a_lost_answer_is_given_again_within_the_window(self, tokens, acme_web, later):
        first = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]
        later(seconds=9)

        again = oauth.refresh(acme_web, tokens["refresh_token"])

        assert again.status == 200
        assert again.json["refresh_token"] == first
        assert RefreshFamily.unscoped.get().generation == 1

    def test_a_spent_token_outside_the_window_revokes_the_family(self, tokens, acme_web, later):
        successor = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]
        later(seconds=11)

        replay = oauth.refresh(acme_web, tokens["refresh_token"])

        assert (replay.status, replay.error) == (400, "invalid_grant")
        assert oauth.refresh(acme_web, successor).error == "invalid_grant"
        assert RefreshFamily.unscoped.get().revoke_reason == "replayed"
        assert AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_REPLAYED).exists()

    def test_an_older_spent_token_revokes_at_once(self, tokens, acme_web):
        second = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]
        oauth.refresh(acme_web, second)

        assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
        assert RefreshFamily.unscoped.get().revoked_at is not None

    def test_knowing_a_family_is_not_enough_to_revoke_it(self, tokens, acme_web):
        forged = tokens["refresh_token"][:-4] + "AAAA"

        assert oauth.refresh(acme_web, forged).error == "invalid_grant"
        assert RefreshFamily.unscoped.get().revoked_at is None

    def test_refresh_ends_on_the_seventh_day(self, tokens, acme_web, later, settings):
        settings.SESSION_ABSOLUTE_LIFETIME = timedelta(days=30)
        LoginSession.unscoped.update(expires_at=clock.now() + timedelta(days=30))
        token = tokens["refresh_token"]
        for _ in range(6):
            later(hours=23, minutes=55)
            token = oauth.refresh(acme_web, token).json["refresh_token"]
        later(days=1, minutes=30)

        assert oauth.refresh(acme_web, token).error == "invalid_grant"

    def test_a_wider_scope_is_refused_and_spends_nothing(self, tokens, acme_web):
        reply = oauth.refresh(acme_web, tokens["refresh_token"], scope="openid roles")

        assert reply.error == "invalid_scope"
        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    def test_no_token_outlives_the_session(self, acme_web, session):
        end = clock.now() + timedelta(minutes=5)
        LoginSession.unscoped.filter(id=session.id).update(expires_at=end)

        reply = oauth.redeem(acme_web, oauth.issue_code(acme_web, session))

        for token in (reply.json["access_token"], reply.json["id_token"]):
            assert oauth.claims_of(token)["exp"] <= end.timestamp()

    def test_client_credentials_act_for_the_client(self, acme_machine):
        reply = oauth.token(acme_machine, {"grant_type": "client_credentials"})

        claims = oauth.claims_of(reply.json["access_token"])
        assert claims["sub"] == claims["client_id"] == "acme-machine"
        assert "refresh_token" not in reply.json
        assert "id_token" not in reply.json
        assert AuditEvent.objects.filter(event=Event.TOKEN_ISSUED).count() == 1

    def test_client_credentials_get_no_scope_of_people(self, acme_machine):
        reply = oauth.token(
            acme_machine, {"grant_type": "client_credentials", "scope": "openid email"}
        )

        assert reply.error == "invalid_scope"

    def test_a_wrong_secret_is_refused(self, acme_machine):
        reply = oauth.send(
            "POST",
            "/oauth/token",
            form={"grant_type": "client_credentials"},
            authorization=oauth.basic("acme-machine", "wrong"),
        )

        assert (reply.status, reply.error) == (401, "invalid_client")
        assert reply.headers["WWW-Authenticate"].startswith("Basic")

    def test_a_client_that_was_switched_off_gets_nothing_at_once(self, acme_machine):
        form = {"grant_type": "client_credentials"}
        assert oauth.token(acme_machine, form).status == 200
        Client.unscoped.update(is_active=False, changed_at=clock.now() + timedelta(seconds=1))

        assert oauth.token(acme_machine, form).error == "invalid_client"

    def test_a_public_client_may_not_use_client_credentials(self, acme_spa):
        reply = oauth.token(acme_spa, {"grant_type": "client_credentials"})

        assert reply.error == "invalid_client"


class TestIntrospection:
    def introspect(self, client, token):
        return oauth.send(
            "POST",
            "/oauth/introspect",
            form={"token": token},
            authorization=oauth.basic(client.client_id),
        ).json

    def test_a_live_token_is_active(self, tokens, acme_web, employee):
        answer = self.introspect(acme_web, tokens["access_token"])

        assert answer["active"] is True
        assert answer["sub"] == str(employee.user.pk)

    def test_a_refresh_token_is_active_for_its_client(self, tokens, acme_web, acme_machine):
        assert self.introspect(acme_web, tokens["refresh_token"])["active"] is True
        assert self.introspect(acme_machine, tokens["refresh_token"]) == {"active": False}

    def test_another_organisation_learns_nothing(self, tokens, globex_web):
        assert self.introspect(globex_web, tokens["access_token"]) == {"active": False}

    def test_an_ended_session_ends_its_tokens_at_once(self, tokens, acme_web):
        LoginSession.unscoped.update(ended_at=clock.now())

        assert self.introspect(acme_web, tokens["access_token"]) == {"active": False}

    def test_a_machine_token_is_active(self, acme_machine):
        token = oauth.token(acme_machine, {"grant_type": "client_credentials"}).json

        assert self.introspect(acme_machine, token["access_token"])["active"] is True

    def test_a_public_client_may_not_ask(self, tokens, acme_spa):
        reply = oauth.send(
            "POST",
            "/oauth/introspect",
            form={"token": tokens["access_token"], "client_id": "acme-spa"},
        )

        assert reply.error == "invalid_client"


class TestUserinfo:
    def test_it_tells_what_the_scopes_allow(self, tokens, employee):
        reply = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
        )

        assert reply.json["email"] == employee.email
        assert reply.json["email_verified"] is True
        assert "roles" not in reply.json

    def test_without_a_token_it_asks_for_one(self):
        reply = oauth.send("GET", "/oauth/userinfo")

        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].startswith("Bearer resource_metadata=")

    def test_an_expired_token_is_refused(self, tokens, later):
        later(minutes=15)

        reply = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
        )

        assert (reply.status, reply.error) == (401, "invalid_token")

    def test_a_disabled_user_is_refused_at_once(self, tokens, employee):
        employee.user.is_active = False
        employee.user.save()

        reply = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
        )

        assert reply.error == "invalid_token"


class TestRevocation:
    def revoke(self, client, token):
        return oauth.send(
            "POST",
            "/oauth/revoke",
            form={"token": token},
            authorization=oauth.basic(client.client_id),
        )

    def test_a_revoked_refresh_token_ends_the_family(self, tokens, acme_web):
        assert self.revoke(acme_web, tokens["refresh_token"]).status == 200

        assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
        event = AuditEvent.objects.get(event=Event.REFRESH_FAMILY_REVOKED)
        assert event.actor == ref(acme_web)

    def test_the_person_finds_it_in_their_own_activity(self, tokens, acme_web, employee):
        self.revoke(acme_web, tokens["refresh_token"])

        happened = [event.event for event in activity_of(employee.user)]
        assert Event.REFRESH_FAMILY_REVOKED in happened

    def test_a_revoked_access_token_is_refused_here_at_once(self, tokens, acme_web):
        self.revoke(acme_web, tokens["access_token"])

        reply = oauth.send(
            "GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}"
        )
        assert reply.error == "invalid_token"

    def test_nobody_revokes_for_another_client(self, tokens, acme_web, acme_machine):
        assert self.revoke(acme_machine, tokens["refresh_token"]).status == 200

        assert oauth.refresh(acme_web, tokens["refresh_token"]).status == 200

    def test_an_unknown_token_is_no_error(self, acme_web):
        assert self.revoke(acme_web, "nonsense").status == 200


class TestMetadata:
    def test_discovery_names_what_there_is(self):
        document = oauth.send("GET", "/.well-known/openid-configuration").json

        assert document["code_challenge_methods_supported"] == ["S256"]
        assert document["response_types_supported"][0] == "code"
        assert "token" not in document["response_types_supported"]

    def test_jwks_holds_public_keys_only(self):
        rotate(now=clock.now())

        keys = oauth.send("GET", "/oauth/jwks").json["keys"]

        signing = [key for key in keys if key["use"] == "sig"]
        assert {key["alg"] for key in signing} == {"ES256", "RS256", "PS256"}
        assert len({key["kid"] for key in signing}) == 6, "the next key is published as well"
        to_us = {key["alg"] for key in keys if key["use"] == "enc"}
        assert to_us == {"RSA-OAEP-256", "ECDH-ES+A256KW"}
        assert all("d" not in key for key in keys)


class TestStatements:
    """Hot paths are counted: what is added here has to be named."""

    def test_refresh_is_one_look_and_one_rotation_with_its_audit_row(
        self, tokens, acme_web, statements
    ):
        statements.clear()

        oauth.refresh(acme_web, tokens["refresh_token"])

        assert [s.split()[0] for s in statements] == ["SELECT", "WITH"]

    def test_the_next_refresh_is_one_rotation_with_its_audit_row(
        self, tokens, acme_web, statements
    ):
        token = oauth.refresh(acme_web, tokens["refresh_token"]).json["refresh_token"]
        statements.clear()

        assert oauth.refresh(acme_web, token).status == 200

        assert [s.split()[0] for s in statements] == ["WITH"]

    def test_code_exchange_is_one_statement_with_its_audit_row(
        self, tokens, acme_web, session, statements
    ):
        code = oauth.issue_code(acme_web, session)
        statements.clear()

        oauth.redeem(acme_web, code)

        assert [s.split()[0] for s in statements] == ["WITH"]

    def test_introspection_is_one_statement(self, tokens, acme_web, statements):
        statements.clear()

        TestIntrospection().introspect(acme_web, tokens["access_token"])

        assert len(statements) == 1

    def test_roles_with_an_end_are_one_more_and_asked_once(
        self, tokens, acme, acme_web, session, employee, statements
    ):
        role = create_role(organisation=acme, name="guest", now=clock.now())
        ends_at = clock.now() + timedelta(hours=1)
        assign_role(user=employee.user, role=role, ends_at=ends_at, now=clock.now())
        code = oauth.issue_code(acme_web, session, scope="openid roles")
        statements.clear()

        reply = oauth.redeem(acme_web, code)

        assert oauth.claims_of(reply.json["access_token"])["roles"] == ["guest"]
        assert len(statements) == 2
        assert "dated_roles" in statements[1]

    def test_userinfo_is_one_statement(self, tokens, statements):
        statements.clear()

        oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {tokens['access_token']}")

        assert len(statements) == 1

    def test_jwks_and_discovery_ask_nothing(self, tokens, statements, django_assert_num_queries):
        oauth.send("GET", "/oauth/jwks")
        statements.clear()

        with django_assert_num_queries(0):
            oauth.send("GET", "/oauth/jwks")
            oauth.send("GET", "/.well-known/openid-configuration")

        assert statements == []


class TestBadInput:
    @pytest.mark.parametrize(
        ("form", "changes"),
        [
            ("grant_type=client_credentials&grant_type=x", {}),
            ("grant_type=client_credentials&x=%00", {}),
            ("grant_type=%ff", {}),
            ("grant_type", {}),
            ({"grant_type": "client_credentials"}, {"content_type": "application/json"}),
            ({"grant_type": "client_credentials"}, {"query": "grant_type=client_credentials"}),
            ("&".join(f"a{i}=1" for i in range(100)), {}),
            ({}, {}),
        ],
    )
    def test_an_unreadable_body_is_an_invalid_request(self, acme_machine, form, changes):
        reply = oauth.send(
            "POST", "/oauth/token", form=form, authorization=oauth.basic("acme-machine"), **changes
        )

        assert (reply.status, reply.error) == (400, "invalid_request")
        assert reply.headers["Cache-Control"] == "no-store"

    @pytest.mark.parametrize(
        "header",
        ["Basic /w==", "Basic é", "Basic", "Basic " + "A" * 5000, "Digest x", "Basic Og=="],
    )
    def test_a_malformed_authorization_header_is_an_invalid_client(self, db, header):
        reply = oauth.send(
            "POST", "/oauth/token", form={"grant_type": "client_credentials"}, authorization=header
        )

        assert (reply.status, reply.error) == (401, "invalid_client")

    def test_an_unknown_grant_type_is_named_so(self, acme_web):
        reply = oauth.token(acme_web, {"grant_type": 'pass"word'})

        assert (reply.status, reply.error) == (400, "unsupported_grant_type")

    def test_an_oversized_body_is_refused_unread(self, db):
        reply = oauth.send("POST", "/oauth/token", form={}, CONTENT_LENGTH="99999999")

        assert reply.status == 413

    def test_get_is_not_allowed(self, db):
        assert oauth.send("GET", "/oauth/token").status == 405

    def test_a_foreign_host_is_refused(self, db):
        reply = oauth.send("GET", "/oauth/jwks", HTTP_HOST="evil.example")

        assert reply.status == 400
