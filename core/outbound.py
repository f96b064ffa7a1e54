"""The one way out: HTTP requests to addresses that somebody else chose.

A client's jwks_uri, sector_identifier_uri, request_uri, logout or notification address may point
anywhere, so nothing but this module asks them. https only; the name is resolved once, every address
of it is judged, and the connection goes to a judged address while TLS verifies the name; redirects
are not followed, proxies of the environment are not used, size and total time are limited, and a
process asks few at once, so that a slow stranger occupies no more than one web thread.

SALLYPORT_OUTBOUND__ALLOWED_NETWORKS opens networks that are closed otherwise (private, loopback);
SALLYPORT_OUTBOUND__CA adds certificate authorities to those of the system.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import urlsplit

from django.conf import settings

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

TIMEOUT_SECONDS = 5.0
LIMIT_BYTES = 65_536
HEADER_LIMIT_BYTES = 32_768
MAX_URL_LENGTH = 2048
MAX_ADDRESSES = 16  # of one name
MAX_ATTEMPTS = 2  # at connecting to them
WAIT_FOR_FETCH_SECONDS = 0.25
USER_AGENT = "Sallyport"
ANY = "*/*"

# A web process has two threads and a worker four: one of them always stays free.
_fetching = threading.BoundedSemaphore(1)
_posting = threading.BoundedSemaphore(3)
_resolving = threading.BoundedSemaphore(4)

# Global in Python's eyes, but a way to another address, or for protocols and documents only.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")


class OutboundError(Exception):
    """The other side was not asked, or gave no usable answer. The text is for logs and audit."""


class OutboundBusy(OutboundError):  # noqa: N818 - names a state
    """This process asks others already: nothing was learnt about the address."""


class RedirectedError(OutboundError):
    """The other side sends us elsewhere."""


@dataclass(frozen=True, slots=True)
class Response:
    """content_type: the media type in lower case, without parameters.

    headers: by their names in lower case, the last of each.
    """

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


def fetch(
    url: str,
    *,
    accept: str,
    limit_bytes: int = LIMIT_BYTES,
    timeout: float = TIMEOUT_SECONDS,
) -> Response:
    """GET a document; raises OutboundError.

    accept: the media types that are wanted, comma-separated. A 200 of another type is an error,
    unless `*/*` is among them. The status is the caller's to judge; a redirect is an error.
    timeout: seconds for everything together, from the name to the last byte.
    """
    with _slot(_fetching, min(timeout, WAIT_FOR_FETCH_SECONDS)):
        response = _exchange("GET", url, None, {"Accept": accept}, limit_bytes, timeout)
    wanted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    if response.status == http.client.OK and not {ANY, response.content_type} & wanted:
        raise OutboundError(f"the answer is {response.content_type or 'of no type'}")
    return response


def post(
    url: str,
    *,
    body: bytes,
    content_type: str,
    headers: Mapping[str, str] | None = None,
    limit_bytes: int = LIMIT_BYTES,
    timeout: float = TIMEOUT_SECONDS,
) -> Response:
    """POST a body; raises OutboundError. For workers, since it may wait for its turn."""
    sent = {**(headers or {}), "Content-Type": content_type, "Accept": ANY}
    with _slot(_posting, timeout):
        return _exchange("POST", url, body, sent, limit_bytes, timeout)


# --- where to -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Target:
    is_tls: bool
    host: str
    port: int
    path: str


def _parse(url: str) -> _Target:
    if len(url) > MAX_URL_LENGTH or not url.isascii() or not url.isprintable():
        raise OutboundError("the address has impossible characters or is too long")
    if " " in url or "\\" in url:
        raise OutboundError("the address has impossible characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OutboundError("the address cannot be read") from error
    is_tls = parts.scheme == "https"
    if not is_tls and not (parts.scheme == "http" and settings.OUTBOUND_PLAIN_HTTP):
        raise OutboundError("the address is not https")
    if not host or "@" in parts.netloc or "%" in host or port == 0:
        raise OutboundError("the address has no plain host")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(is_tls, host, port or (443 if is_tls else 80), path)


def _addresses(target: _Target, deadline: float) -> list[Address]:
    """Every address of the name, judged. One that is closed closes them all."""
    found = _resolve(target.host, target.port, deadline)
    for address in found:
        if not is_open(address):
            raise OutboundError(f"{target.host} is at {address}, which is not open to requests")
        if not target.is_tls and not address.is_loopback:
            raise OutboundError("plain http is for loopback only")
    return found


def is_open(address: Address) -> bool:
    """May this address be asked? Yes for networks of the setting, and for global unicast."""
    for network in settings.OUTBOUND_ALLOWED_NETWORKS:
        if address.version == network.version and address in network:
            return True
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if any(address.version == network.version and address in network for network in _SPECIAL):
        return False
    return address.version == 4 or address in _GLOBAL_IPV6  # noqa: PLR2004 - of the protocol


def _resolve(host: str, port: int, deadline: float) -> list[Address]:
    """The addresses of a name, in the resolver's order.

    The system's resolver knows no time limit: it runs in a thread that is left behind when it
    takes too long, and four of them are the most there are.
    """
    if not _resolving.acquire(blocking=False):
        raise OutboundError("the resolver is busy")
    found: list[Address] = []
    faults: list[Exception] = []

    def ask() -> None:
        try:
            for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                address = ipaddress.ip_address(str(place[0]))
                if address not in found:
                    found.append(address)
        except (OSError, ValueError) as error:  # UnicodeError, for a label too long, is one
            faults.append(error)
        finally:
            _resolving.release()

    thread = threading.Thread(target=ask, name="outbound-resolver", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        _resolving.release()
        raise OutboundError("no thread for the resolver") from error
    thread.join(_left(deadline))
    if thread.is_alive():
        raise OutboundError(f"{host} was not resolved in time")
    if faults or not found or len(found) > MAX_ADDRESSES:
        raise OutboundError(f"{host} has no usable address")
    return found


# --- the exchange ---------------------------------------------------------------------------------


def _exchange(
    method: str,
    url: str,
    body: bytes | None,
    headers: Mapping[str, str],
    limit_bytes: int,
    timeout: float,
) -> Response:
    deadline = time.monotonic() + timeout
    target = _parse(url)
    sock = _connect(target, _addresses(target, deadline), deadline)
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.default_port = 443 if target.is_tls else 80  # decides whether Host names the port
    timed = _Timed(sock, deadline, limit_bytes + HEADER_LIMIT_BYTES)
    connection.sock = timed  # what http.client uses of a socket
    fixed = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": USER_AGENT}
    try:
        connection.request(method, target.path, body, {**headers, **fixed})
        with connection.getresponse() as answer:
            return _read(answer, limit_bytes)
    except OutboundError:
        raise
    except TimeoutError as error:
        raise OutboundError("the other side took too long") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OutboundError(f"{target.host}: {type(error).__name__}") from error
    finally:
        connection.close()
        sock.close()


def _read(answer: http.client.HTTPResponse, limit_bytes: int) -> Response:
    if 300 <= answer.status < 400:  # noqa: PLR2004 - a class of status
        raise RedirectedError("the answer is a redirect, which is not followed")
    if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise OutboundError("the answer is compressed")
    if answer.length is not None and answer.length > limit_bytes:
        raise OutboundError("the answer is too large")
    body = answer.read(limit_bytes + 1)
    if len(body) > limit_bytes:
        raise OutboundError("the answer is too large")
    if answer.length:
        raise OutboundError("the answer is cut off")
    content_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(answer.status, content_type, body, headers)


def _connect(target: _Target, addresses: list[Address], deadline: float) -> socket.socket:
    for address in addresses[:MAX_ATTEMPTS]:
        try:
            plain = _dial(address, target.port, deadline)
        except OSError as error:
            fault = error
            continue
        if not target.is_tls:
            return plain
        try:
            plain.settimeout(_left(deadline))
            return _context(settings.OUTBOUND_CA).wrap_socket(plain, server_hostname=target.host)
        except (OSError, ValueError) as error:
            plain.close()
            raise OutboundError(f"{target.host}: TLS: {error}") from error
    raise OutboundError(f"{target.host} cannot be reached") from fault


def _dial(address: Address, port: int, deadline: float) -> socket.socket:
    """A connection to this very address: nothing is resolved."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(_left(deadline))
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


