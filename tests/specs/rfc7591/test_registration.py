"""OAuth 2.0 Dynamic Client Registration (RFC 7591)."""

from typing import Any

import pytest
from django.test import Client as Browser
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from accounts.models import Organisation
from audit.models import AuditEvent
from core import clock
from idp.models import Client, InitialAccessToken
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.authorize import answer, authorize, query
from tests.support.registering import initial_token, post, register


@pytest.fixture
def token(acme: Organisation) -> str:
    return initial_token(acme, uses=20)


class TestWhoMayRegister:
    """RFC 7591 §3: the endpoint may be protected by an initial access token."""

    def test_a_token_lets_a_client_into_its_organisation(
        self, acme: Organisation, token: str
    ) -> None:
        reply = register(token, client_name="Ledger")

        assert reply.status == 201
        client = Client.objects.within(acme).get(client_id=reply.json["client_id"])
        assert (client.name, client.is_first_party, client.kind) == (
            "Ledger", False, "confidential",
        )  # fmt: skip
        event = AuditEvent.objects.get(event="idp.client.registered")
        made = InitialAccessToken.objects.within(acme).get()
        assert event.actor == f"idp.InitialAccessToken:{made.pk}"
        assert made.uses_left == 19

    def test_without_a_token_registration_is_closed(self, acme: Organisation) -> None:
        reply = register(None)

        assert reply.status == 401
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")
        assert not Client.unscoped.exists()

    def test_a_setting_opens_it_in_one_organisation(
        self, acme: Organisation, globex: Organisation, settings: Any
    ) -> None:
        settings.REGISTRATION_OPEN_FOR = "globex"

        assert register(None).status == 201
        assert Client.unscoped.get().organisation == globex

    def test_a_wrong_token_is_refused_where_registration_is_open(
        self, acme: Organisation, settings: Any
    ) -> None:
        settings.REGISTRATION_OPEN_FOR = "acme"

        assert register("wrong").status == 401

    def test_a_token_registers_as_often_as_it_says(self, acme: Organisation) -> None:
        token = initial_token(acme, uses=2)

        assert [register(token).status for _ in range(3)] == [201, 201, 401]

        event = AuditEvent.objects.get(event="idp.registration.refused")
        assert event.organisation_id == acme.pk
        assert event.facts["error"] == "invalid_token"

    def test_a_token_ends(self, token: str, later: Any) -> None:
        later(days=1, seconds=1)

        assert register(token).error == "invalid_token"

    def test_a_refused_registration_leaves_the_token_its_use(self, acme: Organisation) -> None:
        token = initial_token(acme)

        assert register(token, grant_types=["password"]).status == 400
        assert register(token).status == 201

    def test_a_token_of_a_closed_organisation_registers_nothing(
        self, acme: Organisation, token: str
    ) -> None:
        Organisation.objects.filter(pk=acme.pk).update(is_active=False)

        assert register(token).status == 401

    def test_the_token_is_kept_as_a_digest_only(self, token: str) -> None:
        assert register(token).status == 201
        row = InitialAccessToken.unscoped.values().get()

        assert token not in str({**row, "digest": bytes(row["digest"])})
        assert token not in str(list(AuditEvent.objects.values()))


