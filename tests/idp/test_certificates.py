"""Client certificates: from whom they are believed, and what is read from them."""

import base64
import hashlib
import ipaddress
from datetime import timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from core import clock
from core.errors import Refusal
from idp.clients import certificates
from idp.clients.certificates import NO_CERTIFICATE, certificate_of, has_registered_name, thumbprint
from idp.registration.metadata import ClientMetadata
from tests.support.elsewhere import authority

SANS = [
    x509.DNSName("client.acme.example"),
    x509.UniformResourceIdentifier("spiffe://acme.example/client"),
    x509.IPAddress(ipaddress.ip_address("192.0.2.5")),
    x509.RFC822Name("client@acme.example"),
]
PEM, _ = authority().sign(SANS, COUNTRY_NAME="DE", ORGANIZATION_NAME="Acme, Inc", COMMON_NAME="web")
DER = x509.load_pem_x509_certificate(PEM).public_bytes(Encoding.DER)


@pytest.fixture
def proxy(settings):
    settings.MTLS_HEADER = "X-Client-Cert"
    settings.MTLS_VERIFY_HEADER = "X-Client-Verify"
    settings.MTLS_PROXIES = [ipaddress.ip_network("10.0.0.5/32")]
    return {
        "REMOTE_ADDR": "10.0.0.5",
        "HTTP_X_CLIENT_CERT": quote(PEM.decode()),
        "HTTP_X_CLIENT_VERIFY": "SUCCESS",
    }


class TestCertificateOf:
    def test_the_proxys_header_is_read(self, proxy):
        certificate = certificate_of(proxy)

        assert certificate.der == DER
        assert certificate.is_verified

    @pytest.mark.parametrize("verdict", ["", "NONE", "FAILED:self-signed certificate", "success"])
    def test_only_success_is_verified(self, proxy, verdict):
        assert not certificate_of(proxy | {"HTTP_X_CLIENT_VERIFY": verdict}).is_verified

    def test_without_a_verify_header_nothing_is_verified(self, proxy, settings):
        settings.MTLS_VERIFY_HEADER = ""

        assert not certificate_of(proxy | {"HTTP_": "SUCCESS"}).is_verified

    @pytest.mark.parametrize("peer", ["10.0.0.6", "203.0.113.7", "::ffff:10.0.0.6", "", "unix:"])
    def test_nobody_else_is_believed(self, proxy, peer):
        forwarded = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": "10.0.0.5"}

        assert certificate_of(proxy | forwarded) == NO_CERTIFICATE

    def test_its_address_has_one_spelling(self, proxy):
        """A socket for both families says so of an IPv4 peer."""
        assert certificate_of(proxy | {"REMOTE_ADDR": "::ffff:10.0.0.5"}).der == DER

    def test_it_is_off_by_default(self, proxy, settings):
        settings.MTLS_HEADER = ""

        assert certificate_of(proxy) == NO_CERTIFICATE

    def test_no_certificate_is_none(self, proxy):
        assert certificate_of(proxy | {"HTTP_X_CLIENT_CERT": ""}).der is None

    @pytest.mark.parametrize(
        "text",
        [
            "x",
            "%00",
            "%ff",
            quote(PEM.decode()) + "," + quote(PEM.decode()),
            quote(PEM.decode()[:-60]),
            "-----BEGIN CERTIFICATE-----%0AAAAA%0A-----END CERTIFICATE-----%0A",
            "a" * 20_000,
        ],
    )
    def test_what_cannot_be_read_is_refused(self, proxy, text):
        with pytest.raises(Refusal, match="certificate"):
            certificate_of(proxy | {"HTTP_X_CLIENT_CERT": text})


def test_the_thumbprint_is_sha256_of_the_certificate():
    expected = base64.urlsafe_b64encode(hashlib.sha256(DER).digest()).decode().rstrip("=")

    assert thumbprint(DER) == expected
    assert len(expected) == 43


class TestRegisteredName:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("subject_dn", "CN=web,O=Acme\\, Inc,C=DE"),
            ("san_dns", "client.acme.example"),
            ("san_dns", "CLIENT.acme.example"),
            ("san_uri", "spiffe://acme.example/client"),
            ("san_ip", "192.0.2.5"),
            ("san_email", "client@acme.example"),
        ],
    )
    def test_the_name_fits(self, field, value):
        assert has_registered_name(DER, ClientMetadata(**{f"tls_client_auth_{field}": value}))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("subject_dn", "C=DE,O=Acme\\, Inc,CN=web"),
            ("subject_dn", "CN=web"),
            ("subject_dn", "CN=web,O=Acme\\, Inc,C=DE,C=DE"),
            ("subject_dn", "CN=web\\,O=Acme\\, Inc,C=DE"),
            ("subject_dn", "no name"),
            ("san_dns", "acme.example"),
            ("san_dns", "*.acme.example"),
            ("san_dns", "web"),
            ("san_uri", "spiffe://acme.example/"),
            ("san_uri", "client.acme.example"),
            ("san_ip", "192.0.2.6"),
            ("san_ip", "no address"),
            ("san_email", "CLIENT@acme.example"),
        ],
    )
    def test_another_name_does_not(self, field, value):
        assert not has_registered_name(DER, ClientMetadata(**{f"tls_client_auth_{field}": value}))

    def test_none_and_two_names_fit_nothing(self):
        assert not has_registered_name(DER, ClientMetadata())
        both = ClientMetadata(
            tls_client_auth_san_dns="client.acme.example", tls_client_auth_san_ip="192.0.2.5"
        )
        assert not has_registered_name(DER, both)

    def test_a_certificate_without_other_names_has_none(self):
        pem, _ = authority().sign([], COMMON_NAME="client.acme.example")
        der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)

        assert not has_registered_name(
            der, ClientMetadata(tls_client_auth_san_dns="client.acme.example")
        )


def test_a_certificate_is_in_force_between_its_dates():
    now = clock.now()

    assert certificates.is_in_force(DER, now)
    assert not certificates.is_in_force(DER, now + timedelta(days=31))
    assert not certificates.is_in_force(DER, now - timedelta(days=2))
    assert not certificates.is_in_force(b"", now)
