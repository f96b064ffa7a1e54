"""DPoP proofs, and what is bound by them."""

from datetime import timedelta

import pytest
from django.test import Client as Browser
from joserfc.jwk import OctKey, RSAKey

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from idp import tasks
from idp.machine import door
from idp.models import AuthorizationCode, Client, RefreshFamily, SpentProof
from idp.tokens.dpop import is_same_address
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import dpop, oauth
from tests.support.racing import race

pytestmark = pytest.mark.django_db

KEY, OTHER = dpop.new_key(), dpop.new_key()
RSA = RSAKey.generate_key(2048)
MACHINE = {"grant_type": "client_credentials"}


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def fapi_web(acme) -> Client:
    return cast.client("fapi-web", acme, metadata={"security_profile": "fapi2"})


def bound(client: Client, session: LoginSession, key=KEY) -> dict:
    reply = dpop.redeem(client, oauth.issue_code(client, session), dpop.proof(key))
    assert reply.status == 200, reply.body
    return reply.json


def introspect(client: Client, text: str) -> dict:
    return oauth.send(
        "POST",
        "/oauth/introspect",
        form={"token": text},
        authorization=oauth.basic(client.client_id),
    ).json


class TestProof:
    def test_a_proof_binds_the_token(self, acme_machine):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY))

        assert (reply.status, reply.json["token_type"]) == (200, "DPoP")
        assert oauth.claims_of(reply.json["access_token"])["cnf"] == {"jkt": dpop.jkt(KEY)}

    def test_without_one_nothing_changes(self, acme_machine):
        reply = oauth.token(acme_machine, MACHINE)

        assert reply.json["token_type"] == "Bearer"
        assert "cnf" not in oauth.claims_of(reply.json["access_token"])

    @pytest.mark.parametrize("alg", ["PS256", "RS256"])
    def test_rsa_keys_do_as_well(self, acme_machine, alg):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(RSA, header={"alg": alg}))

        assert oauth.claims_of(reply.json["access_token"])["cnf"] == {"jkt": dpop.jkt(RSA)}

    @pytest.mark.parametrize(
        "header",
        [
            {"typ": None},
            {"typ": "JWT"},
            {"alg": None},
            {"alg": "none"},
            {"alg": "HS256"},
            {"alg": ["ES256"]},
            {"alg": "PS256"},
            {"jwk": None},
            {"jwk": "text"},
            {"jwk": {"kty": "EC", "crv": "P-256"}},
            {"jwk": KEY.as_dict(private=True)},
            {"jwk": OTHER.as_dict(private=False)},
            {"jwk": KEY.as_dict(private=False) | {"crv": "P-384"}},
            {"jwk": OctKey.generate_key(256).as_dict()},
            {"alg": "RS256", "jwk": RSA.as_dict(private=False)},
            {"jku": "https://evil.example/jwks"},
            {"x5c": ["MIIB"]},
            {"crit": ["b64"], "b64": False},
            {"zip": "DEF"},
        ],
        ids=",".join,
    )
    def test_a_wrong_header_is_refused(self, acme_machine, header):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY, header=header))

        assert (reply.status, reply.error) == (400, "invalid_dpop_proof")
        assert not AuditEvent.objects.filter(event=Event.TOKEN_ISSUED).exists()

    @pytest.mark.parametrize(
        "claims",
        [
            {"jti": None},
            {"jti": ""},
            {"jti": "j" * 513},
            {"jti": 7},
            {"jti": "\ud800"},
            {"htm": None},
            {"htm": "GET"},
            {"htm": "post"},
            {"htu": None},
            {"htu": "https://evil.example/oauth/token"},
            {"htu": dpop.ISSUER + "/oauth/par"},
            {"htu": "/oauth/token"},
            {"htu": ["x"]},
            {"htu": "https://[oops"},
            {"iat": None},
            {"iat": "now"},
            {"iat": True},
            {"iat": float("inf")},
            {"iat": float("nan")},
            {"iat": 10**400},
            {"iat": 0},
        ],
        ids=str,
    )
    def test_a_wrong_claim_is_refused(self, acme_machine, claims):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY, **claims))

        assert (reply.status, reply.error) == (400, "invalid_dpop_proof")

    @pytest.mark.parametrize(
        "text",
        ["x", "a.b.c", "....", "é", "e30.e30.e30", "W10.W10.", "A" * 9000, "[" * 2000 + ".a.b"],
        ids=lambda text: text[:12],
    )
    def test_what_is_no_jwt_is_refused(self, acme_machine, text):
        assert dpop.token(acme_machine, MACHINE, text).error == "invalid_dpop_proof"

    @pytest.mark.parametrize(
        "payload", ["W10", "bnVsbA", "bm9wZQ", "", "W" * 5000], ids=lambda text: text[:8]
    )
    def test_a_payload_that_is_no_object_is_refused(self, acme_machine, payload):
        head, _, signature = dpop.proof(KEY).split(".")

        reply = dpop.token(acme_machine, MACHINE, f"{head}.{payload}.{signature}")

        assert reply.error == "invalid_dpop_proof"

    def test_a_broken_signature_is_refused(self, acme_machine):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY, signed_by=OTHER))

        assert reply.error == "invalid_dpop_proof"

    @pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
    def test_a_short_rsa_key_is_refused(self, acme_machine):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(RSAKey.generate_key(1024)))

        assert reply.error == "invalid_dpop_proof"

    def test_two_headers_are_refused(self, acme_machine):
        twice = f"{dpop.proof(KEY)}, {dpop.proof(KEY)}"

        assert dpop.token(acme_machine, MACHINE, twice).error == "invalid_dpop_proof"

    @pytest.mark.parametrize(("seconds", "status"), [(-60, 200), (-62, 400), (10, 200), (12, 400)])
    def test_it_is_good_for_a_minute(self, acme_machine, seconds, status):
        iat = clock.now().timestamp() + seconds + (0.5 if seconds < 0 else 0)

        assert dpop.token(acme_machine, MACHINE, dpop.proof(KEY, iat=iat)).status == status

    def test_exp_nbf_and_other_claims_mean_nothing(self, acme_machine):
        shown = dpop.proof(KEY, exp=1, nbf=4102444800, extra={"a": [1]})

        assert dpop.token(acme_machine, MACHINE, shown).status == 200

    def test_the_host_header_is_not_asked(self, acme_machine):
        shown = dpop.proof(KEY, htu="http://testserver/oauth/token")

        reply = dpop.token(acme_machine, MACHINE, shown, HTTP_HOST="testserver")

        assert reply.error == "invalid_dpop_proof"


