"""CIBA Core 1.0, and what FAPI-CIBA asks beyond it."""

from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.ids import new_token
from idp.models import BackchannelAuthentication, Client
from idp.models.client import CIBA
from tests import cast
from tests.cast import Person
from tests.support import assertions, ciba, dpop, oauth, over_tls, request_objects
from tests.support.certificates import MINE, over, thumbprint
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db
spec = pytest.mark.spec


@pytest.fixture
def bank(acme: Any, employee: Person) -> Client:
    return ciba.asker(acme)


@pytest.fixture
def signing(acme: Any, employee: Person) -> Client:
    return ciba.signer(acme)


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def seconds() -> int:
    return int(clock.now().timestamp())


@spec("CIBA Core 1.0", "4", "the metadata names endpoint, modes, algorithms and grant type")
def test_metadata(db: None) -> None:
    document = oauth.send("GET", "/.well-known/openid-configuration").json

    issuer = document["issuer"]
    assert document["backchannel_authentication_endpoint"] == f"{issuer}/oauth/bc-authorize"
    assert document["backchannel_token_delivery_modes_supported"] == ["poll", "ping"]
    assert document["backchannel_user_code_parameter_supported"] is False
    algorithms = document["backchannel_authentication_request_signing_alg_values_supported"]
    assert {"ES256", "PS256"} <= set(algorithms)
    assert "none" not in algorithms
    assert CIBA in document["grant_types_supported"]


class TestTheRequest:
    @spec("CIBA Core 1.0", "7.1", "the client authenticates as at the token endpoint")
    def test_authentication(self, bank: Client) -> None:
        form = {"scope": "openid", "login_hint": "alice@acme.example"}
        wrong = oauth.basic(bank.client_id, "wrong")
        replies = [
            oauth.send("POST", ciba.PATH, form=form, authorization=wrong),
            oauth.send("POST", ciba.PATH, form=form | {"client_id": bank.client_id}),
        ]

        assert [(reply.status, reply.error) for reply in replies] == [(401, "invalid_client")] * 2

    @spec("CIBA Core 1.0", "7.1", "it is for clients registered for the grant type")
    def test_registered_clients(self, acme_web: Client) -> None:
        assert ciba.ask(acme_web).error == "unauthorized_client"

    @spec("CIBA Core 1.0", "7.1", "scope holds openid")
    @pytest.mark.parametrize("scope", [None, "profile", "openid admin"])
    def test_scope(self, bank: Client, scope: str | None) -> None:
        assert ciba.ask(bank, scope=scope).error == "invalid_scope"

    @spec("FAPI-CIBA ID1", "5.2.2", "the order of scopes does not matter")
    def test_order_of_scopes(self, bank: Client) -> None:
        assert ciba.ask(bank, scope="profile openid").status == 200

    @spec("CIBA Core 1.0", "7.1", "exactly one hint")
    @pytest.mark.parametrize(
        "hints",
        [
            {"login_hint": None},
            {"id_token_hint": "a.b.c"},
            {"login_hint_token": "a.b.c"},
            {"login_hint": None, "login_hint_token": "a.b.c"},
            {"login_hint": None, "id_token_hint": "not.a.token"},
        ],
        ids=["none", "two", "two-with-token", "unsupported", "not-ours"],
    )
    def test_hints(self, bank: Client, hints: dict[str, Any]) -> None:
        assert ciba.ask(bank, **hints).error == "invalid_request"
        assert not BackchannelAuthentication.unscoped.exists()

    @spec("CIBA Core 1.0", "7.1", "a short binding message is shown")
    @pytest.mark.parametrize("message", ["1234", "W4SCT", "Zahlung № 7: grün", "x" * 64])
    def test_binding_message(self, bank: Client, message: str) -> None:
        assert ciba.ask(bank, binding_message=message).status == 200
        assert BackchannelAuthentication.unscoped.get().binding_message == message

    @spec("CIBA Core 1.0", "13", "invalid_binding_message for one that cannot be shown")
    @pytest.mark.parametrize(
        "message", ["x" * 65, "a\nb", "a\u202eb", "a\u200bb", "x" * 3000], ids=range(5)
    )
    def test_bad_binding_message(self, bank: Client, message: str) -> None:
        assert ciba.ask(bank, binding_message=message).error == "invalid_binding_message"

    @spec("CIBA Core 1.0", "7.1", "requested_expiry is a positive number")
    @pytest.mark.parametrize("expiry", ["0", "-1", "soon", "1.5", "9" * 10])
    def test_bad_expiry(self, bank: Client, expiry: str) -> None:
        assert ciba.ask(bank, requested_expiry=expiry).error == "invalid_request"

    @spec("CIBA Core 1.0", "13", "unknown_user_id")
    def test_unknown_person(self, bank: Client) -> None:
        reply = ciba.ask(bank, login_hint="nobody@acme.example")

        assert (reply.status, reply.error) == (400, "unknown_user_id")

    @spec("CIBA Core 1.0", "7.1", "parameters must not be repeated, and are a form")
    def test_form(self, bank: Client) -> None:
        authorization = oauth.basic(bank.client_id)
        form = "scope=openid&login_hint=alice%40acme.example&scope=openid"
        reply = oauth.send("POST", ciba.PATH, form=form, authorization=authorization)
        query = oauth.send("POST", ciba.PATH, query="scope=openid", authorization=authorization)

        assert (reply.error, query.error) == ("invalid_request", "invalid_request")
        assert oauth.send("GET", ciba.PATH).status == 405


