"""RFC 9701, JSON Web Token (JWT) Response for OAuth Token Introspection."""

from typing import Any

import pytest
from django.test import Client as Browser
from joserfc import jwe, jwt
from joserfc.jwk import ECKey, KeySet

from accounts.models import Organisation
from core import clock
from idp import keys
from idp.models import Client
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import exchange, oauth, registering
from tests.support.authorize import answer, authorize
from tests.support.oauth import Reply
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db

MEDIA_TYPE = "application/token-introspection+jwt"
KEY = ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"})
JWKS = {"keys": [KEY.as_dict(private=False)]}


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


@pytest.fixture
def tokens(acme_web: Client, session: LoginSession) -> dict[str, Any]:
    return oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json


def ask(caller: Client, token: str, accept: str = MEDIA_TYPE) -> Reply:
    return oauth.send(
        "POST", "/oauth/introspect", form={"token": token},
        authorization=oauth.basic(caller.client_id), HTTP_ACCEPT=accept,
    )  # fmt: skip


def read(reply: Reply, alg: str = "ES256") -> dict[str, Any]:
    """What a resource server reads out of the answer by our published keys."""
    assert (reply.status, reply.headers["Content-Type"]) == (200, MEDIA_TYPE), reply.body
    return verified(reply.body.decode(), alg)


def verified(text: str, alg: str = "ES256") -> dict[str, Any]:
    keys.forget()  # one that was made a moment ago is published
    published = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    token = jwt.decode(text, published, algorithms=[alg])
    assert token.header["typ"] == "token-introspection+jwt"
    return dict(token.claims)


@pytest.mark.spec("RFC 9701", "4", "the caller asks for a JWT by its media type in Accept")
@pytest.mark.parametrize(
    "accept",
    [MEDIA_TYPE, MEDIA_TYPE.upper(), f"text/html, {MEDIA_TYPE};q=0.5", f"{MEDIA_TYPE} ; q=1"],
    ids=["alone", "upper", "weighted", "spaced"],
)
def test_accept(acme_web: Client, tokens: dict[str, Any], accept: str) -> None:
    assert read(ask(acme_web, tokens["access_token"], accept))["token_introspection"]["active"]


@pytest.mark.spec("RFC 9701", "4", "who does not ask for a JWT gets JSON")
@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "application/json", f"{MEDIA_TYPE};q=0", f"{MEDIA_TYPE};q=0.0", f"x{MEDIA_TYPE}"],
    ids=["none", "anything", "json", "refused", "refused-0.0", "other"],
)
def test_json(acme_web: Client, tokens: dict[str, Any], accept: str) -> None:
    reply = ask(acme_web, tokens["access_token"], accept)

    assert reply.headers["Content-Type"] == "application/json"
    assert reply.json["active"] is True


@pytest.mark.spec("RFC 9701", "5", "iss, aud, iat and token_introspection, and nothing else on top")
def test_the_claims(acme_web: Client, tokens: dict[str, Any]) -> None:
    reply = ask(acme_web, tokens["access_token"])

    said = read(reply)

    assert reply.headers["Cache-Control"] == "no-store"
    assert said.keys() == {"iss", "aud", "iat", "token_introspection"}
    assert (said["iss"], said["aud"]) == (ISSUER, "acme-web")
    assert abs(said["iat"] - clock.now().timestamp()) < 10
    plain = ask(acme_web, tokens["access_token"], "application/json").json
    assert said["token_introspection"] == plain
    assert plain["scope"] == "openid profile email"


@pytest.mark.spec("RFC 9701", "5", "of an inactive token nothing is told but that")
def test_inactive(acme_web: Client, tokens: dict[str, Any]) -> None:
    oauth.send(
        "POST", "/oauth/revoke", form={"token": tokens["refresh_token"]},
        authorization=oauth.basic("acme-web"),
    )  # fmt: skip

    for token in (*map(tokens.get, ("access_token", "refresh_token", "id_token")), "nonsense"):
        assert read(ask(acme_web, str(token)))["token_introspection"] == {"active": False}


@pytest.mark.spec("RFC 9701", "5", "a token that is for another resource server is inactive")
def test_for_another(acme: Organisation, session: LoginSession) -> None:
    ledger = cast.client("ledger", acme, is_first_party=True, audience="https://ledger.example")
    archive = cast.client("archive", acme, audience="https://archive.example")
    code = oauth.issue_code(ledger, session, scope="profile")
    token = oauth.redeem(ledger, code).json["access_token"]

    assert read(ask(archive, token))["token_introspection"] == {"active": False}
    said = read(ask(ledger, token))
    assert (said["aud"], said["token_introspection"]["aud"]) == ("ledger", "https://ledger.example")


@pytest.mark.spec("RFC 9701", "5", "a resource server may be the audience by its client_id")
def test_for_a_client_id(acme: Organisation, session: LoginSession) -> None:
    caller = cast.client("caller", acme, is_first_party=True, audience="api")
    api = cast.client("api", acme, audience="https://api.example")
    code = oauth.issue_code(caller, session, scope="profile")
    token = oauth.redeem(caller, code).json["access_token"]

    assert read(ask(api, token))["token_introspection"]["active"] is True


def test_another_organisation_learns_nothing(globex_web: Client, tokens: dict[str, Any]) -> None:
    said = read(ask(globex_web, tokens["access_token"]))

    assert said["token_introspection"] == {"active": False}


