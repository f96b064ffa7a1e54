"""RFC 9864 §2.2 and RFC 8037: Ed25519 by its own name and as EdDSA, by clients and by us."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client as Browser
from joserfc import jws, jwt
from joserfc.jwk import KeySet, OKPKey

from accounts.models import Organisation
from core import clock
from idp import keys
from idp.models import Client, SigningKey
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import assertions, dpop, oauth, registering
from tests.support.authorize import answer, authorize, parameters
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db

NAMES = ["Ed25519", "EdDSA"]
KEY = OKPKey.generate_key("Ed25519", {"kid": "ed"})
State = SigningKey.State


@pytest.fixture
def session(client: Browser, employee: Person) -> LoginSession:
    return cast.sign_in(client, employee)


def verified(text: str, alg: str) -> dict[str, Any]:
    """What a client reads by our published keys, by this name alone."""
    keys.forget()
    published = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    token = jwt.decode(text, published, algorithms=[alg])
    assert token.header["alg"] == alg
    return dict(token.claims)


def request_object(alg: str, client_id: str, **changes: Any) -> str:
    now = int(clock.now().timestamp())
    claims = parameters(client_id) | {"iss": client_id, "aud": ISSUER, "exp": now + 60, "nbf": now}
    header = {"alg": alg, "kid": "ed", "typ": "oauth-authz-req+jwt"}
    text = json.dumps(claims | changes)
    return jws.serialize_compact(header, text, KEY, algorithms=[alg])


@pytest.mark.spec("RFC 9864", "2.2", "client assertions by Ed25519, by either name, FAPI 2 as well")
@pytest.mark.parametrize("alg", NAMES)
@pytest.mark.parametrize("profile", ["", "fapi2"], ids=["plain", "fapi2"])
def test_assertions(acme: Organisation, alg: str, profile: str) -> None:
    assertions.client(acme, KEY, security_profile=profile)

    for changed, status in ((assertions.claims(), 200), (assertions.claims(sub="x"), 401)):
        text = assertions.sign(changed, KEY, alg)
        assert assertions.present(text, "/oauth/introspect").status == status


@pytest.mark.spec("RFC 9864", "2.2", "a registered algorithm is one name and no other")
def test_one_name(acme: Organisation) -> None:
    assertions.client(acme, KEY, token_endpoint_auth_signing_alg="Ed25519")

    statuses = {
        alg: assertions.present(assertions.sign(assertions.claims(), KEY, alg)).status
        for alg in NAMES
    }

    assert statuses == {"Ed25519": 200, "EdDSA": 401}


@pytest.mark.spec("RFC 9864", "2.2", "request objects by Ed25519, by either name")
@pytest.mark.parametrize("alg", NAMES)
def test_request_objects(acme: Organisation, client: Browser, employee: Person, alg: str) -> None:
    metadata = {"jwks": assertions.jwks(KEY), "require_signed_request_object": True}
    app = cast.client("signing", acme, is_first_party=True, metadata=metadata)
    cast.sign_in(client, employee)

    asked = {"client_id": "signing", "request": request_object(alg, "signing", state="inside")}
    got = answer(client.get("/oauth/authorize", asked))

    assert app.is_active
    assert got["state"] == "inside"
    assert "code" in got


@pytest.mark.spec("RFC 9864", "2.2", "DPoP proofs by Ed25519; the thumbprint is that of RFC 8037")
@pytest.mark.parametrize("alg", NAMES)
def test_proofs(acme_web: Client, session: LoginSession, alg: str) -> None:
    key, header = OKPKey.generate_key("Ed25519"), {"alg": alg}

    reply = dpop.redeem(
        acme_web, oauth.issue_code(acme_web, session), dpop.proof(key, header=header)
    )

    assert reply.json["token_type"] == "DPoP", reply.body
    token = reply.json["access_token"]
    public = key.as_dict(private=False)
    text = json.dumps({name: public[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).digest()
    jkt = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert oauth.claims_of(token)["cnf"] == {"jkt": jkt}
    shown = dpop.proof(key, method="GET", path=dpop.USERINFO, token=token, header=header)
    assert dpop.userinfo(token, shown).status == 200


@pytest.mark.spec("RFC 9864", "2.2", "ID tokens, access tokens, userinfo and JARM by Ed25519")
@pytest.mark.parametrize("alg", NAMES)
def test_signed_by_us(acme: Organisation, client: Browser, session: LoginSession, alg: str) -> None:
    metadata = {"userinfo_signed_response_alg": alg}
    app = cast.client("ed", acme, is_first_party=True, signing_alg=alg, metadata=metadata)

    tokens = oauth.redeem(app, oauth.issue_code(app, session)).json

    said = verified(tokens["id_token"], alg)
    half = hashlib.sha512(tokens["access_token"].encode()).digest()[:32]
    assert said["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()
    bearer = f"Bearer {tokens['access_token']}"
    told = oauth.send("GET", "/oauth/userinfo", authorization=bearer)
    assert verified(told.body.decode(), alg)["sub"] == str(session.user_id)
    jarm = answer(authorize(client, app, response_mode="jwt"))["response"]
    assert verified(jarm, alg)["aud"] == "ed"
    hinted = answer(authorize(client, app, prompt="none", id_token_hint=tokens["id_token"]))
    assert "code" in hinted
    assert oauth.refresh(app, tokens["refresh_token"]).status == 200


def test_its_keys_are_published_once_somebody_uses_them_and_rotate(
    acme: Organisation, session: LoginSession, later: Any
) -> None:
    def states() -> list[str]:
        return sorted(SigningKey.objects.filter(alg="Ed25519").values_list("state", flat=True))

    keys.rotate(now=clock.now())
    assert states() == []

    app = cast.client("ed", acme, is_first_party=True, signing_alg="Ed25519")
    before = oauth.redeem(app, oauth.issue_code(app, session)).json["id_token"]
    assert states() == ["active", "next"]
    keys.rotate(now=clock.now() + timedelta(days=91))
    keys.forget()

    assert states() == ["active", "next", "retiring"]
    after = oauth.redeem(app, oauth.issue_code(app, session)).json["id_token"]
    assert oauth.header_of(before)["kid"] != oauth.header_of(after)["kid"]
    assert verified(before, "Ed25519").keys() == verified(after, "Ed25519").keys()
    assert not SigningKey.objects.filter(alg="EdDSA").exists()


@pytest.mark.spec("RFC 9864", "2.2", "discovery announces both names")
def test_discovery() -> None:
    found = oauth.send("GET", "/.well-known/openid-configuration").json

    for member in (
        "id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported",
        "authorization_signing_alg_values_supported", "dpop_signing_alg_values_supported",
        "request_object_signing_alg_values_supported", "introspection_signing_alg_values_supported",
        "token_endpoint_auth_signing_alg_values_supported",
    ):  # fmt: skip
        assert {"ES256", "Ed25519", "EdDSA"} <= set(found[member]), member


def test_it_is_registered_dynamically(acme: Organisation) -> None:
    kept = registering.register(
        registering.initial_token(acme), id_token_signed_response_alg="EdDSA",
        jwks=assertions.jwks(KEY), token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="Ed25519",
    )  # fmt: skip

    assert kept.status == 201, kept.body
    assert kept.json["id_token_signed_response_alg"] == "EdDSA"
