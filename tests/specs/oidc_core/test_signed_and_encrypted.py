"""OpenID Connect Core 1.0 §5.3.2, §10.2, §16.14: userinfo and ID tokens as JWS and JWE.

The names of conformance modules stand beside what they exercise (oidcc-…).
"""

import base64
import json
from typing import Any

import pytest
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from accounts.models import Organisation
from core import clock
from idp import keys
from idp.clients import authentication, public_keys
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth, registering
from tests.support.elsewhere import Elsewhere
from tests.support.oauth import Reply

RSA = RSAKey.generate_key(2048, {"kid": "rsa", "use": "enc"})
EC = ECKey.generate_key("P-256", {"kid": "ec", "use": "enc"})
SIGNING = ECKey.generate_key("P-256", {"kid": "sig", "use": "sig"})
KEYS = {"RSA-OAEP-256": RSA, "ECDH-ES": EC, "ECDH-ES+A256KW": EC}
JWKS = {"keys": [key.as_dict(private=False) for key in (SIGNING, RSA, EC)]}
ALGORITHMS = [(alg, enc) for alg in KEYS for enc in ("A128CBC-HS256", "A256GCM")]


@pytest.fixture
def session(client: Any, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


def app(acme: Organisation, **metadata: Any) -> Client:
    return cast.client("app", acme, is_first_party=True, metadata=metadata)


def tokens(client: Client, session: LoginSession) -> dict[str, Any]:
    answer = oauth.redeem(client, oauth.issue_code(client, session))
    assert answer.status == 200, answer.body
    return answer.json


def userinfo(client: Client, session: LoginSession) -> Reply:
    token = tokens(client, session)["access_token"]
    return oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")


def verified(text: str, alg: str) -> dict[str, Any]:
    """What a client reads out of a JWS by our published keys."""
    keys.forget()  # one that was made a moment ago is published
    published = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    token = jwt.decode(text, published, algorithms=[alg])
    return dict(token.claims)


def decrypted(text: str, alg: str, enc: str) -> tuple[dict[str, Any], str]:
    """Protected header and content of a JWE, by a library that accepts these two names alone."""
    found = jwe.decrypt_compact(text, KEYS[alg], algorithms=[alg, enc])
    assert found.plaintext is not None
    return found.protected, found.plaintext.decode()


class TestSignedUserinfo:
    @pytest.mark.spec("OpenID Core", "5.3.2", "signed userinfo says iss and aud, and has no nonce")
    @pytest.mark.parametrize("alg", ["RS256", "ES256", "PS256"])
    def test_signed(self, acme: Organisation, session: LoginSession, alg: str) -> None:
        """oidcc-userinfo-rs256"""
        client = app(acme, userinfo_signed_response_alg=alg)

        answer = userinfo(client, session)

        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/jwt")
        assert answer.headers["Cache-Control"] == "no-store"
        claims = verified(answer.body.decode(), alg)
        assert (claims["iss"], claims["aud"]) == ("https://id.sallyport.example", "app")
        assert claims["sub"] == str(session.user_id)
        assert claims["email"] == "alice@acme.example"
        assert "nonce" not in claims

    @pytest.mark.spec("OpenID Core", "5.3.2", "userinfo is JSON for who did not register otherwise")
    def test_json(self, acme_web: Client, session: LoginSession) -> None:
        assert userinfo(acme_web, session).headers["Content-Type"] == "application/json"

    def test_it_is_no_access_token_and_no_hint_for_another(
        self, acme: Organisation, session: LoginSession
    ) -> None:
        text = userinfo(app(acme, userinfo_signed_response_alg="ES256"), session).body.decode()

        answer = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {text}")

        assert (answer.status, answer.error) == (401, "invalid_token")

    def test_a_client_that_changed_a_moment_ago_is_answered_as_it_is_now(
        self, acme: Organisation, session: LoginSession
    ) -> None:
        client = app(acme, userinfo_signed_response_alg="ES256")
        token = tokens(client, session)["access_token"]
        client.metadata |= {"userinfo_encrypted_response_alg": "RSA-OAEP-256", "jwks": JWKS}
        client.changed_at = clock.now()
        client.save()

        answer = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")

        assert decrypted(answer.body.decode(), "RSA-OAEP-256", "A128CBC-HS256")


class TestEncryptedUserinfo:
    @pytest.mark.spec("OpenID Core", "5.3.2", "userinfo is signed and then encrypted")
    @pytest.mark.parametrize(("alg", "enc"), ALGORITHMS)
    def test_nested(self, acme: Organisation, session: LoginSession, alg: str, enc: str) -> None:
        client = app(
            acme, jwks=JWKS, userinfo_signed_response_alg="ES256",
            userinfo_encrypted_response_alg=alg, userinfo_encrypted_response_enc=enc,
        )  # fmt: skip

        answer = userinfo(client, session)

        assert answer.headers["Content-Type"] == "application/jwt"
        header, text = decrypted(answer.body.decode(), alg, enc)
        assert (header["cty"], header["kid"]) == ("JWT", KEYS[alg].kid)
        assert "zip" not in header
        claims = verified(text, "ES256")
        assert (claims["aud"], claims["email"]) == ("app", "alice@acme.example")

    @pytest.mark.spec("OpenID Core", "5.3.2", "userinfo may be encrypted without a signature")
    def test_encrypted_alone(self, acme: Organisation, session: LoginSession) -> None:
        client = app(acme, jwks=JWKS, userinfo_encrypted_response_alg="ECDH-ES")

        answer = userinfo(client, session)

        assert answer.headers["Content-Type"] == "application/jwt"
        header, text = decrypted(answer.body.decode(), "ECDH-ES", "A128CBC-HS256")
        assert "cty" not in header
        assert json.loads(text)["email"] == "alice@acme.example"


class TestEncryptedIdTokens:
    @pytest.mark.spec("OpenID Core", "2", "an ID token is signed and then encrypted")
    @pytest.mark.parametrize(("alg", "enc"), ALGORITHMS)
    def test_nested(self, acme: Organisation, session: LoginSession, alg: str, enc: str) -> None:
        client = app(
            acme, jwks=JWKS, id_token_encrypted_response_alg=alg,
            id_token_encrypted_response_enc=enc,
        )  # fmt: skip

        answered = tokens(client, session)

        header, text = decrypted(answered["id_token"], alg, enc)
        assert (header["alg"], header["enc"], header["cty"]) == (alg, enc, "JWT")
        claims = verified(text, "ES256")
        assert (claims["aud"], claims["sub"], claims["nonce"]) == (
            "app", str(session.user_id), "n-1",
        )  # fmt: skip

    @pytest.mark.spec("OpenID Core", "2", "so is the one of a refresh; access tokens stay JWS")
    def test_refresh(self, acme: Organisation, session: LoginSession) -> None:
        client = app(acme, jwks=JWKS, id_token_encrypted_response_alg="RSA-OAEP-256")
        first = tokens(client, session)

        second = oauth.refresh(client, first["refresh_token"]).json

        assert decrypted(second["id_token"], "RSA-OAEP-256", "A128CBC-HS256")
        assert oauth.header_of(second["access_token"])["typ"] == "at+jwt"
        introspected = oauth.send(
            "POST", "/oauth/introspect", form={"token": second["access_token"]},
            authorization=oauth.basic("app"),
        )  # fmt: skip
        assert introspected.json["active"] is True

    @pytest.mark.spec(
        "OpenID Core", "3.1.2.1", "the inner ID token is a hint, the outer one is not"
    )
    def test_hint(self, acme: Organisation, session: LoginSession, client: Any) -> None:
        from tests.support.authorize import answer, authorize

        application = app(acme, jwks=JWKS, id_token_encrypted_response_alg="ECDH-ES")
        outer = tokens(application, session)["id_token"]
        _, inner = decrypted(outer, "ECDH-ES", "A128CBC-HS256")

        good = authorize(client, application, prompt="none", id_token_hint=inner)
        bad = authorize(client, application, prompt="none", id_token_hint=outer)

        assert "code" in answer(good)
        assert answer(bad)["error"] == "invalid_request"


class TestKeys:
    @pytest.mark.spec("OpenID Core", "10.2", "keys by reference are fetched")
    def test_by_reference(
        self, acme: Organisation, session: LoginSession, elsewhere: Elsewhere
    ) -> None:
        uri = elsewhere.serve("/jwks", json.dumps(JWKS).encode())
        client = app(acme, jwks_uri=uri, id_token_encrypted_response_alg="ECDH-ES+A256KW")

        assert decrypted(tokens(client, session)["id_token"], "ECDH-ES+A256KW", "A128CBC-HS256")

    def test_without_a_key_nothing_is_told_and_the_code_stays_good(
        self, acme: Organisation, session: LoginSession, elsewhere: Elsewhere, later: Any
    ) -> None:
        uri = elsewhere.serve("/jwks", b"{}", status=500)
        client = app(acme, jwks_uri=uri, id_token_encrypted_response_alg="ECDH-ES")
        code = oauth.issue_code(client, session)

        refused = oauth.redeem(client, code)
        elsewhere.serve("/jwks", json.dumps(JWKS).encode())
        later(seconds=30)
        answered = oauth.redeem(client, code)

        assert (refused.status, refused.error) == (400, "invalid_request")
        assert answered.status == 200
        assert decrypted(answered.json["id_token"], "ECDH-ES", "A128CBC-HS256")

    @pytest.mark.spec("OpenID Core", "10.2", "keys for signatures are not encrypted to")
    @pytest.mark.parametrize("changes", [{"use": "sig"}, {"alg": "ES256"}, {"key_ops": ["verify"]}])
    def test_keys_for_something_else(self, acme: Organisation, changes: dict[str, Any]) -> None:
        jwk = {
            name: value for name, value in EC.as_dict(private=False).items() if name != "use"
        } | changes

        reply = register(acme, jwks={"keys": [jwk]}, id_token_encrypted_response_alg="ECDH-ES")

        assert is_refused(reply, "no key for")

    def test_a_key_that_says_nothing_will_do_but_one_for_encryption_goes_first(
        self, acme: Organisation, session: LoginSession
    ) -> None:
        silent = ECKey.generate_key("P-256", {"kid": "silent"})
        jwks = [silent.as_dict(private=False), EC.as_dict(private=False)]
        client = app(acme, jwks={"keys": jwks}, id_token_encrypted_response_alg="ECDH-ES")

        header, _ = decrypted(tokens(client, session)["id_token"], "ECDH-ES", "A128CBC-HS256")
        assert header["kid"] == "ec"

        client.metadata |= {"jwks": {"keys": jwks[:1]}}
        client.save()
        authentication.forget()
        public_keys.forget()
        text = tokens(client, session)["id_token"]
        assert jwe.decrypt_compact(text, silent, algorithms=["ECDH-ES", "A128CBC-HS256"]).plaintext

    @pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
    def test_every_curve(self, acme: Organisation, session: LoginSession, curve: str) -> None:
        key = ECKey.generate_key(curve, {"use": "enc"})
        jwk = {n: v for n, v in key.as_dict(private=False).items() if n != "kid"}
        client = app(acme, jwks={"keys": [jwk]}, id_token_encrypted_response_alg="ECDH-ES")

        text = tokens(client, session)["id_token"]

        found = jwe.decrypt_compact(text, key, algorithms=["ECDH-ES", "A128CBC-HS256"])
        assert "kid" not in found.protected
        assert found.plaintext


def register(acme: Organisation, **metadata: Any) -> Reply:
    return registering.register(registering.initial_token(acme), **metadata)


def is_refused(reply: Reply, words: str = "") -> bool:
    code = (reply.status, reply.error)
    return code == (400, "invalid_client_metadata") and words in reply.json["error_description"]


class TestRegistration:
    @pytest.mark.spec("OpenID Registration", "2", "enc is A128CBC-HS256 when it is left out")
    @pytest.mark.parametrize("answer", ["id_token", "userinfo"])
    def test_default(self, acme: Organisation, answer: str) -> None:
        reply = register(acme, jwks=JWKS, **{f"{answer}_encrypted_response_alg": "RSA-OAEP-256"})

        assert reply.json[f"{answer}_encrypted_response_enc"] == "A128CBC-HS256"

    @pytest.mark.spec("OpenID Registration", "2", "enc without alg is refused")
    @pytest.mark.parametrize("answer", ["id_token", "userinfo"])
    def test_enc_without_alg(self, acme: Organisation, answer: str) -> None:
        reply = register(acme, jwks=JWKS, **{f"{answer}_encrypted_response_enc": "A256GCM"})

        assert is_refused(reply)

    @pytest.mark.spec("OpenID Registration", "2", "encryption needs a key")
    def test_no_keys(self, acme: Organisation) -> None:
        reply = register(acme, userinfo_encrypted_response_alg="RSA-OAEP-256")

        assert is_refused(reply, "needs jwks or jwks_uri")

    def test_no_key_of_the_kind(self, acme: Organisation) -> None:
        jwks = {"keys": [EC.as_dict(private=False)]}
        reply = register(acme, jwks=jwks, userinfo_encrypted_response_alg="RSA-OAEP-256")

        assert is_refused(reply, "no key for RSA-OAEP-256")

    @pytest.mark.parametrize("alg", ["none", "HS256", "Ed448", "ES512"])
    def test_algorithms_that_do_not_sign_userinfo(self, acme: Organisation, alg: str) -> None:
        assert is_refused(register(acme, userinfo_signed_response_alg=alg))


@pytest.mark.spec("OpenID Discovery", "3", "what signs and encrypts is listed")
def test_discovery() -> None:
    metadata = oauth.send("GET", "/.well-known/openid-configuration").json

    for answer in ("id_token", "userinfo"):
        assert set(metadata[f"{answer}_signing_alg_values_supported"]) == {
            "ES256", "RS256", "PS256", "Ed25519", "EdDSA",
        }  # fmt: skip
        assert metadata[f"{answer}_encryption_alg_values_supported"] == list(KEYS)
        assert metadata[f"{answer}_encryption_enc_values_supported"] == [
            "A128CBC-HS256", "A256GCM",
        ]  # fmt: skip


def test_userinfo_of_others_costs_no_statement_more(
    acme_web: Client, session: LoginSession, statements: list[str]
) -> None:
    token = tokens(acme_web, session)["access_token"]
    authentication.forget()
    statements.clear()

    oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")

    assert len(statements) == 1


def test_content_keys_are_new_each_time(acme: Organisation, session: LoginSession) -> None:
    client = app(acme, jwks=JWKS, id_token_encrypted_response_alg="RSA-OAEP-256")

    parts = [tokens(client, session)["id_token"].split(".") for _ in range(2)]

    assert all(len(part) == 5 for part in parts)
    for first, second in zip(parts[0][1:], parts[1][1:], strict=True):
        assert first != second
    assert base64.urlsafe_b64decode(parts[0][0] + "==")
