"""Certificates of clients, as the reverse proxy in front hands them over (RFC 8705).

TLS ends at the proxy, which puts the client's certificate into a header. It is believed only from
the addresses of SALLYPORT_MTLS__PROXIES; from anybody else that header is as good as none.
"""

import base64
import hashlib
import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from core.errors import Refusal
from core.http import is_from
from idp.registration.metadata import ClientMetadata

MAX_HEADER_LENGTH = 16_384
SUCCESS = "SUCCESS"  # nginx's $ssl_client_verify
NAME_FIELDS = (
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """der: the certificate; None without one. is_verified: the proxy trusts its authority."""

    der: bytes | None = None
    is_verified: bool = False


NO_CERTIFICATE = ClientCertificate()


def certificate_of(environ: Mapping[str, Any]) -> ClientCertificate:
    """What the proxy says about the client's certificate; refuses invalid_request if unreadable.

    The header is a PEM certificate, URL-encoded (nginx: $ssl_client_escaped_cert).
    """
    if not settings.MTLS_HEADER:
        return NO_CERTIFICATE
    text = environ.get(_variable(settings.MTLS_HEADER), "")
    if not text or not is_from(environ.get("REMOTE_ADDR", ""), settings.MTLS_PROXIES):
        return NO_CERTIFICATE
    verdict = settings.MTLS_VERIFY_HEADER
    is_verified = bool(verdict) and environ.get(_variable(verdict), "") == SUCCESS
    return ClientCertificate(_der(text), is_verified)


def thumbprint(der: bytes) -> str:
    """`x5t#S256` of a certificate (RFC 8705 §3.1): 43 base64url characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def has_registered_name(der: bytes, metadata: ClientMetadata) -> bool:
    """Whether the certificate carries the one name that the client registered (RFC 8705 §2.1.2)."""
    names = [name for name in NAME_FIELDS if getattr(metadata, name)]
    certificate = _load(der)
    if len(names) != 1 or certificate is None:
        return False
    wanted = getattr(metadata, names[0])
    try:
        if names[0] == "tls_client_auth_subject_dn":
            return certificate.subject == parse_dn(wanted)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return _has_alternative_name(extension.value, names[0], wanted)
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def parse_dn(text: str) -> x509.Name:
    """A distinguished name in the form of RFC 4514; raises ValueError."""
    return x509.Name.from_rfc4514_string(text)


def is_in_force(der: bytes, now: datetime) -> bool:
    certificate = _load(der)
    return (
        certificate is not None
        and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
    )


def public_key_of(der: bytes) -> bytes | None:
    """The certificate's public key as SubjectPublicKeyInfo, DER."""
    certificate = _load(der)
    if certificate is None:
        return None
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _has_alternative_name(names: x509.SubjectAlternativeName, field: str, wanted: str) -> bool:
    if field == "tls_client_auth_san_dns":
        found = {name.lower() for name in names.get_values_for_type(x509.DNSName)}
        return wanted.lower() in found
    if field == "tls_client_auth_san_uri":
        return wanted in names.get_values_for_type(x509.UniformResourceIdentifier)
    if field == "tls_client_auth_san_ip":
        return ipaddress.ip_address(wanted) in names.get_values_for_type(x509.IPAddress)
    return wanted in names.get_values_for_type(x509.RFC822Name)


def _der(text: str) -> bytes:
    if len(text) <= MAX_HEADER_LENGTH and text.count("BEGIN") == 1:
        try:
            der = ssl.PEM_cert_to_DER_cert(unquote(text, errors="strict").strip())
        except ValueError:
            der = b""
        if der and _load(der) is not None:
            return der
    raise Refusal.invalid_request("The client certificate cannot be read.")


@lru_cache(maxsize=256)
def _load(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None


@lru_cache(maxsize=8)
def _variable(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")
