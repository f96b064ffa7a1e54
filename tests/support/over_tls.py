"""A running server behind TLS, and what asks it: in `tests/specs` every request is really sent.

The server is the product's WSGI application behind a socket that speaks TLS, under the settings
that an https address has in production. Whoever sends a request verifies its certificate, and is
client and reverse proxy in one: it says for whom it speaks (X-Forwarded-For). While a test that
runs in a transaction waits for its answer, the thread that answers borrows its database connection,
so everything is rolled back as ever.
"""

import contextlib
import http.client
import ipaddress
import os
import re
import runpy
import secrets
import socket
import ssl
import string
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

from cryptography import x509
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpResponse
from django.test import override_settings
from django.test.client import ClientHandler

from tests.support import oauth
from tests.support.elsewhere import authority, server_context

HOST = "id.sallyport.example"
ISSUER = f"https://{HOST}"
PEER = ipaddress.ip_network("127.0.0.1/32")  # whoever sends a request, as the server sees it
PUBLIC_FACE = {"SALLYPORT_BASE_URL": ISSUER, "SALLYPORT_TRUSTED_PROXY_COUNT": "1"}
SETTINGS = Path(__file__).resolve().parents[2] / "config" / "settings.py"
PATIENCE_SECONDS = 30
WRITTEN_APART = {"HTTP_HOST", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"}
READS_ONLY = {"GET", "HEAD", "OPTIONS", "TRACE"}
UNFIT_FOR_A_LINE = re.compile(r"[^\x21-\x7e]")


@cache
def public_face() -> Mapping[str, Any]:
    """The settings that differ when the product stands at an https address, as it computes them."""

    def read(environment: Mapping[str, str]) -> dict[str, Any]:
        with mock.patch.dict(os.environ, environment):
            return runpy.run_path(str(SETTINGS))

    before, after = read({"SALLYPORT_BASE_URL": "http://localhost:8000"}), read(PUBLIC_FACE)
    return {
        name: value
        for name, value in after.items()
        if name.isupper() and name not in {"ENV", "LOGGING"} and before.get(name) != value
    }


@dataclass
class Loan:
    """The database connection that answers one request; None: the server uses its own."""

    connection: BaseDatabaseWrapper | None
    is_over: threading.Event = field(default_factory=threading.Event)


class Server(ThreadedWSGIServer):
    """Answers on a free port of loopback. Each connection has a thread, and with it storage."""

    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.loans: dict[Any, Loan] = {}
        self.base_environ["HTTPS"] = "on"
        context = server_context([x509.DNSName(HOST)])
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )
        with override_settings(**public_face()):
            self.pages = WSGIHandler()  # its middleware reads the settings when it is made
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def _close_connections(self) -> None:
        """Handlers give back what they borrowed, and close what is theirs."""


class Handler(WSGIRequestHandler):
    server: Server
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def get_environ(self) -> dict[str, Any]:
        from idp.storage import database

        loan = self.server.loans[self.client_address]
        if loan.connection is not None:
            connections["default"] = loan.connection
        database.forget()
        return super().get_environ()

    def handle_one_request(self) -> None:
        super().handle_one_request()
        loan = self.server.loans.pop(self.client_address, None)
        if loan is None:
            return
        if loan.connection is None:
            connections.close_all()
        else:
            del connections["default"]
        loan.is_over.set()


@cache
def server() -> Server:
    """The one of this process."""
    from config import wsgi

    running = Server()
    running.set_app(wsgi.application)
    return running