class TestTheAnswer:
    """RFC 7591 §3.2.1."""

    def test_it_says_what_is_registered_defaults_included(self, token: str) -> None:
        reply = register(token)

        assert reply.status == 201
        assert reply.headers["Content-Type"] == "application/json"
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.json["grant_types"] == ["authorization_code"]
        assert reply.json["response_types"] == ["code"]
        assert reply.json["token_endpoint_auth_method"] == "client_secret_basic"
        assert reply.json["redirect_uris"] == [cast.REDIRECT_URI]
        assert "roles" not in reply.json["scope"].split()
        assert reply.json["client_secret_expires_at"] == 0
        assert abs(reply.json["client_id_issued_at"] - clock.now().timestamp()) < 60
        assert reply.json["registration_access_token"]

    def test_a_public_client_has_no_secret(self, token: str) -> None:
        reply = register(token, token_endpoint_auth_method="none")

        assert reply.status == 201
        assert not {"client_secret", "client_secret_expires_at"} & reply.json.keys()
        assert Client.unscoped.get().kind == "public"

    def test_what_is_not_understood_is_left_out(self, token: str) -> None:
        reply = register(token, favourite_colour="green", **{"client_name#de": "Buch"})

        assert reply.status == 201
        assert "favourite_colour" not in reply.json

    def test_a_client_cannot_give_itself_what_administrators_give(self, token: str) -> None:
        reply = register(
            token, require_pkce=False, is_first_party=True, required_acr="", resources=["https://a"],
            audience="https://payroll", security_profile="", organisation="globex", kind="public",
        )  # fmt: skip

        assert reply.status == 201
        client = Client.unscoped.get()
        assert not client.metadata.keys() & {"require_pkce", "resources"}
        assert (client.is_first_party, client.audience) == (False, "")

    def test_null_is_as_good_as_left_out(self, token: str) -> None:
        members = {"redirect_uris": [cast.REDIRECT_URI], "client_name": None, "jwks": None}

        reply = post(members, token)

        assert reply.status == 201
        assert reply.json["client_name"] == "app.acme.example"

    def test_a_registered_client_signs_people_in(
        self, token: str, employee: Person, client: Browser
    ) -> None:
        registered = register(token, client_name="Ledger", scope="openid email").json
        row = Client.unscoped.get(client_id=registered["client_id"])
        cast.sign_in(client, employee)
        handle = query(authorize(client, row, scope="openid email"))["id"]

        back = client.post("/oauth/consent", {"request": handle, "decision": "allow"})
        code = answer(client.get(back["Location"]))["code"]
        reply = oauth.send(
            "POST", "/oauth/token",
            form={
                "grant_type": "authorization_code", "code": code,
                "redirect_uri": cast.REDIRECT_URI, "code_verifier": oauth.VERIFIER,
            },
            authorization=oauth.basic(registered["client_id"], registered["client_secret"]),
        )  # fmt: skip

        assert reply.status == 200, reply.json
        assert oauth.header_of(reply.json["id_token"])["alg"] == "RS256"


class TestGrantTypesAndResponseTypes:
    """RFC 7591 §2.1."""

    @pytest.mark.parametrize(
        "members",
        [
            {"grant_types": ["authorization_code"], "response_types": ["id_token"]},
            {"grant_types": ["implicit"], "response_types": ["code"]},
            {"grant_types": ["refresh_token"], "response_types": ["code"]},
            {"grant_types": ["authorization_code"], "response_types": []},
            {"response_types": ["code code"], "grant_types": ["implicit"]},
            {"response_types": ["device"]},
            {"grant_types": ["password"]},
            {"grant_types": []},
            {"grant_types": "authorization_code"},
            {"grant_types": [1]},
            {"grant_types": ["authorization_code", "client_credentials"]},
        ],
    )
    def test_what_does_not_fit_is_refused(self, token: str, members: dict[str, Any]) -> None:
        reply = register(token, **members)

        assert (reply.status, reply.error) == (400, "invalid_client_metadata")
        assert not Client.unscoped.exists()

    def test_one_follows_from_the_other(self, token: str) -> None:
        assert register(token, response_types=["code"]).json["grant_types"] == [
            "authorization_code"
        ]

    def test_a_token_may_open_other_grant_types(self, acme: Organisation) -> None:
        token = initial_token(acme, grant_types=["client_credentials"], scopes=["ledger"])

        reply = register(token, redirect_uris=None, grant_types=["client_credentials"])

        assert reply.status == 201, reply.json
        assert (reply.json["response_types"], reply.json["scope"]) == ([], "ledger")
        assert register(token).status == 401

    def test_scopes_beyond_the_token_are_refused(self, acme: Organisation, token: str) -> None:
        assert register(token, scope="openid roles").error == "invalid_client_metadata"
        assert register(token, scope="openid invented").error == "invalid_client_metadata"
        assert register(initial_token(acme, scopes=["roles"]), scope="roles").status == 201