class TestSingleUse:
    def test_a_proof_is_good_once(self, acme_machine):
        shown = dpop.proof(KEY)
        assert dpop.token(acme_machine, MACHINE, shown).status == 200

        reply = dpop.token(acme_machine, MACHINE, shown)

        assert (reply.status, reply.error) == (400, "invalid_dpop_proof")
        assert AuditEvent.objects.filter(event=Event.TOKEN_ISSUED).count() == 1

    def test_the_same_jti_of_another_key_is_another_proof(self, acme_machine):
        for key in (KEY, OTHER):
            assert dpop.token(acme_machine, MACHINE, dpop.proof(key, jti="same")).status == 200

    def test_it_is_spent_even_when_the_request_is_refused(self, acme_web):
        shown = dpop.proof(KEY)
        dpop.redeem(acme_web, "nonsense", shown)

        assert dpop.redeem(acme_web, "nonsense", shown).error == "invalid_dpop_proof"

    def test_whoever_does_not_authenticate_spends_nothing(self, acme_machine):
        oauth.send(
            "POST",
            dpop.TOKEN,
            form=MACHINE,
            authorization=oauth.basic("acme-machine", "wrong"),
            HTTP_DPOP=dpop.proof(KEY),
        )

        assert not SpentProof.objects.exists()

    def test_a_client_that_was_changed_meanwhile_may_go_on(self, acme_machine):
        assert dpop.token(acme_machine, MACHINE, dpop.proof(KEY)).status == 200
        Client.unscoped.update(changed_at=clock.now() + timedelta(seconds=1))

        assert dpop.token(acme_machine, MACHINE, dpop.proof(KEY)).status == 200

    @pytest.mark.django_db(transaction=True)
    def test_of_twenty_at_once_one_wins(self, acme_machine):
        shown = dpop.proof(KEY)

        replies = race(lambda _: dpop.token(acme_machine, MACHINE, shown), runners=20)

        assert sorted(reply.status for reply in replies) == [200] + [400] * 19
        assert AuditEvent.objects.filter(event=Event.TOKEN_ISSUED).count() == 1

    def test_rows_are_deleted_once_the_proof_is_too_old(self, acme_machine, later):
        shown = dpop.proof(KEY)
        dpop.token(acme_machine, MACHINE, shown)
        tasks.purge()
        assert SpentProof.objects.count() == 1
        later(minutes=4)

        tasks.purge()

        assert not SpentProof.objects.exists()
        assert dpop.token(acme_machine, MACHINE, shown).error == "invalid_dpop_proof"


