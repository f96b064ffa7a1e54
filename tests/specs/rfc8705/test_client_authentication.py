"""RFC 8705 §2: clients that authenticate by the certificate of their TLS connection."""

import ipaddress
from urllib.parse import quote

import pytest
from cryptography import x509
from joserfc.jwk import ECKey

from tests import cast
from tests.support import assertions, oauth, over_tls
from tests.support.elsewhere import authority

pytestmark = pytest.mark.django_db

PEM, KEY = authority().sign([x509.DNSName("client.acme.example")], COMMON_NAME="acme-tls")
OTHER, _ = authority().sign([x509.DNSName("other.acme.example")], COMMON_NAME="other")


@pytest.fixture(autouse=True)
def _behind_a_proxy(settings):
    settings.MTLS_HEADER = "X-Client-Cert"
    settings.MTLS_VERIFY_HEADER = "X-Client-Verify"
    settings.MTLS_PROXIES = [over_tls.PEER]


def ask(client_id="acme-tls", pem=PEM, verdict="SUCCESS", forwarded_for="", **fields):
    return oauth.send(
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials", "client_id": client_id} | fields,
        HTTP_X_FORWARDED_FOR=forwarded_for,
        HTTP_X_CLIENT_CERT=quote(pem.decode()) if pem else "",
        HTTP_X_CLIENT_VERIFY=verdict,
    )


def is_refused(reply):
    return (reply.status, reply.error) == (401, "invalid_client")


def tls_client(acme, method="tls_client_auth", **metadata):
    return cast.client(
        "acme-tls",
        acme,
        token_endpoint_auth_method=method,
        secret_digest=None,
        metadata=metadata,
        **assertions.MACHINE,
    )


class TestByAuthority:
    @pytest.mark.spec("RFC 8705", "2.1", "a registered name in a certificate of a known authority")
    @pytest.mark.parametrize(
        "names",
        [
            {"tls_client_auth_subject_dn": "CN=acme-tls"},
            {"tls_client_auth_san_dns": "client.acme.example"},
        ],
    )
    def test_the_registered_name_authenticates(self, acme, names):
        tls_client(acme, **names)

        assert ask().status == 200
        assert is_refused(ask(pem=OTHER))

    @pytest.mark.parametrize("verdict", ["", "NONE", "FAILED:unable to verify"])
    def test_the_authority_must_be_known_to_the_proxy(self, acme, verdict):
        tls_client(acme, tls_client_auth_subject_dn="CN=acme-tls")

        assert is_refused(ask(verdict=verdict))

    def test_without_a_certificate_it_is_refused(self, acme):
        tls_client(acme, tls_client_auth_subject_dn="CN=acme-tls")

        assert is_refused(ask(pem=None))

    def test_a_header_of_a_stranger_is_as_good_as_none(self, acme, settings):
        settings.MTLS_PROXIES = [ipaddress.ip_network("10.0.0.5/32")]
        tls_client(acme, tls_client_auth_subject_dn="CN=acme-tls")

        assert is_refused(ask())
        assert is_refused(ask(forwarded_for="10.0.0.5"))

    def test_a_secret_beside_it_is_refused(self, acme):
        tls_client(acme, tls_client_auth_subject_dn="CN=acme-tls")

        assert is_refused(ask(client_secret="x"))

    def test_a_client_of_another_method_is_not_known_by_its_certificate(self, acme, acme_web):
        assert is_refused(ask("acme-web"))


class TestSelfSigned:
    @pytest.fixture
    def keys(self):
        return {"keys": [ECKey.import_key(KEY).as_dict(private=False)]}

    @pytest.mark.spec("RFC 8705", "2.2", "the certificate's key is one that the client registered")
    def test_a_registered_key_authenticates_whoever_signed_it(self, acme, keys):
        tls_client(acme, "self_signed_tls_client_auth", jwks=keys)

        assert ask(verdict="FAILED:self-signed certificate").status == 200
        assert is_refused(ask(pem=OTHER))

    def test_keys_by_reference_work_as_well(self, acme, keys, elsewhere):
        import json

        uri = elsewhere.serve("/jwks", json.dumps(keys).encode())
        tls_client(acme, "self_signed_tls_client_auth", jwks_uri=uri)

        assert ask(verdict="NONE").status == 200
        assert is_refused(ask(pem=OTHER))

    def test_an_expired_certificate_is_refused(self, acme, keys, later):
        tls_client(acme, "self_signed_tls_client_auth", jwks=keys)
        later(days=31)

        assert is_refused(ask())


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_every_endpoint_that_authenticates_takes_certificates(acme, path):
    tls_client(acme, tls_client_auth_subject_dn="CN=acme-tls")
    environ = {
        "HTTP_X_CLIENT_CERT": quote(PEM.decode()),
        "HTTP_X_CLIENT_VERIFY": "SUCCESS",
    }
    form = {"client_id": "acme-tls", "token": "x"}

    assert oauth.send("POST", path, form=form, **environ).status == 200
    assert is_refused(oauth.send("POST", path, form=form))


def test_a_certificate_that_cannot_be_read_is_no_500(acme):
    reply = ask(pem=b"-----BEGIN CERTIFICATE-----")

    assert (reply.status, reply.error) == (400, "invalid_request")