class TestErrors:
    """RFC 7591 §3.2.2."""

    @pytest.mark.parametrize(
        "uris",
        [
            [], "https://app.acme.example/cb", [1], [None], ["http://app.acme.example/cb"],
            ["https://app.acme.example/cb#here"], ["https://a@app.acme.example/cb"],
            ["https://*.acme.example/cb"], ["javascript:alert(1)"], ["data:text/html,x"],
            ["com.example.app:/cb"], ["https://"], ["https://app.acme.example/\ud800"],
            ["https://app.acme.example/" + "a" * 600], [f"https://{n}.example/" for n in range(40)],
        ],
    )  # fmt: skip
    def test_redirect_uris_that_are_not_plainly_one_place(self, token: str, uris: Any) -> None:
        reply = register(token, redirect_uris=uris)

        assert reply.status == 400
        # A lone surrogate is no JSON text in the first place.
        expected = (
            "invalid_client_metadata"
            if any("\ud800" in str(uri) for uri in uris)
            else "invalid_redirect_uri"
        )
        assert reply.error == expected
        assert reply.headers["Cache-Control"] == "no-store"
        assert not Client.unscoped.exists()

    @pytest.mark.parametrize(
        "members",
        [
            {"client_name": 5}, {"client_name": "a" * 101}, {"client_name": "Ledger\u202e"},
            {"scope": ["openid"]}, {"token_endpoint_auth_method": "password"},
            {"token_endpoint_auth_method": 1}, {"id_token_signed_response_alg": "none"},
            {"id_token_signed_response_alg": "HS256"}, {"subject_type": "made_up"},
            {"contacts": "a@b"}, {"contacts": [1]}, {"logo_uri": 1}, {"jwks": []},
            {"jwks": {"keys": []}, "jwks_uri": "https://app.acme.example/jwks"},
            {"default_max_age": "1"}, {"default_max_age": True}, {"application_type": "robot"},
            {"post_logout_redirect_uris": ["http://app.acme.example/"]},
            {"logo_uri": "https://app.acme.example/" + "a" * 3000},
        ],
    )  # fmt: skip
    def test_metadata_that_cannot_be(self, token: str, members: dict[str, Any]) -> None:
        reply = register(token, **members)

        assert (reply.status, reply.error) == (400, "invalid_client_metadata")
        assert reply.headers["Cache-Control"] == "no-store"
        assert not Client.unscoped.exists()

    def test_a_refusal_is_written_down(self, acme: Organisation, token: str) -> None:
        register(token, client_name=5)

        event = AuditEvent.objects.get(event="idp.registration.refused")
        made = InitialAccessToken.objects.within(acme).get()
        assert (event.organisation_id, event.actor) == (
            acme.pk,
            f"idp.InitialAccessToken:{made.pk}",
        )
        assert event.facts["error"] == "invalid_client_metadata"

    @pytest.mark.usefixtures("early_in_a_window")
    def test_too_many_registrations_have_to_wait(self, token: str) -> None:
        answers = [register(token, client_name=5).status for _ in range(31)]

        assert answers == [400] * 30 + [429]


class TestSoftwareStatements:
    """RFC 7591 §2.3: claims inside take precedence; the issuer has to be known."""

    ISSUER = "https://vouching.example"

    @pytest.fixture
    def key(self, settings: Any) -> ECKey:
        key = ECKey.generate_key("P-256", {"kid": "v1"})
        public = {"keys": [key.as_dict(private=False)]}
        settings.REGISTRATION_SOFTWARE_STATEMENT_ISSUERS = {self.ISSUER: public}
        return key

    def statement(self, key: Any, alg: str = "ES256", **claims: Any) -> str:
        return jwt.encode(
            {"alg": alg, "kid": "v1"}, {"iss": self.ISSUER} | claims, key, algorithms=[alg]
        )

    def test_what_it_says_counts(self, token: str, key: ECKey) -> None:
        vouched = self.statement(key, client_name="Vouched", software_id="s-1")

        reply = register(token, client_name="Mine", software_statement=vouched)

        assert reply.status == 201, reply.json
        assert reply.json["client_name"] == "Vouched"
        assert reply.json["software_id"] == "s-1"
        assert reply.json["software_statement"] == vouched

    def test_another_issuer_is_not_approved(self, token: str, key: ECKey) -> None:
        vouched = self.statement(key, iss="https://elsewhere.example", client_name="Vouched")

        reply = register(token, software_statement=vouched)

        assert (reply.status, reply.error) == (400, "unapproved_software_statement")

    def test_a_statement_that_does_not_hold_is_refused(self, token: str, key: ECKey) -> None:
        stranger = ECKey.generate_key("P-256", {"kid": "v1"})
        secret = OctKey.generate_key(256, {"kid": "v1"})
        statements = [
            self.statement(stranger), self.statement(key)[:-8] + "AAAAAAAA",
            self.statement(key, exp=clock.now().timestamp() - 1), self.statement(key, nbf=clock.now().timestamp() + 60),
            self.statement(key, exp="tomorrow"), "a.b.c", "", "x" * 9000,
            self.statement(secret, alg="HS256"),
        ]  # fmt: skip

        for text in [*statements, 5, {"a": 1}]:
            reply = register(token, software_statement=text)
            assert (reply.status, reply.error) == (400, "invalid_software_statement"), text
        assert not Client.unscoped.exists()

    def test_it_cannot_go_beyond_the_token(self, token: str, key: ECKey) -> None:
        vouched = self.statement(key, scope="roles")

        assert register(token, software_statement=vouched).error == "invalid_client_metadata"