class TestNonce:
    @pytest.fixture(autouse=True)
    def _required(self, settings):
        settings.DPOP_NONCE_REQUIRED = True

    def test_it_is_asked_for_and_then_good(self, acme_machine):
        first = dpop.token(acme_machine, MACHINE, dpop.proof(KEY))
        assert (first.status, first.error) == (400, "use_dpop_nonce")
        assert first.headers["Cache-Control"] == "no-store"
        nonce = first.headers["DPoP-Nonce"]

        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY, nonce=nonce))

        assert reply.status == 200
        assert reply.headers["DPoP-Nonce"]

    def test_it_lives_for_five_minutes_at_least_and_ten_at_most(self, acme_machine, later):
        nonce = dpop.token(acme_machine, MACHINE, dpop.proof(KEY)).headers["DPoP-Nonce"]
        later(minutes=5)
        assert dpop.token(acme_machine, MACHINE, dpop.proof(KEY, nonce=nonce)).status == 200
        later(minutes=5)

        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY, nonce=nonce))

        assert reply.error == "use_dpop_nonce"

    @pytest.mark.parametrize("nonce", ["x", 7, ["x"], "é"], ids=str)
    def test_a_made_up_one_is_refused(self, acme_machine, nonce):
        reply = dpop.token(acme_machine, MACHINE, dpop.proof(KEY, nonce=nonce))

        assert reply.error == "use_dpop_nonce"

    def test_one_of_the_former_secret_is_good(self, acme_machine, settings):
        nonce = dpop.token(acme_machine, MACHINE, dpop.proof(KEY)).headers["DPoP-Nonce"]
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "n" * 50

        assert dpop.token(acme_machine, MACHINE, dpop.proof(KEY, nonce=nonce)).status == 200

    def test_asking_for_it_spends_nothing(self, acme_machine):
        dpop.token(acme_machine, MACHINE, dpop.proof(KEY))

        assert not SpentProof.objects.exists()

    def test_bearer_tokens_need_none(self, acme_machine):
        reply = oauth.token(acme_machine, MACHINE)

        assert reply.status == 200
        assert "DPoP-Nonce" not in reply.headers

    def test_userinfo_asks_for_it_as_well(self, acme_web, session, settings):
        settings.DPOP_NONCE_REQUIRED = False
        text = bound(acme_web, session)["access_token"]
        settings.DPOP_NONCE_REQUIRED = True
        first = dpop.userinfo(text, dpop.proof(KEY, method="GET", path=dpop.USERINFO, token=text))
        assert (first.status, first.error) == (401, "use_dpop_nonce")
        assert 'error="use_dpop_nonce"' in first.headers["WWW-Authenticate"]
        nonce = first.headers["DPoP-Nonce"]

        shown = dpop.proof(KEY, method="GET", path=dpop.USERINFO, token=text, nonce=nonce)

        assert dpop.userinfo(text, shown).status == 200


class TestAddress:
    OURS = "https://id.example/oauth/token"

    @pytest.mark.parametrize(
        "given",
        [
            "https://id.example/oauth/token",
            "HTTPS://ID.example/oauth/token",
            "https://id.example:443/oauth/token",
            "https://id.example:/oauth/token",
            "https://id.example/oauth/token?a=b",
            "https://id.example/oauth/token#f",
            "https://id.example/%6Fauth/token",
            "https://id.example/x/../oauth/token",
        ],
    )
    def test_what_is_the_same(self, given):
        assert is_same_address(given, self.OURS)

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "http://id.example/oauth/token",
            "https://id.example:8443/oauth/token",
            "https://id.example:0/oauth/token",
            "https://id.example:x/oauth/token",
            "https://id.example/oauth/Token",
            "https://id.example/oauth/token/",
            "https://id.example/oauth%2Ftoken",
            "https://user@id.example/oauth/token",
            "https://evil.example//id.example/oauth/token",
            "https://id.example.evil.example/oauth/token",
            "//id.example/oauth/token",
            "https://id.example/oauth/token" + "/" * 3000,
        ],
        ids=lambda given: given[:50],
    )
    def test_what_is_not(self, given):
        assert not is_same_address(given, self.OURS)


