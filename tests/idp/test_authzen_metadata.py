"""Where the AuthZEN API is, and who says so."""

import orjson
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from core.errors import Refusal
from idp.tokens import verify
from tests.support import authzen, oauth
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db

PATH = "/.well-known/authzen-configuration"


def signed(told: dict) -> dict:
    """What the signature covers, verified with the keys that we publish."""
    published = KeySet.import_key_set(oauth.send("GET", "/oauth/jwks").json)
    checked = jws.deserialize_compact(told["signed_metadata"], published, algorithms=["ES256"])
    claims: dict = orjson.loads(checked.payload)
    return claims


def test_it_names_what_is_there(settings, acme):
    told = oauth.send("GET", PATH).json
    asker = Asker(authzen.gateway(acme))

    assert told["policy_decision_point"] == settings.ISSUER
    endpoints = {name: url for name, url in told.items() if name.endswith("_endpoint")}
    assert len(endpoints) == 5
    for url in endpoints.values():
        assert asker.send(url.removeprefix(settings.ISSUER), {}).status == 400


def test_the_signature_covers_all_of_it(settings):
    told = oauth.send("GET", PATH).json
    claims = signed(told)

    assert claims.pop("iss") == settings.ISSUER
    assert claims.pop("iat")
    assert claims == {name: value for name, value in told.items() if name != "signed_metadata"}


def test_the_signature_is_good_for_nothing_else():
    text = oauth.send("GET", PATH).json["signed_metadata"]

    for reader in (verify.access_token, verify.id_token_hint):
        with pytest.raises(Refusal):
            reader(text)


def test_another_key_signs_it_anew(db):
    from core import clock
    from idp import keys

    before = oauth.send("GET", PATH).json["signed_metadata"]
    assert oauth.send("GET", PATH).json["signed_metadata"] == before
    keys.rotate_now(alg="ES256", now=clock.now())
    keys.forget()

    told = oauth.send("GET", PATH).json
    assert oauth.header_of(told["signed_metadata"])["kid"] != oauth.header_of(before)["kid"]
    assert signed(told)


def test_it_may_be_read_by_anybody_and_kept_for_a_while():
    reply = oauth.send("GET", PATH)

    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "max-age" in reply.headers["Cache-Control"]
    assert oauth.send("POST", PATH).status == 405


def test_at_the_alias_it_names_the_alias(settings):
    settings.MTLS_BASE_URL = "https://mtls.acme.example"

    told = oauth.send("GET", PATH, HTTP_HOST="mtls.acme.example").json
    assert told["policy_decision_point"] == "https://mtls.acme.example"
    assert signed(told)["iss"] == settings.ISSUER