class Line(http.client.HTTPSConnection):
    """A connection that is kept; the name is resolved to loopback, the certificate verified."""

    def __init__(self) -> None:
        context = ssl.create_default_context(cadata=authority().pem)
        super().__init__(HOST, timeout=PATIENCE_SECONDS, context=context)
        self.tls = context

    def connect(self) -> None:
        raw = socket.create_connection(server().server_address, PATIENCE_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = self.tls.wrap_socket(raw, server_hostname=HOST)


_thread = threading.local()
_open: list[Line] = []
_asked: list[str] = []


@contextlib.contextmanager
def spoken() -> Iterator[list[str]]:
    """Within it test browsers and `oauth.send` speak TLS to the running server.

    Gives the paths that were asked, in the order of the answers.
    """
    from config import wsgi

    with (
        override_settings(**public_face()),
        mock.patch.object(wsgi, "django_application", server().pages),
        mock.patch.object(ClientHandler, "__call__", _answer_to_browser),
        mock.patch.object(oauth, "ask", _answer_to_client),
    ):
        yield _asked
    for line in _open:
        line.close()
    _open.clear()
    _asked.clear()
    _thread.__dict__.clear()


def _answer_to_client(environ: Mapping[str, Any]) -> oauth.Reply:
    status, headers, body = send(environ)
    return oauth.Reply(status, dict(headers), body)


def _answer_to_browser(handler: ClientHandler, environ: dict[str, Any]) -> HttpResponse:
    environ = dict(environ)
    environ["HTTP_COOKIE"] = _live_cookies(environ.get("HTTP_COOKIE", ""))
    if environ["REQUEST_METHOD"] not in READS_ONLY and not handler.enforce_csrf_checks:
        _bring_token(environ)
    status, headers, body = send(environ)
    response = HttpResponse(body, status=status)
    del response["Content-Type"]
    for name, value in headers:
        if name.lower() == "set-cookie":
            _keep(response.cookies, value)
        else:
            response[name] = value
    response.wsgi_request = WSGIRequest(environ)  # type: ignore[attr-defined]
    return response


def _live_cookies(header: str) -> str:
    """Without those that were deleted: a browser forgets them, Django's test client does not."""
    pairs = [pair for pair in header.split("; ") if pair.partition("=")[2] not in {"", '""'}]
    return "; ".join(pairs)


def _keep(cookies: SimpleCookie, header: str) -> None:
    """As a browser does, which refuses `__Host-` to what is not bound to this very host."""
    one = SimpleCookie(header)
    for name, morsel in one.items():
        assert morsel["secure"], header
        if name.startswith("__Host-"):
            assert morsel["path"] == "/", header
            assert not morsel["domain"], header
    cookies.update(one)


def _bring_token(environ: dict[str, Any]) -> None:
    """What the page's form carries. `Browser(enforce_csrf_checks=True)` sends nothing by itself."""
    name = settings.CSRF_COOKIE_NAME
    pairs = dict(pair.split("=", 1) for pair in environ["HTTP_COOKIE"].split("; ") if pair)
    token = pairs.get(name)
    if token is None:
        token = "".join(secrets.choice(string.ascii_letters) for _ in range(32))
        environ["HTTP_COOKIE"] = "; ".join(
            filter(None, [environ["HTTP_COOKIE"], f"{name}={token}"])
        )
    environ.setdefault("HTTP_X_CSRFTOKEN", token)
    environ.setdefault("HTTP_ORIGIN", ISSUER)


def send(environ: Mapping[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Send what a WSGI environ describes; gives status, header fields and body."""
    line = getattr(_thread, "line", None)
    if line is None:
        line = _thread.line = Line()
        _open.append(line)
    if line.sock is None:
        line.connect()
    with _lent(line.sock.getsockname()):
        line.putrequest(
            environ["REQUEST_METHOD"],
            _address(environ),
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in _header_fields(environ):
            line.putheader(name, value.encode("latin-1"))
        length = int(environ.get("CONTENT_LENGTH") or 0)
        line.endheaders(environ["wsgi.input"].read(length) if length else None)
        answer = line.getresponse()
        body = answer.read()
    _asked.append(environ["PATH_INFO"])
    return answer.status, answer.getheaders(), body


@contextlib.contextmanager
def _lent(address: Any) -> Iterator[None]:
    ours = connections["default"]
    loan = server().loans[address] = Loan(ours if ours.in_atomic_block else None)
    ours.inc_thread_sharing()
    try:
        # Django would close it after the request, since it is inside a transaction.
        with mock.patch.object(ours, "close_if_unusable_or_obsolete"):
            yield
            assert loan.is_over.wait(PATIENCE_SECONDS)
    finally:
        ours.dec_thread_sharing()


def _address(environ: Mapping[str, Any]) -> str:
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=-._~")
    query = environ.get("QUERY_STRING", "")
    if not query:
        return path
    return f"{path}?{UNFIT_FOR_A_LINE.sub(lambda bad: quote(bad[0].encode('latin-1')), query)}"


def _header_fields(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    own = environ.get("SERVER_NAME") in {None, "testserver"}
    yield "Host", environ.get("HTTP_HOST") or (HOST if own else environ["SERVER_NAME"])
    hops = [environ.get("HTTP_X_FORWARDED_FOR", ""), environ.get("REMOTE_ADDR", "")]
    yield "X-Forwarded-For", ", ".join(filter(None, hops))
    yield "X-Forwarded-Proto", urlsplit(ISSUER).scheme
    if environ.get("CONTENT_TYPE"):
        yield "Content-Type", environ["CONTENT_TYPE"]
    if environ.get("CONTENT_LENGTH") and environ["REQUEST_METHOD"] not in READS_ONLY:
        yield "Content-Length", str(environ["CONTENT_LENGTH"])
    for name, value in environ.items():
        if name.startswith("HTTP_") and name not in WRITTEN_APART and value:
            yield name.removeprefix("HTTP_").replace("_", "-").title(), str(value)