class TestClientsThatMust:
    @pytest.mark.parametrize(
        "metadata", [{"dpop_bound_access_tokens": True}, {"security_profile": "fapi2"}], ids=str
    )
    def test_no_proof_no_token(self, acme, session, metadata):
        strict = cast.client("strict", acme, metadata=metadata)
        code = oauth.issue_code(strict, session)

        reply = oauth.redeem(strict, code)

        assert (reply.status, reply.error) == (400, "invalid_dpop_proof")
        assert AuthorizationCode.unscoped.get().used_at is None
        assert dpop.redeem(strict, code, dpop.proof(KEY)).json["token_type"] == "DPoP"

    def test_nor_for_the_client_itself(self, acme):
        strict = cast.client(
            "strict", acme, grant_types=["client_credentials"], scopes=["roles"],
            metadata={"dpop_bound_access_tokens": True},
        )  # fmt: skip

        assert oauth.token(strict, MACHINE).error == "invalid_dpop_proof"
        assert dpop.token(strict, MACHINE, dpop.proof(KEY)).status == 200

    def test_fapi_2_knows_no_rs256(self, fapi_web, session):
        code = oauth.issue_code(fapi_web, session)
        rs256 = dpop.proof(RSA, header={"alg": "RS256"})
        assert dpop.redeem(fapi_web, code, rs256).error == "invalid_dpop_proof"
        text = dpop.redeem(fapi_web, code, dpop.proof(RSA)).json["access_token"]

        def shown(alg: str) -> str:
            return dpop.proof(
                RSA, method="GET", path=dpop.USERINFO, token=text, header={"alg": alg}
            )

        assert dpop.userinfo(text, shown("RS256")).error == "invalid_dpop_proof"
        assert dpop.userinfo(text, shown("PS256")).status == 200


class TestCode:
    def test_a_code_may_be_bound_to_the_key(self, acme_web, session):
        code = oauth.issue_code(acme_web, session, terms={"dpop_jkt": dpop.jkt(KEY)})

        assert dpop.redeem(acme_web, code, dpop.proof(KEY)).status == 200
        assert "dpop_jkt" not in RefreshFamily.unscoped.get().terms

    @pytest.mark.parametrize("shown", [lambda: dpop.proof(OTHER), lambda: None])
    def test_another_key_or_none_gets_nothing(self, acme_web, session, shown):
        code = oauth.issue_code(acme_web, session, terms={"dpop_jkt": dpop.jkt(KEY)})

        reply = dpop.redeem(acme_web, code, shown())

        assert (reply.status, reply.error) == (400, "invalid_grant")
        assert not RefreshFamily.unscoped.exists()
        assert AuditEvent.objects.filter(event=Event.CODE_MISUSED).count() == 1
        assert dpop.redeem(acme_web, code, dpop.proof(KEY)).status == 200


