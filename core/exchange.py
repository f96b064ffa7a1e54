"""One HTTP exchange over one connection, with one deadline and one size for all of it.

`core/outbound.py` asks addresses that somebody else chose, and judges them first; `policy/opa.py`
asks the server of the settings. Imports no Django, since policy uses it.
"""

import http.client
import io
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

HEADER_LIMIT_BYTES = 32_768
MAX_ADDRESSES = 16  # of one name
_resolving = threading.BoundedSemaphore(4)


class OutboundError(Exception):
    """The other side was not asked, or gave no usable answer. The text is for logs and audit."""


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


def resolve(host: str, port: int, deadline: float) -> list[Address]:
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
    thread.join(left(deadline))
    if thread.is_alive():
        raise OutboundError(f"{host} was not resolved in time")
    if faults or not found or len(found) > MAX_ADDRESSES:
        raise OutboundError(f"{host} has no usable address")
    return found


def dial(address: Address, port: int, deadline: float) -> socket.socket:
    """A connection to this very address: nothing is resolved."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(left(deadline))
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


@lru_cache(maxsize=4)
def tls_context(authorities: str) -> ssl.SSLContext:
    """authorities: PEM certificates beside those of the system, or nothing."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if authorities:
        context.load_verify_locations(cadata=authorities)
    return context


def left(deadline: float) -> float:
    """Seconds until the deadline; raises OutboundError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise OutboundError("the other side took too long")
    return seconds


def exchange(
    sock: socket.socket,
    method: str,
    host: str,
    path: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    limit_bytes: int,
    deadline: float,
) -> Response:
    """Ask over a connection that is open already, and leave it open; raises OutboundError.

    host: as the Host header has it. deadline: of the steady clock.
    """
    connection = http.client.HTTPConnection("")
    timed = _Timed(sock, deadline, limit_bytes + HEADER_LIMIT_BYTES)
    connection.sock = timed  # what http.client uses of a socket
    try:
        sent = {**headers, "Host": host, "Accept-Encoding": "identity"}
        connection.request(method, path, body, sent)
        with connection.getresponse() as answer:
            return _read(answer, limit_bytes)
    except OutboundError:
        raise
    except TimeoutError as error:
        raise OutboundError("the other side took too long") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OutboundError(f"{host}: {type(error).__name__}") from error
    finally:
        connection.close()


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
            self._sock.settimeout(left(self._deadline))
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
        self._sock.settimeout(left(self._deadline))
        size = self._sock.recv_into(buffer)
        self._left_bytes -= size
        return size
