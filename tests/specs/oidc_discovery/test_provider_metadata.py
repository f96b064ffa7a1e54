"""OpenID Connect Discovery 1.0 §3 and §4: the document, and the keys that it leads to."""

from typing import Any

import pytest

from tests.support import oauth
from tests.support.over_tls import ISSUER

spec = pytest.mark.spec
SECRET_PARTS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


@pytest.fixture
def document(db: None) -> dict[str, Any]:
    reply = oauth.send("GET", "/.well-known/openid-configuration")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    return dict(reply.json)


def members(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(found for member in value.values() for found in members(member))]
    if isinstance(value, list):
        return [value, *(found for member in value for found in members(member))]
    return [value]


@spec("OpenID Discovery", "4.3", "the issuer is the prefix of the document's address")
def test_the_issuer(document: dict[str, Any]) -> None:
    assert document["issuer"] == ISSUER


@spec("OpenID Discovery", "3", "every endpoint, and jwks_uri, is an https address of the issuer")
def test_endpoints(document: dict[str, Any]) -> None:
    addresses = {name: value for name, value in document.items() if name.endswith("_endpoint")}

    assert {"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} <= addresses.keys()
    for address in [*addresses.values(), document["jwks_uri"]]:
        assert address.startswith(f"{ISSUER}/")


@spec("OpenID Discovery", "4.2", "no member is null, and no list is empty")
def test_members(document: dict[str, Any]) -> None:
    assert not [found for found in members(document) if found is None or found in ([], {}, "")]
    for name, value in document.items():
        if name.endswith(("_values_supported", "_modes_supported", "_types_supported")):
            assert all(isinstance(one, str) for one in value), name


@spec("OpenID Discovery", "3", "what every relying party may count on is listed")
def test_values(document: dict[str, Any]) -> None:
    assert "openid" in document["scopes_supported"]
    assert "RS256" in document["id_token_signing_alg_values_supported"]
    assert "RS256" in document["request_object_signing_alg_values_supported"]
    assert "none" not in document["id_token_signing_alg_values_supported"]
    assert {"code", "id_token", "id_token token"} <= set(document["response_types_supported"])
    assert {"authorization_code", "implicit", "refresh_token"} <= set(
        document["grant_types_supported"]
    )
    assert set(document["subject_types_supported"]) <= {"public", "pairwise"}
    assert {"client_secret_basic", "client_secret_post", "private_key_jwt"} <= set(
        document["token_endpoint_auth_methods_supported"]
    )
    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is True


@spec("OpenID Discovery", "3", "the keys are public, each with a name of its own, use and alg")
def test_keys(document: dict[str, Any]) -> None:
    keys = oauth.send("GET", document["jwks_uri"].removeprefix(ISSUER)).json["keys"]

    assert len({key["kid"] for key in keys}) == len(keys) > 0
    assert {(key["kty"], key["alg"], key["use"]) for key in keys} <= {
        ("EC", "ES256", "sig"), ("RSA", "RS256", "sig"), ("RSA", "PS256", "sig"),
        ("OKP", "EdDSA", "sig"), ("OKP", "Ed25519", "sig"),
        ("EC", "ECDH-ES+A256KW", "enc"), ("RSA", "RSA-OAEP-256", "enc"),
    }  # fmt: skip
    assert not [key for key in keys if SECRET_PARTS & key.keys()]
