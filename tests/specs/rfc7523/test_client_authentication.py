"""RFC 7523 §2.2, §3 and OpenID Connect Core 1.0 §9: clients that sign what proves them."""

import pytest
from joserfc.jwk import OctKey

from idp.clients import authentication
from idp.flows import register_client, rotate_client_secret
from idp.models import Client
from idp.models.assertion import UsedAssertion
from tests.support import assertions, oauth
from tests.support.assertions import claims, ec_key, present, rsa_key, sign
from tests.support.over_tls import ISSUER

pytestmark = pytest.mark.django_db
TOKEN_URL = f"{ISSUER}/oauth/token"
spec = pytest.mark.spec


@pytest.fixture
def acme_keys(acme) -> Client:
    return assertions.client(acme)


@pytest.fixture
def acme_fapi2(acme) -> Client:
    # A client of this profile sends a proof of possession as well; what it is refused for here
    # comes before that.
    return assertions.client(acme, security_profile="fapi2")


def is_refused(reply) -> bool:
    return (reply.status, reply.error) == (401, "invalid_client")


@spec("RFC 7523", "2.2", "client_assertion_type and client_assertion authenticate a client")
@pytest.mark.parametrize(
    ("alg", "key"), [("ES256", ec_key), ("RS256", rsa_key), ("PS256", rsa_key)]
)
def test_a_signed_assertion_authenticates(acme_keys, alg, key):
    reply = present(sign(claims(), key(), alg))

    assert reply.status == 200, reply.body
    assert oauth.claims_of(reply.json["access_token"])["client_id"] == "acme-keys"


@spec("RFC 7523", "2.2", "client_id is optional, and must name the same client")
def test_the_client_id_may_stand_beside_it_and_must_not_contradict(acme_keys, acme_web):
    assert present(sign(claims()), client_id="acme-keys").status == 200
    assert is_refused(present(sign(claims()), client_id="acme-web"))


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke", "/oauth/par"])
def test_every_endpoint_that_authenticates_takes_assertions(acme_keys, path):
    fields = {"token": None} if path == "/oauth/par" else {}

    assert present(sign(claims()), path, **fields).error != "invalid_client"
    assert present(sign(claims(aud=ISSUER + path)), path, **fields).error != "invalid_client"
    assert is_refused(present(sign(claims(), ec_key("other")), path, **fields))


@spec("RFC 7523", "3", "aud identifies this server: its issuer, or the token endpoint's URL")
@pytest.mark.parametrize(
    "aud", [ISSUER, TOKEN_URL, [ISSUER], [TOKEN_URL, "https://elsewhere.example"]]
)
def test_the_audience_is_the_issuer_or_the_token_endpoint(acme_keys, aud):
    assert present(sign(claims(aud=aud))).status == 200


@pytest.mark.parametrize(
    "aud",
    [
        None, "", [], "https://elsewhere.example", ISSUER + "/", ISSUER.upper(), [None], {}, 5,
        ["https://elsewhere.example"], [ISSUER, 5], [ISSUER] * 11, f"{ISSUER}/oauth/introspect",
    ],
)  # fmt: skip
def test_another_audience_is_refused(acme_keys, aud):
    assert is_refused(present(sign(claims(aud=aud))))


@spec("FAPI 2.0 Security Profile", "5.3.2.1", "aud is the issuer alone, as a string")
@pytest.mark.parametrize("aud", [TOKEN_URL, [ISSUER], [ISSUER, TOKEN_URL], f"{ISSUER}/oauth/par"])
def test_under_fapi2_only_the_issuer_as_a_text_is_meant(acme_fapi2, aud):
    assert is_refused(present(sign(claims(aud=aud))))
    assert present(sign(claims())).error != "invalid_client"


@spec("FAPI 2.0 Security Profile", "5.4.1", "RS256 is not used")
def test_under_fapi2_rs256_is_refused(acme_fapi2):
    assert is_refused(present(sign(claims(), rsa_key(), "RS256")))
    assert present(sign(claims(), rsa_key(), "PS256")).error != "invalid_client"


@spec("RFC 7523", "3", "iss and sub are the client_id")
@pytest.mark.parametrize("changes", [{"iss": None}, {"iss": "acme-web"}, {"iss": ["acme-keys"]}])
def test_the_issuer_is_the_client(acme_keys, acme_web, changes):
    assert is_refused(present(sign(claims(**changes))))


@pytest.mark.parametrize("sub", [None, "acme-web", "nobody", 5, ["acme-keys"], "x" * 5000, "\0"])
def test_the_subject_is_the_client(acme_keys, acme_web, sub):
    assert is_refused(present(sign(claims(sub=sub))))


@spec("RFC 7523", "3", "exp is required; an expired assertion is refused")
@pytest.mark.parametrize(
    "exp", [None, "soon", True, -1, 0, 1e400, float("nan"), 10**30, {}, -60, 0.0, 660, 86_400]
)
def test_it_ends_within_ten_minutes(acme_keys, exp):
    now = claims()["iat"]
    if isinstance(exp, int) and not isinstance(exp, bool) and abs(exp) < 10**6:
        exp += now

    assert is_refused(present(sign(claims(exp=exp))))


def test_ten_minutes_are_accepted(acme_keys):
    assert present(sign(claims(exp=claims()["iat"] + 600))).status == 200


@spec("FAPI 2.0 Security Profile", "5.3.2.1", "nbf and iat up to 10 seconds ahead are accepted")
@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_clock_that_is_a_little_ahead_is_tolerated(acme_keys, name):
    now = claims()["iat"]

    assert present(sign(claims(**{name: now + 8}))).status == 200
    assert is_refused(present(sign(claims(**{name: now + 30}))))
    assert is_refused(present(sign(claims(**{name: "now"}))))


