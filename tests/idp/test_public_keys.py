"""The public keys of clients: what may be registered, and how often somebody's server is asked."""

import json
import threading

import pytest
from joserfc.jwk import OctKey

from core.errors import Refusal
from idp.clients import public_keys
from idp.clients.public_keys import check_jwks, keys_of, verified
from idp.registration.metadata import ClientMetadata
from tests.support.assertions import claims, ec_key, jwks, rsa_key, sign

SMALL = {
    "kty": "RSA",
    "e": "AQAB",
    "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDpre",
}


class TestCheckJwks:
    @pytest.mark.parametrize("key", [ec_key, rsa_key])
    def test_public_keys_are_accepted(self, key):
        check_jwks(jwks(key()))
        check_jwks(jwks(key(), kid=False))

    def test_a_key_of_a_curve_that_only_others_use_is_left_unused(self):
        jwk = {"kty": "OKP", "crv": "X25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}

        check_jwks({"keys": [jwk]})
        assert keys_of("a", ClientMetadata(jwks={"keys": [jwk]})) == ()

    @pytest.mark.parametrize(
        "bad",
        [
            {},
            {"keys": {}},
            {"keys": []},
            {"keys": [None]},
            {"keys": ["x"]},
            {"keys": [ec_key().as_dict(private=True)]},
            {"keys": [rsa_key().as_dict(private=True)]},
            {"keys": [OctKey.generate_key(256).as_dict()]},
            {"keys": [{"kty": "oct"}]},
            {"keys": [{"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"}]},
            {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]},
            {"keys": [{"kty": "EC", "crv": "P-256"}]},
            {"keys": [{"kty": "XX"}]},
            {"keys": [SMALL]},
            {"keys": [rsa_key().as_dict(private=False) | {"e": "A" * 400}]},
            {"keys": [rsa_key().as_dict(private=False) | {"n": "A" * 9000}]},
            {"keys": [rsa_key().as_dict(private=False) | {"n": 5}]},
            {"keys": [ec_key().as_dict(private=False) | {"kid": 5}]},
            {"keys": [ec_key().as_dict(private=False) | {"kid": "x" * 300}]},
            {"keys": [ec_key().as_dict(private=False) | {"key_ops": "verify"}]},
            {"keys": [ec_key().as_dict(private=False)] * 21},
        ],
    )
    def test_what_is_no_public_key_is_refused(self, bad):
        with pytest.raises(Refusal) as refused:
            check_jwks(bad)
        assert refused.value.code == "invalid_client_metadata"


class TestByValue:
    def test_without_a_kid_every_fitting_key_is_tried(self):
        known = ClientMetadata(jwks=jwks(ec_key("a"), rsa_key(), ec_key("b"), kid=False))
        text = sign(claims(), ec_key("b"), kid=None)

        assert verified(text, alg="ES256", kid=None, owner="c", metadata=known)["sub"]

    def test_a_kid_leaves_out_keys_of_another(self):
        known = ClientMetadata(jwks=jwks(ec_key("a"), ec_key("b")))
        text = sign(claims(), ec_key("b"), kid="a")

        assert verified(text, alg="ES256", kid="a", owner="c", metadata=known) is None

    @pytest.mark.parametrize("member", [{"use": "enc"}, {"alg": "ES384"}, {"key_ops": ["sign"]}])
    def test_a_key_for_something_else_verifies_nothing(self, member):
        public = ec_key().as_dict(private=False) | member
        known = ClientMetadata(jwks={"keys": [public]})

        assert verified(sign(claims()), alg="ES256", kid=None, owner="c", metadata=known) is None

    def test_new_keys_replace_the_cached(self):
        keys_of("c", ClientMetadata(jwks=jwks(ec_key("a"))))

        assert keys_of("c", ClientMetadata(jwks=jwks(ec_key("b"))))[0].kid == "b"