class TestPing:
    @pytest.fixture
    def pinged(self, acme: Any, employee: Person) -> Client:
        return ciba.asker(
            acme,
            metadata={
                "backchannel_token_delivery_mode": "ping",
                "backchannel_client_notification_endpoint": "https://bank.example/ping",
            },
        )

    @spec("CIBA Core 1.0", "7.1", "client_notification_token is a bearer token of some entropy")
    @pytest.mark.parametrize(
        "token",
        [None, "x" * 21, "x" * 1025, "x" * 30 + " y", "x" * 30 + "!", "x=" * 20],
        ids=["missing", "short", "long", "space", "character", "padding"],
    )
    def test_bad_notification_token(self, pinged: Client, token: str | None) -> None:
        assert ciba.ask(pinged, client_notification_token=token).error == "invalid_request"

    @spec("CIBA Core 1.0", "7.1", "such a token is accepted")
    @pytest.mark.parametrize("token", ["x" * 22, "x" * 1024, "aZ09-._~+/" * 3 + "=="])
    def test_notification_token(self, pinged: Client, token: str) -> None:
        assert ciba.ask(pinged, client_notification_token=token).status == 200


class TestSignedRequests:
    @spec("CIBA Core 1.0", "7.1.1", "the request is a JWT that the client has signed")
    @pytest.mark.parametrize("typ", ["oauth-authz-req+jwt", "JWT", None])
    def test_accepted(self, signing: Client, typ: str | None) -> None:
        text = request_objects.sign(ciba.claims(signing), header={"typ": typ})

        assert ciba.send(signing, {"request": text}).status == 200

    @spec("FAPI-CIBA ID1", "5.2.2", "requested_expiry is a number or a text")
    @pytest.mark.parametrize("expiry", [10, "10"])
    def test_expiry(self, signing: Client, expiry: Any) -> None:
        assert ciba.ask_signed(signing, requested_expiry=expiry).json["expires_in"] == 10

    @spec("FAPI-CIBA ID1", "5.2.2", "a client that signs must sign")
    def test_unsigned(self, acme: Any, signing: Client) -> None:
        fapi2 = ciba.asker(
            acme,
            "acme-fapi",
            metadata={"jwks": request_objects.jwks(), "security_profile": "fapi2"},
        )

        assert ciba.ask(signing).error == "invalid_request"
        assert ciba.ask(fapi2).error == "invalid_request"
        assert ciba.ask_signed(fapi2).status == 200

    @spec("CIBA Core 1.0", "7.1.1", "iss, aud, exp, iat, nbf and jti are required and must fit")
    @pytest.mark.parametrize(
        "changes",
        [
            *({name: None} for name in ("iss", "aud", "exp", "iat", "nbf", "jti")),
            {"iss": "acme-other"},
            {"client_id": "acme-other"},
            {"aud": "https://other.example"},
            {"aud": []},
            {"jti": ""},
            {"jti": 7},
            {"sub": "acme-signer"},
            {"request": "a.b.c"},
            {"scope": ["openid"]},
            {"login_hint": {"email": "alice@acme.example"}},
            {"binding_message": 7.5},
        ],
        ids=str,
    )
    def test_claims(self, signing: Client, changes: dict[str, Any]) -> None:
        assert ciba.ask_signed(signing, **changes).error == "invalid_request"
        assert not BackchannelAuthentication.unscoped.exists()

    @spec("FAPI-CIBA ID1", "5.2.2", "it lives for an hour at most")
    @pytest.mark.parametrize(
        ("name", "minutes"),
        [("exp", 70), ("exp", -1), ("nbf", 10), ("nbf", -70), ("iat", 10)],
        ids=["late-exp", "expired", "future-nbf", "old-nbf", "future-iat"],
    )
    def test_times(self, signing: Client, name: str, minutes: int) -> None:
        reply = ciba.ask_signed(signing, **{name: seconds() + 60 * minutes})

        assert reply.error == "invalid_request"

    @spec("CIBA Core 1.0", "7.1.1", "times are numbers")
    @pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
    @pytest.mark.parametrize("value", ["soon", True, float("nan"), float("inf"), 1e300], ids=str)
    def test_strange_times(self, signing: Client, name: str, value: Any) -> None:
        assert ciba.ask_signed(signing, **{name: value}).error == "invalid_request"

    @spec("FAPI-CIBA ID1", "5.2.2", "signed by the registered algorithm and the client's key")
    def test_signatures(self, signing: Client) -> None:
        claims = ciba.claims(signing)
        texts = [
            request_objects.unsigned(claims),
            request_objects.sign(claims, alg="RS256"),
            request_objects.sign(claims, alg="PS256"),
            request_objects.sign(claims, by=request_objects.key(owner="another")),
            request_objects.sign(claims)[:-4] + "AAAA",
            "a.b.c",
            "x",
        ]

        replies = [ciba.send(signing, {"request": text}) for text in texts]

        assert [reply.error for reply in replies] == ["invalid_request"] * len(texts)

    @spec("CIBA Core 1.0", "7.1.1", "no parameter stands beside the signed request")
    @pytest.mark.parametrize("name", ["scope", "login_hint", "binding_message", "acr_values"])
    def test_beside(self, signing: Client, name: str) -> None:
        text = request_objects.sign(ciba.claims(signing))

        reply = ciba.send(signing, {"request": text, name: "openid"})

        assert reply.error == "invalid_request"

    @spec("CIBA Core 1.0", "7.1.1", "there is no request by reference")
    def test_reference(self, bank: Client) -> None:
        assert ciba.ask(bank, request_uri="https://bank.example/r").error == "invalid_request"

    @spec("CIBA Core 1.0", "7.1.1", "a signed request is good once")
    def test_once(self, signing: Client) -> None:
        form = {"request": request_objects.sign(ciba.claims(signing))}

        assert ciba.send(signing, form).status == 200
        assert ciba.send(signing, form).error == "invalid_request"
        assert BackchannelAuthentication.unscoped.count() == 1
        assert AuditEvent.objects.filter(event=Event.REQUEST_OBJECT_REPLAYED).count() == 1


