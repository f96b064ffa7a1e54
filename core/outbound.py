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
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from core import exchange
from core.exchange import Address, OutboundError, RedirectedError, Response, left

__all__ = ["OutboundError", "RedirectedError", "Response", "fetch", "post"]

TIMEOUT_SECONDS = 5.0
LIMIT_BYTES = 65_536
MAX_URL_LENGTH = 2048
MAX_ATTEMPTS = 2  # at connecting to them
WAIT_FOR_FETCH_SECONDS = 0.25
USER_AGENT = "Sallyport"
ANY = "*/*"

# A web process has two threads and a worker four: one of them always stays free.
_fetching = threading.BoundedSemaphore(1)
_posting = threading.BoundedSemaphore(3)

# Global in Python's eyes, but a way to another address, or for protocols and documents only.
_SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
_GLOBAL_IPV6 = ipaddress.IPv6Network("2000::/3")


class OutboundBusy(OutboundError):  # noqa: N818 - names a state
    """This process asks others already: nothing was learnt about the address."""


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

    @property
    def netloc(self) -> str:
        """As the Host header has it: with the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


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
    found = exchange.resolve(target.host, target.port, deadline)
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
    fixed = {"Connection": "close", "User-Agent": USER_AGENT}
    try:
        return exchange.exchange(
            sock, method, target.netloc, target.path, body, {**headers, **fixed},
            limit_bytes=limit_bytes, deadline=deadline,
        )  # fmt: skip
    finally:
        sock.close()


def _connect(target: _Target, addresses: list[Address], deadline: float) -> socket.socket:
    for address in addresses[:MAX_ATTEMPTS]:
        try:
            plain = exchange.dial(address, target.port, deadline)
        except OSError as error:
            fault = error
            continue
        if not target.is_tls:
            return plain
        try:
            plain.settimeout(left(deadline))
            return exchange.tls_context(settings.OUTBOUND_CA).wrap_socket(
                plain, server_hostname=target.host
            )
        except (OSError, ValueError) as error:
            plain.close()
            raise OutboundError(f"{target.host}: TLS: {error}") from error
    raise OutboundError(f"{target.host} cannot be reached") from fault


@contextmanager
def _slot(slots: threading.BoundedSemaphore, wait_seconds: float) -> Iterator[None]:
    if not slots.acquire(timeout=wait_seconds):
        raise OutboundBusy("too many requests are under way")
    try:
        yield
    finally:
        slots.release()