@spec("RFC 7523", "3", "jti: an assertion is accepted once")
def test_an_assertion_is_good_once(acme_keys):
    assertion = sign(claims())

    assert present(assertion).status == 200
    assert is_refused(present(assertion))
    assert is_refused(present(assertion, "/oauth/introspect"))


def test_the_jti_of_another_client_may_be_the_same(acme, acme_keys):
    assertions.client(acme, client_id="acme-other")

    assert present(sign(claims(jti="1"))).status == 200
    assert present(sign(claims("acme-other", jti="1"))).status == 200


@pytest.mark.parametrize("jti", [None, "", 5, ["x"], "x" * 257, "\ud800", "\0"])
def test_without_a_usable_jti_it_is_refused(acme_keys, jti):
    assert is_refused(present(sign(claims(jti=jti))))


def test_a_client_that_was_changed_meanwhile_is_authenticated_all_the_same(acme_keys, later):
    """The request is run a second time with a fresh client; its assertion is still its own."""
    assert present(sign(claims())).status == 200
    Client.unscoped.filter(id=acme_keys.id).update(changed_at=later(seconds=1))

    assert present(sign(claims())).status == 200


def test_what_was_used_is_purged_once_it_has_expired(acme_keys, later):
    from idp.tasks import purge

    present(sign(claims()))
    purge()
    assert UsedAssertion.objects.count() == 1
    later(minutes=3)
    purge()
    assert UsedAssertion.objects.count() == 0


class TestMethods:
    @pytest.mark.parametrize(
        "fields",
        [
            {"client_assertion_type": None},
            {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"},
            {"client_assertion": None, "client_id": "acme-keys"},
        ],
    )
    def test_half_an_assertion_is_none(self, acme_keys, fields):
        assert is_refused(present(sign(claims()), **fields))

    @pytest.mark.spec("RFC 6749", "2.3", "at most one authentication method in a request")
    def test_two_methods_in_one_request_are_refused(self, acme_keys):
        reply = present(sign(claims()), client_secret="x")

        assert (reply.status, reply.error) == (400, "invalid_request")
        form = {"grant_type": "client_credentials", "client_assertion": sign(claims())}
        reply = oauth.send(
            "POST",
            "/oauth/token",
            form=form | {"client_assertion_type": assertions.TYPE},
            authorization=oauth.basic("acme-keys"),
        )
        assert (reply.status, reply.error) == (400, "invalid_request")

    def test_a_client_with_a_secret_cannot_sign(self, acme):
        from tests import cast

        cast.client("acme-both", acme, metadata={"jwks": assertions.jwks(ec_key())})

        assert is_refused(present(sign(claims("acme-both"))))

    def test_a_client_with_keys_has_no_secret_and_is_not_public(self, acme_keys):
        form = {"grant_type": "client_credentials", "client_id": "acme-keys"}

        assert is_refused(oauth.send("POST", "/oauth/token", form=form))
        assert is_refused(oauth.send("POST", "/oauth/token", form=form | {"client_secret": "x"}))
        assert is_refused(
            oauth.send("POST", "/oauth/token", form=form, authorization=oauth.basic("acme-keys"))
        )

    @pytest.mark.spec("RFC 7591", "2", "token_endpoint_auth_signing_alg is the only algorithm")
    def test_the_registered_algorithm_is_the_only_one(self, acme):
        assertions.client(acme, token_endpoint_auth_signing_alg="PS256")

        assert present(sign(claims(), rsa_key(), "PS256")).status == 200
        assert is_refused(present(sign(claims(), rsa_key(), "RS256")))
        assert is_refused(present(sign(claims())))

    @pytest.mark.parametrize(
        ("typ", "is_good"),
        [
            (None, True), ("JWT", True), ("client-authentication+jwt", True), ("at+jwt", False),
            ("dpop+jwt", False), ("logout+jwt", False), ("oauth-authz-req+jwt", False),
        ],
    )  # fmt: skip
    def test_a_token_of_another_type_is_no_assertion(self, acme_keys, typ, is_good):
        assert is_refused(present(sign(claims(), typ=typ))) is not is_good


class TestClientSecretJwt:
    @pytest.fixture
    def registered(self, acme, now):
        return register_client(
            organisation=acme,
            name="By secret",
            kind="confidential",
            token_endpoint_auth_method="client_secret_jwt",
            now=now,
            **assertions.MACHINE,
        )

    def signed(self, registered, secret=None, alg="HS256"):
        key = OctKey.import_key(secret or registered.secret)
        return sign(claims(registered.client.client_id), key, alg)

    @pytest.mark.spec("OpenID Connect Core 1.0", "9", "client_secret_jwt: HMAC by the secret")
    def test_the_secret_signs(self, registered):
        assert present(self.signed(registered)).status == 200
        assert is_refused(present(self.signed(registered, "x" * 43)))
        assert is_refused(present(self.signed(registered, alg="HS512")))

    def test_the_secret_itself_is_not_accepted(self, registered):
        form = {"grant_type": "client_credentials", "client_id": registered.client.client_id}

        assert is_refused(
            oauth.send("POST", "/oauth/token", form=form | {"client_secret": registered.secret})
        )

    def test_after_a_rotation_the_new_one_signs(self, registered, later):
        rotated = rotate_client_secret(client=registered.client, now=later(seconds=1))
        authentication.forget()

        assert present(self.signed(rotated)).status == 200
        assert is_refused(present(self.signed(registered)))

    def test_the_secret_is_sealed_in_the_database(self, registered):
        assert present(self.signed(registered)).status == 200
        stored = Client.unscoped.values_list("secret_sealed", flat=True).get(
            id=registered.client.id
        )

        assert registered.secret.encode() not in bytes(stored)