@spec("CIBA Core 1.0", "7.3", "auth_req_id, expires_in, interval; not to be stored")
def test_the_answer(bank: Client) -> None:
    reply = ciba.ask(bank)

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json"
    assert "no-store" in reply.headers["Cache-Control"]
    assert reply.json.keys() == {"auth_req_id", "expires_in", "interval"}
    assert (reply.json["expires_in"], reply.json["interval"]) == (600, 5)
    assert len(reply.json["auth_req_id"]) * 6 >= 160


class TestTheTokenEndpoint:
    @spec("CIBA Core 1.0", "11", "authorization_pending, slow_down, access_denied")
    def test_while_it_waits(self, bank: Client, alices: Browser) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        told = [ciba.poll(bank, auth_req_id), ciba.poll(bank, auth_req_id)]
        ciba.decide(alices, "deny")
        told.append(ciba.poll(bank, auth_req_id))

        assert [reply.error for reply in told] == [
            "authorization_pending", "slow_down", "access_denied",
        ]  # fmt: skip
        assert {reply.status for reply in told} == {400}
        assert all("no-store" in reply.headers["Cache-Control"] for reply in told)

    @spec("CIBA Core 1.0", "11", "expired_token")
    def test_it_runs_out(self, bank: Client, later: Any) -> None:
        auth_req_id = ciba.ask(bank, requested_expiry="10").json["auth_req_id"]
        later(seconds=10)

        assert ciba.poll(bank, auth_req_id).error == "expired_token"

    @spec("CIBA Core 1.0", "10.1.1", "a successful answer has an ID token")
    def test_it_succeeds(self, bank: Client, alices: Browser) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)

        reply = ciba.poll(bank, auth_req_id)

        assert reply.status == 200
        assert {"access_token", "token_type", "expires_in", "id_token"} <= reply.json.keys()
        assert "no-store" in reply.headers["Cache-Control"]
        assert "nonce" not in oauth.claims_of(reply.json["id_token"])

    @spec("CIBA Core 1.0", "11", "invalid_grant for one that is unknown, used or another client's")
    def test_what_it_refuses(self, acme: Any, bank: Client, alices: Browser) -> None:
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)
        other = ciba.asker(acme, "acme-other")
        told = [ciba.poll(other, auth_req_id), ciba.poll(bank, new_token())]
        assert ciba.poll(bank, auth_req_id).status == 200
        told.append(ciba.poll(bank, auth_req_id))

        assert [reply.error for reply in told] == ["invalid_grant"] * 3

    @spec("CIBA Core 1.0", "10.1", "auth_req_id is required, and so is the grant type")
    def test_what_is_missing(self, bank: Client, acme_web: Client) -> None:
        assert oauth.token(bank, {"grant_type": CIBA}).error == "invalid_request"
        assert ciba.poll(acme_web, new_token()).error == "unauthorized_client"

    @spec("CIBA Core 1.0", "10.1", "the client authenticates")
    def test_authentication(self, bank: Client) -> None:
        form = {"grant_type": CIBA, "auth_req_id": new_token(), "client_id": bank.client_id}

        assert oauth.send("POST", "/oauth/token", form=form).error == "invalid_client"


