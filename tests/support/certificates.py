"""Certificates of clients, and how a proxy hands them over (RFC 8705)."""

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from core import clock


def certificate() -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=1))
        .sign(key, SHA256())
    )


MINE, ANOTHER = certificate(), certificate()


def over(shown: x509.Certificate) -> dict[str, Any]:
    """What the proxy adds to a request that came with this certificate."""
    return {"HTTP_X_CLIENT_CERT": quote(shown.public_bytes(Encoding.PEM).decode())}


def thumbprint(shown: x509.Certificate) -> str:
    der = shown.public_bytes(Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