class TestRefresh:
    def test_a_public_clients_token_needs_its_key(self, acme_spa, session):
        tokens = bound(acme_spa, session)
        assert RefreshFamily.unscoped.get().terms == {"dpop_jkt": dpop.jkt(KEY)}

        for shown in (dpop.proof(OTHER), None):
            reply = dpop.refresh(acme_spa, tokens["refresh_token"], shown)
            assert (reply.status, reply.error) == (400, "invalid_grant")

        family = RefreshFamily.unscoped.get()
        assert (family.generation, family.revoked_at) == (0, None)
        assert AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_MISUSED).count() == 2
        assert dpop.refresh(acme_spa, tokens["refresh_token"], dpop.proof(KEY)).status == 200

    def test_nor_is_a_lost_answer_given_to_another_key(self, acme_spa, session):
        tokens = bound(acme_spa, session)
        first = dpop.refresh(acme_spa, tokens["refresh_token"], dpop.proof(KEY)).json

        stolen = dpop.refresh(acme_spa, tokens["refresh_token"], dpop.proof(OTHER))
        again = dpop.refresh(acme_spa, tokens["refresh_token"], dpop.proof(KEY))

        assert stolen.error == "invalid_grant"
        assert again.json["refresh_token"] == first["refresh_token"]

    def test_a_public_client_without_proof_is_as_before(self, acme_spa, session):
        tokens = oauth.redeem(acme_spa, oauth.issue_code(acme_spa, session)).json

        assert RefreshFamily.unscoped.get().terms == {}
        assert oauth.refresh(acme_spa, tokens["refresh_token"]).status == 200

    def test_a_confidential_client_may_change_its_key(self, acme_web, session):
        tokens = bound(acme_web, session)

        reply = dpop.refresh(acme_web, tokens["refresh_token"], dpop.proof(OTHER))

        assert reply.json["token_type"] == "DPoP"
        assert oauth.claims_of(reply.json["access_token"])["cnf"] == {"jkt": dpop.jkt(OTHER)}

    def test_it_costs_one_statement_more(self, acme_web, session, statements):
        token = bound(acme_web, session)["refresh_token"]
        statements.clear()

        dpop.refresh(acme_web, token, dpop.proof(KEY))

        assert [s.split()[0] for s in statements] == ["INSERT", "SELECT", "WITH"]


class TestRefreshOfFapi2:
    def test_nothing_is_rotated(self, fapi_web, session, later):
        token = bound(fapi_web, session)["refresh_token"]

        for _ in range(3):
            later(seconds=31)
            reply = dpop.refresh(fapi_web, token, dpop.proof(dpop.new_key()))
            assert reply.status == 200
            assert reply.json["refresh_token"] == token

        assert RefreshFamily.unscoped.get().generation == 0
        used = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_USED)
        assert used.count() == 3
        assert not AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_ROTATED).exists()

    def test_each_use_is_judged(self, fapi_web, session):
        token = bound(fapi_web, session)["refresh_token"]
        LoginSession.unscoped.update(ended_at=clock.now())

        assert dpop.refresh(fapi_web, token, dpop.proof(KEY)).error == "invalid_grant"

    def test_each_use_is_use_of_the_session(self, fapi_web, session, later):
        token = bound(fapi_web, session)["refresh_token"]
        later(minutes=2)
        before = LoginSession.unscoped.get().last_used_at

        dpop.refresh(fapi_web, token, dpop.proof(KEY))

        assert LoginSession.unscoped.get().last_used_at > before

    def test_a_revoked_family_is_over(self, fapi_web, session):
        token = bound(fapi_web, session)["refresh_token"]
        RefreshFamily.unscoped.update(revoked_at=clock.now())

        assert dpop.refresh(fapi_web, token, dpop.proof(KEY)).error == "invalid_grant"

    def test_without_a_proof_nothing_is_given(self, fapi_web, session):
        token = bound(fapi_web, session)["refresh_token"]

        assert oauth.refresh(fapi_web, token).error == "invalid_dpop_proof"

    def test_another_client_ends_the_family(self, fapi_web, acme_web, session):
        token = bound(fapi_web, session)["refresh_token"]

        assert oauth.refresh(acme_web, token).error == "invalid_grant"
        assert RefreshFamily.unscoped.get().revoked_at is not None