@lru_cache(maxsize=4)
def _context(authorities: str) -> ssl.SSLContext:
    """authorities: PEM certificates beside those of the system, or nothing."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if authorities:
        context.load_verify_locations(cadata=authorities)
    return context


def _left(deadline: float) -> float:
    """Seconds until the deadline; raises OutboundError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise OutboundError("the other side took too long")
    return seconds


@contextmanager
def _slot(slots: threading.BoundedSemaphore, wait_seconds: float) -> Iterator[None]:
    if not slots.acquire(timeout=wait_seconds):
        raise OutboundBusy("too many requests are under way")
    try:
        yield
    finally:
        slots.release()


class _Timed:
    """A socket as http.client uses one, with one deadline and one size for all that it does.

    A socket's own timeout starts anew with every byte, so a slow sender would never meet it.
    """

    def __init__(self, sock: socket.socket, deadline: float, limit_bytes: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._limit_bytes = limit_bytes

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._sock.settimeout(_left(self._deadline))
            view = view[self._sock.send(view) :]

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - http.client reads only
        return io.BufferedReader(_Reader(self._sock, self._deadline, self._limit_bytes))

    def close(self) -> None:
        """Stay open: the answer is read after http.client has let go of the connection."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float, limit_bytes: int) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._left_bytes = limit_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._left_bytes <= 0:
            raise OutboundError("the answer is too large")
        self._sock.settimeout(_left(self._deadline))
        size = self._sock.recv_into(buffer)
        self._left_bytes -= size
        return size