class TestByReference:
    @pytest.fixture
    def publish(self, elsewhere):
        def these(*keys, kid=True):
            return elsewhere.serve("/jwks", json.dumps(jwks(*keys, kid=kid)).encode())

        return these

    def check(self, uri, key, **header):
        text = sign(claims(), key, **header)
        return verified(
            text,
            alg="ES256",
            kid=header.get("kid", key.kid),
            owner="c",
            metadata=ClientMetadata(jwks_uri=uri),
        )

    def test_they_are_fetched_once_and_kept_for_ten_minutes(self, publish, elsewhere, later):
        uri = publish(ec_key("a"))
        for _ in range(3):
            assert self.check(uri, ec_key("a"))
        later(minutes=9)
        assert self.check(uri, ec_key("a"))
        assert len(elsewhere.requests) == 1
        later(minutes=2)
        assert self.check(uri, ec_key("a"))
        assert len(elsewhere.requests) == 2

    def test_an_unknown_kid_makes_us_ask_again(self, publish, elsewhere, later):
        uri = publish(ec_key("a"))
        assert self.check(uri, ec_key("a"))
        publish(ec_key("b"))
        later(seconds=6)

        assert self.check(uri, ec_key("b"))
        assert not self.check(uri, ec_key("a"))
        assert len(elsewhere.requests) == 2

    def test_a_failed_signature_without_a_kid_makes_us_ask_again(self, publish, elsewhere, later):
        uri = publish(ec_key("a"), kid=False)
        assert self.check(uri, ec_key("a"), kid=None)
        publish(ec_key("b"), kid=False)
        later(seconds=6)

        assert self.check(uri, ec_key("b"), kid=None)

    def test_bad_signatures_make_us_ask_every_few_seconds_at_most(self, publish, elsewhere, later):
        uri = publish(ec_key("a"))
        for _ in range(20):
            assert not self.check(uri, ec_key("b"))
        assert len(elsewhere.requests) == 1
        later(seconds=6)
        for _ in range(20):
            assert not self.check(uri, ec_key("b"))
        assert len(elsewhere.requests) == 2

    def test_a_server_that_fails_is_asked_less_and_less_often(self, elsewhere, later):
        uri = elsewhere.url("/nothing")
        for _ in range(60):
            assert not self.check(uri, ec_key("a"))
            later(seconds=5)
        assert len(elsewhere.requests) <= 9

    def test_while_it_fails_what_is_known_is_kept_for_an_hour(self, publish, elsewhere, later):
        uri = publish(ec_key("a"))
        assert self.check(uri, ec_key("a"))
        elsewhere.pages.clear()
        later(minutes=30)
        assert self.check(uri, ec_key("a"))
        later(minutes=31)
        assert not self.check(uri, ec_key("a"))

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"keys": 5}', b"[" * 60_000])
    def test_what_is_no_key_set_is_none(self, elsewhere, body):
        assert not self.check(elsewhere.serve("/jwks", body), ec_key("a"))

    def test_a_published_private_key_is_not_used(self, elsewhere):
        body = json.dumps({"keys": [ec_key("a").as_dict(private=True)]}).encode()

        assert not self.check(elsewhere.serve("/jwks", body), ec_key("a"))

    def test_many_who_ask_at_once_cause_one_fetch(self, publish, elsewhere):
        uri = publish(ec_key("a"))
        results = []
        threads = [
            threading.Thread(target=lambda: results.append(self.check(uri, ec_key("a"))))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert all(results)
        assert len(results) == 8
        assert len(elsewhere.requests) == 1

    def test_an_address_inside_is_not_asked(self, publish, elsewhere, settings):
        uri = publish(ec_key("a"))
        settings.OUTBOUND_ALLOWED_NETWORKS = []

        assert not self.check(uri, ec_key("a"))
        assert elsewhere.requests == []


def test_forgetting_drops_all(elsewhere):
    keys_of("c", ClientMetadata(jwks=jwks(ec_key("a"))))
    public_keys.forget()

    assert public_keys._values == {}
