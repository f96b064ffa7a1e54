"""Servers of somebody else: a real HTTPS server on loopback, and the authority behind it.

The `elsewhere` fixture (tests/conftest.py) opens loopback for the product and trusts the authority.
"""

import datetime as dt
import ipaddress
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core import exchange

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
KEY_USAGES = [
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
    *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
]
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, names: list[x509.GeneralName], **subject: str) -> tuple[bytes, bytes]:
        """A certificate and its key for these names, as PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(subject or {"COMMON_NAME": "elsewhere"}), key)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        signed = builder.issuer_name(self.certificate.subject).sign(self.key, hashes.SHA256())
        return _pem(signed, key)


def self_signed(**subject: str) -> tuple[bytes, bytes]:
    """A certificate that nobody vouches for, and its key, as PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name(subject)
    return _pem(_builder(name, key).issuer_name(name).sign(key, hashes.SHA256()), key)


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> tuple[bytes, bytes]:
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def authority(name: str = "Tests") -> Authority:
    return _authority(name)


@cache
def _authority(name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name({"COMMON_NAME": name})
    usage = dict.fromkeys(KEY_USAGES, False) | {"key_cert_sign": True, "crl_sign": True}
    certificate = (
        _builder(subject, key)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _name(subject: dict[str, str]) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(getattr(NameOID, kind), text) for kind, text in subject.items()]
    )


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    today = dt.datetime.now(dt.UTC)  # noqa: TID251 - TLS asks the system's clock
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - DAY)
        .not_valid_after(today + 30 * DAY)
    )


def server_context(names: list[x509.GeneralName], signed_by: str = "Tests") -> ssl.SSLContext:
    """A server's side of TLS, with a new certificate for these names."""
    certificate, key = authority(signed_by).sign(names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "both.pem"
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
    return context


@dataclass
class Elsewhere:
    """A server on a free port. `pages[path] = (status, headers, body)`, or a callable on the handler."""

    pages: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    signed_by: str = "Tests"
    host: str = "localhost"
    is_tls: bool = True

    def __enter__(self) -> Self:
        elsewhere = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                elsewhere._answer(self)

            do_POST = do_GET  # noqa: N815 - the base class's name

        self.server = _Quiet(("127.0.0.1", 0), Handler)
        if self.is_tls:
            context = server_context([x509.DNSName(self.host)], self.signed_by)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    def url(self, path: str = "/") -> str:
        return f"http{'s' if self.is_tls else ''}://{self.host}:{self.port}{path}"

    def serve(
        self, path: str, body: bytes, *, content_type: str = "application/json", status: int = 200
    ) -> str:
        """Answer this path so from now on; its address."""
        self.pages[path] = (status, {"Content-Type": content_type}, body)
        return self.url(path)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        seen = (handler.command, handler.path, dict(handler.headers), body)
        self.requests.append(seen)
        page = self.pages.get(handler.path.partition("?")[0], (404, {}, b""))
        if isinstance(page, Callable):
            page(handler)
            return
        status, headers, content = page
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)


def answers_for_every_name(patch: pytest.MonkeyPatch, server: Elsewhere) -> None:
    """Whatever other name and port the product asks, it gets to this server."""
    resolve, dial = socket.getaddrinfo, exchange.dial

    def to_loopback(host: Any, *args: Any, **how: Any) -> Any:
        return resolve("127.0.0.1" if host == server.host else host, *args, **how)

    patch.setattr(socket, "getaddrinfo", to_loopback)
    patch.setattr(exchange, "dial", lambda at, _, deadline: dial(at, server.port, deadline))


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *args: Any) -> None:
        """Clients that hang up are what is tested."""