class TestUserinfo:
    @pytest.fixture
    def text(self, acme_web, session) -> str:
        return bound(acme_web, session)["access_token"]

    def proof(self, text: str, key=KEY, **changes) -> str:
        values = {"method": "GET", "path": dpop.USERINFO, "token": text}
        return dpop.proof(key, **(values | changes))

    @pytest.mark.parametrize("scheme", ["DPoP", "dpop", "dPoP"])
    def test_the_key_opens_it(self, text, employee, scheme):
        reply = dpop.userinfo(text, self.proof(text), scheme=scheme)

        assert reply.json["email"] == employee.email

    @pytest.mark.parametrize("shown", [True, False])
    def test_by_bearer_it_is_worth_nothing(self, text, shown):
        reply = dpop.userinfo(text, self.proof(text) if shown else None, scheme="Bearer")

        assert (reply.status, reply.error) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"].startswith('DPoP error="invalid_token", algs="')

    def test_without_a_proof_as_well(self, text):
        reply = dpop.userinfo(text, None)

        assert (reply.status, reply.error) == (401, "invalid_dpop_proof")
        assert 'error="invalid_dpop_proof"' in reply.headers["WWW-Authenticate"]

    def test_nor_by_another_key(self, text):
        assert dpop.userinfo(text, self.proof(text, OTHER)).error == "invalid_token"

    @pytest.mark.parametrize(
        "changes",
        [
            {"token": None},
            {"token": "another"},
            {"method": "POST"},
            {"path": dpop.TOKEN},
            {"iat": 0},
            {"header": {"typ": "JWT"}},
        ],
        ids=str,
    )
    def test_nor_by_a_proof_for_something_else(self, text, changes):
        reply = dpop.userinfo(text, self.proof(text, **changes))

        assert (reply.status, reply.error) == (401, "invalid_dpop_proof")

    def test_a_proof_is_good_once(self, text):
        shown = self.proof(text)
        assert dpop.userinfo(text, shown).status == 200

        assert dpop.userinfo(text, shown).error == "invalid_dpop_proof"

    def test_a_token_without_a_key_is_no_dpop_token(self, acme_web, session):
        text = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        assert dpop.userinfo(text, self.proof(text)).error == "invalid_token"

    def test_it_takes_two_statements(self, text, statements):
        statements.clear()

        dpop.userinfo(text, self.proof(text))

        assert [s.split()[0] for s in statements] == ["WITH", "INSERT"]


class TestTokenInTheBody:
    def post(self, text: str, **changes) -> oauth.Reply:
        return oauth.send("POST", dpop.USERINFO, form={"access_token": text}, **changes)

    def test_a_bearer_token_may_come_in_a_form(self, acme_web, session, employee):
        text = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        assert self.post(text).json["email"] == employee.email

    def test_but_not_in_two_ways_at_once(self, acme_web, session):
        text = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        reply = self.post(text, authorization=f"Bearer {text}")

        assert (reply.status, reply.error) == (400, "invalid_request")

    def test_nor_in_the_query(self, acme_web, session):
        text = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json["access_token"]

        reply = oauth.send("GET", dpop.USERINFO, query=f"access_token={text}")

        assert (reply.status, reply.error) == (401, "invalid_token")

    def test_a_bound_one_may_not(self, acme_web, session):
        text = bound(acme_web, session)["access_token"]
        shown = dpop.proof(KEY, path=dpop.USERINFO, token=text)

        assert self.post(text, HTTP_DPOP=shown).error == "invalid_token"

    def test_a_bound_one_may_be_posted_in_the_header(self, acme_web, session, employee):
        text = bound(acme_web, session)["access_token"]
        shown = dpop.proof(KEY, path=dpop.USERINFO, token=text)

        reply = oauth.send("POST", dpop.USERINFO, authorization=f"DPoP {text}", HTTP_DPOP=shown)

        assert reply.json["email"] == employee.email


class TestIntrospection:
    def test_it_tells_of_the_key(self, acme_web, session):
        answer = introspect(acme_web, bound(acme_web, session)["access_token"])

        assert (answer["token_type"], answer["cnf"]) == ("DPoP", {"jkt": dpop.jkt(KEY)})


class TestDiscovery:
    def test_it_names_the_algorithms(self):
        document = oauth.send("GET", "/.well-known/openid-configuration").json

        found = document["dpop_signing_alg_values_supported"]
        assert found == ["ES256", "PS256", "RS256", "Ed25519", "EdDSA"]

    def test_browsers_may_send_proofs_and_read_nonces(self):
        preflight = oauth.send("OPTIONS", dpop.TOKEN)
        answer = oauth.send("POST", dpop.TOKEN)

        assert "DPoP" in preflight.headers["Access-Control-Allow-Headers"]
        assert "DPoP-Nonce" in answer.headers["Access-Control-Expose-Headers"]

    def test_every_preflight_is_answered_alike(self, settings):
        settings.SECURE_HSTS_SECONDS = 60
        request = {"PATH_INFO": dpop.TOKEN, "REQUEST_METHOD": "OPTIONS", "HTTP_HOST": "testserver"}
        settings.ALLOWED_HOSTS = ["testserver"]

        first, second = door.answer(request), door.answer(request)

        assert first.headers == second.headers
        assert len(dict(first.headers)) == len(first.headers)
