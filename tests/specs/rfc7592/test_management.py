"""OAuth 2.0 Dynamic Client Registration Management (RFC 7592)."""

from typing import Any

import pytest
from django.test import Client as Browser

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from idp import flows
from idp.models import Client, RefreshFamily
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.registering import initial_token, manage, register


@pytest.fixture
def registered(acme: Organisation) -> dict[str, Any]:
    reply = register(
        initial_token(acme, uses=2),
        client_name="Ledger",
        grant_types=["authorization_code", "refresh_token"],
        scope="openid email",
        logo_uri="https://app.acme.example/logo.png",
    )
    assert reply.status == 201
    return reply.json


def wanted(registered: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What a client sends to keep all that it has, but for the changes."""
    ours = {
        "registration_access_token", "registration_client_uri", "client_secret_expires_at",
        "client_id_issued_at",
    }  # fmt: skip
    members = {name: value for name, value in registered.items() if name not in ours}
    return {name: value for name, value in (members | changes).items() if value is not None}


class TestReading:
    """RFC 7592 §2.1."""

    def test_it_answers_what_is_registered_but_no_secret(self, registered: dict[str, Any]) -> None:
        reply = manage("GET", registered)

        assert reply.status == 200
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Cache-Control"] == "no-store"
        told_once = {"client_secret", "client_secret_expires_at"}
        assert reply.json == {k: v for k, v in registered.items() if k not in told_once}

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    @pytest.mark.parametrize("token", ["wrong", "", "\u00e9", "a" * 9000])
    def test_a_wrong_token_is_refused(
        self, registered: dict[str, Any], method: str, token: str
    ) -> None:
        reply = manage(method, registered, token, **wanted(registered))

        assert (reply.status, reply.error) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert Client.unscoped.get(client_id=registered["client_id"]).is_active

    def test_a_token_is_good_for_its_own_client_alone(
        self, acme: Organisation, registered: dict[str, Any]
    ) -> None:
        other = register(initial_token(acme)).json

        reply = manage("GET", registered, other["registration_access_token"])

        assert reply.status == 401
        event = AuditEvent.objects.get(event="idp.registration.refused")
        assert event.facts["client_id"] == registered["client_id"]

    def test_whether_a_client_exists_cannot_be_told(
        self, registered: dict[str, Any], acme_web: Client
    ) -> None:
        """One that administrators registered has no such address either."""
        answers = [
            oauth.send("GET", f"/oauth/register/{name}", authorization="Bearer wrong")
            for name in (registered["client_id"], acme_web.client_id, "nobody", "\0", "a" * 500)
        ]

        assert {(reply.status, reply.body) for reply in answers} == {(401, answers[0].body)}

    def test_other_methods_are_not_there(self, registered: dict[str, Any]) -> None:
        reply = manage("POST", registered)

        assert reply.status == 405
        assert reply.headers["Allow"] == "DELETE, GET, PUT"


class TestReplacing:
    """RFC 7592 §2.2."""

    def test_what_is_sent_stands_in_place_of_all(self, registered: dict[str, Any]) -> None:
        members = wanted(registered, client_name="Ledger 2", logo_uri=None)

        reply = manage("PUT", registered, **members)

        assert reply.status == 200, reply.json
        assert reply.json["client_name"] == "Ledger 2"
        assert "logo_uri" not in reply.json
        client = Client.unscoped.get()
        assert (client.name, client.metadata) == ("Ledger 2", {})
        event = AuditEvent.objects.get(event="idp.client.updated")
        assert event.actor == event.subject == f"idp.Client:{client.pk}"

    @pytest.mark.parametrize(
        "changes",
        [
            {"client_id": "app_other"}, {"client_id": None}, {"client_secret": "wrong"},
            {"client_secret": 5}, {"registration_access_token": "x"}, {"client_id_issued_at": 1},
            {"client_secret_expires_at": 0}, {"registration_client_uri": "https://a"},
            {"scope": "openid email profile"},
            {"grant_types": ["authorization_code", "client_credentials"]},
            {"token_endpoint_auth_method": "none"}, {"token_endpoint_auth_method": "client_secret_jwt"},
        ],
    )  # fmt: skip
    def test_what_a_client_may_not_change(
        self, registered: dict[str, Any], changes: dict[str, Any]
    ) -> None:
        before = Client.unscoped.values().get()

        reply = manage("PUT", registered, **wanted(registered, **changes))

        assert (reply.status, reply.error) == (400, "invalid_client_metadata")
        assert Client.unscoped.values().get() == before

    def test_a_bad_redirect_uri_is_refused(self, registered: dict[str, Any]) -> None:
        members = wanted(registered, redirect_uris=["http://app.acme.example/"])

        assert manage("PUT", registered, **members).error == "invalid_redirect_uri"

    def test_what_was_dropped_is_gone_for_good(self, registered: dict[str, Any]) -> None:
        assert manage("PUT", registered, **wanted(registered, scope="openid")).status == 200
        assert manage("PUT", registered, **wanted(registered)).status == 400

    def test_a_scope_that_an_administrator_took_away_stays_away(
        self, registered: dict[str, Any]
    ) -> None:
        flows.update_client(client=Client.unscoped.get(), now=clock.now(), scopes=["openid"])

        assert manage("PUT", registered, **wanted(registered)).status == 400

    @pytest.mark.parametrize(
        ("ours", "sent"),
        [
            ({"security_profile": "fapi2"}, {}),
            ({"security_profile": "fapi2"}, {"security_profile": ""}),
            ({"resources": ["https://api.acme.example"]}, {"resources": ["https://api.globex.example"]}),
            ({"require_pkce": False}, {"require_pkce": True}),
            ({"may_sign_people_out": True}, {}),
            ({}, {"may_sign_people_out": True}),
            ({}, {"security_profile": "fapi2", "require_pkce": False, "resources": ["https://api.x"]}),
        ],
        ids=["left-out", "emptied", "replaced", "required", "may-sign-out", "may-not", "never-set"],
    )  # fmt: skip
    def test_what_administrators_alone_set_stays_as_it_is(
        self, registered: dict[str, Any], ours: dict[str, Any], sent: dict[str, Any]
    ) -> None:
        flows.update_client(client=Client.unscoped.get(), now=clock.now(), metadata=ours)

        reply = manage("PUT", registered, **wanted(registered, client_name="Ledger 2", **sent))

        assert reply.status == 200, reply.json
        assert not {"security_profile", "resources", "require_pkce"} & reply.json.keys()
        client = Client.unscoped.get()
        assert client.name == "Ledger 2"
        assert client.metadata == ours | {"logo_uri": "https://app.acme.example/logo.png"}


class TestRemoving:
    """RFC 7592 §2.3."""

    def test_the_client_and_its_tokens_end(
        self, registered: dict[str, Any], employee: Person, client: Browser
    ) -> None:
        row = Client.unscoped.get()
        code = oauth.issue_code(row, cast.sign_in(client, employee), scope="openid email")
        basic = oauth.basic(registered["client_id"], registered["client_secret"])
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": cast.REDIRECT_URI,
            "code_verifier": oauth.VERIFIER,
        }  # fmt: skip
        tokens = oauth.send("POST", "/oauth/token", form=form, authorization=basic).json

        reply = manage("DELETE", registered)

        assert (reply.status, reply.body) == (204, b"")
        assert not Client.unscoped.get().is_active
        assert RefreshFamily.unscoped.get().revoked_at is not None
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        again = oauth.send("POST", "/oauth/token", form=form, authorization=basic)
        assert again.error in {"invalid_grant", "invalid_client"}
        assert manage("GET", registered).status == 401
        assert manage("DELETE", registered).status == 401
        event = AuditEvent.objects.get(event="idp.client.deactivated")
        assert event.actor == f"idp.Client:{row.pk}"

    def test_a_client_that_was_switched_off_has_no_say(self, registered: dict[str, Any]) -> None:
        flows.deactivate_client(client=Client.unscoped.get(), now=clock.now())

        assert manage("GET", registered).status == 401
        assert manage("PUT", registered, **wanted(registered)).status == 401


class TestRulesThatBindTheClient:
    """RFC 7592 §2.2: the server may replace requested values. None of these is ever switched off."""

    RULES = (
        "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens",
        "require_pushed_authorization_requests", "require_signed_request_object",
    )  # fmt: skip

    @pytest.mark.parametrize("rule", RULES)
    @pytest.mark.parametrize("said", [False, None], ids=["false", "nothing"])
    def test_what_an_administrator_turned_on_stays_on(
        self, registered: dict[str, Any], rule: str, said: bool | None
    ) -> None:
        client = Client.unscoped.get(client_id=registered["client_id"])
        metadata = client.metadata | {rule: True}
        flows.update_client(client=client, metadata=metadata, now=clock.now())

        reply = manage("PUT", registered, **wanted(registered, client_name="Weak", **{rule: said}))

        assert (reply.status, reply.json[rule]) == (200, True)
        client.refresh_from_db()
        assert client.name == "Weak"
        assert client.metadata[rule] is True

    @pytest.mark.parametrize("rule", RULES)
    def test_a_client_may_bring_them_upon_itself(
        self, registered: dict[str, Any], rule: str
    ) -> None:
        taken = manage("PUT", registered, **wanted(registered, **{rule: True}))
        dropped = manage("PUT", registered, **wanted(registered, **{rule: False}))

        assert taken.json[rule] is dropped.json[rule] is True

    def test_an_administrator_turns_them_off_again(self, registered: dict[str, Any]) -> None:
        on = manage("PUT", registered, **wanted(registered, dpop_bound_access_tokens=True))
        assert on.json["dpop_bound_access_tokens"] is True
        client = Client.unscoped.get(client_id=registered["client_id"])
        flows.update_client(client=client, metadata={}, now=clock.now())

        reply = manage("PUT", registered, **wanted(registered))

        assert "dpop_bound_access_tokens" not in reply.json

    def test_what_is_no_such_rule_is_replaced_as_before(self, registered: dict[str, Any]) -> None:
        reply = manage("PUT", registered, **wanted(registered, logo_uri=None))

        assert "logo_uri" not in reply.json