def test_a_refresh_token_is_told_to_its_client(acme_web: Client, tokens: dict[str, Any]) -> None:
    said = read(ask(acme_web, tokens["refresh_token"]))["token_introspection"]

    assert (said["active"], said["client_id"]) == (True, "acme-web")


@pytest.mark.spec("RFC 9701", "5", "errors stay JSON, and an unknown caller gets no JWT")
def test_errors(acme_web: Client) -> None:
    reply = oauth.send(
        "POST", "/oauth/introspect", form={"token": "x"},
        authorization=oauth.basic("acme-web", "wrong"), HTTP_ACCEPT=MEDIA_TYPE,
    )  # fmt: skip

    assert (reply.status, reply.error) == (401, "invalid_client")


@pytest.mark.spec("RFC 9701", "6", "introspection_signed_response_alg says how it is signed")
@pytest.mark.parametrize("alg", ["ES256", "PS256", "RS256"])
def test_signed_by(acme: Organisation, tokens: dict[str, Any], alg: str) -> None:
    api = cast.client("api", acme, metadata={"introspection_signed_response_alg": alg})

    assert read(ask(api, tokens["access_token"]), alg)["token_introspection"]["active"] is True


def test_it_is_signed_as_id_tokens_are_unless_said_otherwise(
    acme: Organisation, tokens: dict[str, Any]
) -> None:
    api = cast.client("api", acme, signing_alg="RS256")

    assert read(ask(api, tokens["access_token"]), "RS256")["aud"] == "api"


@pytest.mark.spec("RFC 9701", "6", "signed, and then encrypted to the caller's key")
def test_encrypted(acme: Organisation, tokens: dict[str, Any]) -> None:
    metadata = {
        "jwks": JWKS, "introspection_encrypted_response_alg": "ECDH-ES",
        "introspection_encrypted_response_enc": "A256GCM",
    }  # fmt: skip
    api = cast.client("api", acme, metadata=metadata)

    for token, is_active in ((tokens["access_token"], True), ("nonsense", False)):
        reply = ask(api, token)
        found = jwe.decrypt_compact(reply.body, KEY, algorithms=["ECDH-ES", "A256GCM"])
        assert found.plaintext is not None
        assert (found.protected["cty"], found.protected["kid"]) == ("JWT", "enc")
        said = verified(found.plaintext.decode())
        assert said["token_introspection"]["active"] is is_active


def test_without_a_key_nothing_is_told_in_clear(acme: Organisation, tokens: dict[str, Any]) -> None:
    metadata = {
        "jwks_uri": "https://nobody.invalid/jwks",
        "introspection_encrypted_response_alg": "ECDH-ES",
    }
    api = cast.client("api", acme, metadata=metadata)

    reply = ask(api, tokens["access_token"])

    assert (reply.status, reply.error) == (400, "invalid_request")


@pytest.mark.spec("RFC 9701", "6", "the metadata is registered dynamically, and kept")
def test_registration(acme: Organisation) -> None:
    token = registering.initial_token(acme)
    wanted = {
        "introspection_signed_response_alg": "PS256",
        "introspection_encrypted_response_alg": "ECDH-ES",
    }

    kept = registering.register(token, jwks=JWKS, **wanted)

    assert kept.status == 201, kept.body
    assert wanted.items() <= kept.json.items()
    assert kept.json["introspection_encrypted_response_enc"] == "A128CBC-HS256"
    for name, wrong in {
        "introspection_signed_response_alg": "none",
        "introspection_encrypted_response_alg": "RSA1_5",
        "introspection_encrypted_response_enc": "A256GCM",  # without its alg
    }.items():
        refused = registering.register(registering.initial_token(acme), jwks=JWKS, **{name: wrong})
        assert (refused.status, refused.error) == (400, "invalid_client_metadata"), name


@pytest.mark.spec("RFC 9701", "7", "discovery lists the algorithms")
def test_discovery(db: None) -> None:
    found = oauth.send("GET", "/.well-known/openid-configuration").json

    assert {"ES256", "PS256", "RS256"} <= set(found["introspection_signing_alg_values_supported"])
    assert "ECDH-ES" in found["introspection_encryption_alg_values_supported"]
    assert "A256GCM" in found["introspection_encryption_enc_values_supported"]


@pytest.mark.spec("RFC 9701", "8.1", "the JWT passes for no access token, ID token or assertion")
def test_it_passes_for_nothing_else(
    acme: Organisation, acme_web: Client, client: Browser, tokens: dict[str, Any]
) -> None:
    text = ask(acme_web, tokens["access_token"]).body.decode()

    shown = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {text}")
    assert (shown.status, shown.error) == (401, "invalid_token")
    assert ask(acme_web, text, "").json == {"active": False}
    hinted = answer(authorize(client, acme_web, prompt="none", id_token_hint=text))
    assert hinted["error"] == "invalid_request"
    exchanged = exchange.exchange(exchange.api(acme, "gateway"), text)
    assert (exchanged.status, exchanged.error) == (400, "invalid_request")
    head, body = oauth.header_of(text), oauth.claims_of(text)
    assert head["typ"] == "token-introspection+jwt"
    assert not {"sub", "exp", "nonce", "client_id", "scope"} & body.keys()