class TestFapiCiba:
    """Keys, certificates and signed requests together."""

    @pytest.fixture(autouse=True)
    def _proxy(self, settings: Any) -> None:
        settings.MTLS_HEADER = "X-Client-Cert"
        settings.MTLS_PROXIES = [over_tls.PEER]

    @pytest.fixture
    def keyed(self, acme: Any, employee: Person) -> Client:
        return ciba.signer(
            acme,
            token_endpoint_auth_signing_alg="ES256",
            tls_client_certificate_bound_access_tokens=True,
            fields={"token_endpoint_auth_method": "private_key_jwt", "secret_digest": None},
        )

    def assertion(self, client: Client, alg: str = "ES256", **changes: Any) -> dict[str, Any]:
        said = assertions.claims(client.client_id, **changes)
        text = assertions.sign(said, request_objects.key(alg), alg)
        return {"client_assertion_type": assertions.TYPE, "client_assertion": text}

    def ask(self, client: Client, form: dict[str, Any] | None = None) -> oauth.Reply:
        proof = self.assertion(client) if form is None else form
        signed = {"request": request_objects.sign(ciba.claims(client))}
        return oauth.send("POST", ciba.PATH, form=signed | proof)

    def poll(self, client: Client, auth_req_id: str, form: Any = None, **environ: Any) -> Any:
        proof = self.assertion(client) if form is None else form
        asked = {"grant_type": CIBA, "auth_req_id": auth_req_id}
        return oauth.send("POST", "/oauth/token", form=asked | proof, **environ)

    @spec("FAPI-CIBA ID1", "5.2.2", "tokens are bound to the client's certificate")
    def test_bound_tokens(self, keyed: Client, alices: Browser) -> None:
        reply = self.ask(keyed)
        assert reply.status == 200
        auth_req_id = reply.json["auth_req_id"]
        ciba.decide(alices)

        assert self.poll(keyed, auth_req_id).error == "invalid_request"
        bound = self.poll(keyed, auth_req_id, **over(MINE))

        assert bound.status == 200
        claims = oauth.claims_of(bound.json["access_token"])
        assert claims["cnf"] == {"x5t#S256": thumbprint(MINE)}

    @spec("FAPI-CIBA ID1", "5.2.2", "a refresh needs the certificate as well")
    def test_refresh(self, keyed: Client, alices: Browser) -> None:
        auth_req_id = self.ask(keyed).json["auth_req_id"]
        ciba.decide(alices)
        tokens = self.poll(keyed, auth_req_id, **over(MINE)).json
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

        bare = oauth.send("POST", "/oauth/token", form=form | self.assertion(keyed))
        good = oauth.send("POST", "/oauth/token", form=form | self.assertion(keyed), **over(MINE))

        assert bare.error == "invalid_request"
        assert good.status == 200

    @spec("FAPI-CIBA ID1", "5.2.2", "assertions by another algorithm, and none at all, are refused")
    def test_assertions(self, keyed: Client) -> None:
        for form in (self.assertion(keyed, "RS256"), {}, {"client_id": keyed.client_id}):
            assert self.ask(keyed, form).error == "invalid_client"
            assert self.poll(keyed, new_token(), form, **over(MINE)).error == "invalid_client"

    @spec("CIBA Core 1.0", "7.1", "the issuer, token endpoint and this endpoint are audiences")
    @pytest.mark.parametrize("path", ["", "/oauth/token", "/oauth/bc-authorize"])
    def test_audiences(self, keyed: Client, path: str) -> None:
        assert self.ask(keyed, self.assertion(keyed, aud=f"{ISSUER}{path}")).status == 200

    @spec("CIBA Core 1.0", "7.1.1", "an assertion is no signed request, nor the other way round")
    def test_kinds(self, keyed: Client) -> None:
        proof = self.assertion(keyed)
        mixed = proof | {"request": proof["client_assertion"]}
        swapped = proof | {"client_assertion": request_objects.sign(ciba.claims(keyed))}

        assert oauth.send("POST", ciba.PATH, form=mixed).error == "invalid_request"
        assert self.ask(keyed, swapped).error == "invalid_client"

    @spec("CIBA Core 1.0", "10.1", "tokens are bound to a DPoP key where the client shows one")
    def test_dpop(self, acme: Any, employee: Person, alices: Browser) -> None:
        bank, key = ciba.asker(acme), dpop.new_key()
        auth_req_id = ciba.ask(bank).json["auth_req_id"]
        ciba.decide(alices)

        reply = ciba.poll(bank, auth_req_id, HTTP_DPOP=dpop.proof(key))

        assert reply.json["token_type"] == "DPoP"
        assert oauth.claims_of(reply.json["access_token"])["cnf"] == {"jkt": dpop.jkt(key)}
