"""Asks an Open Policy Agent server, over its data API (`POST /v1/data/<path>`).

The server is the one of the settings, beside this process or near it. One connection for each
thread stays open. Whatever is not a whole answer of the expected form, within the time, is none:
an OPA without a bundle, for one, says 200 and an empty object.
"""

import contextlib
import http.client
import os
import select
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from core import exchange, strict_json
from core.exchange import OutboundError, Response
from policy.evaluator import UNDEFINED, PolicyUnavailable

LIMIT_BYTES = 262_144
TIMEOUT_SECONDS = 0.5
# Its built-ins shall fail as the embedded engine's do, not be undefined; and which bundle answered?
QUERY = "?provenance=true&strict-builtin-errors=true"
_MEMBERS = {"result", "decision_id", "provenance", "warning"}


@dataclass(frozen=True, slots=True)
class OpaAnswer:
    """revision: of the bundle that answered, "" where the server holds no such bundle."""

    value: Any
    revision: str = ""


@dataclass(frozen=True, slots=True)
class OpaSettings:
    """Where the server is, and what it holds.

    url: `http[s]://host[:port]`. bundle: the name under which it holds ours; "" where its policy
    comes from elsewhere. ca: certificates of further authorities, PEM. timeout: seconds.
    """

    url: str
    bundle: str = ""
    token: str = field(default="", repr=False)
    ca: str = ""
    timeout: float = TIMEOUT_SECONDS


class OpaServer:
    def __init__(self, settings: OpaSettings) -> None:
        self.settings = settings
        parts = urlsplit(settings.url)
        self._is_tls = parts.scheme == "https"
        self._host, self._netloc = parts.hostname or "", parts.netloc
        self._port = parts.port or (443 if self._is_tls else 80)
        self._headers = {"Content-Type": "application/json"}
        if settings.token:
            self._headers["Authorization"] = f"Bearer {settings.token}"
        self._local = threading.local()

    def ask(self, path: str, document: bytes) -> OpaAnswer:
        """What the server answers for this input, a JSON text; raises PolicyUnavailable."""
        body = b'{"input":' + document + b"}"
        try:
            response = self._exchange("POST", f"/v1/data/{path}{QUERY}", body)
            return self._read(response)
        except OutboundError as failure:
            raise PolicyUnavailable(f"the OPA server gave no answer: {failure}") from failure
        except ValueError as failure:
            raise PolicyUnavailable(f"the OPA server's answer is none: {failure}") from failure

    def _read(self, response: Response) -> OpaAnswer:
        if response.status != http.client.OK:
            raise ValueError(f"status {response.status}")
        if response.content_type != "application/json":
            raise ValueError("it is no JSON")
        answer = strict_json.parse_object(response.body)
        if answer.keys() - _MEMBERS:
            raise ValueError("it says more than was asked")
        value = answer.get("result", UNDEFINED)
        return OpaAnswer(value, _revision(answer.get("provenance"), self.settings.bundle))

    def _exchange(self, method: str, target: str, body: bytes) -> Response:
        """One exchange; a kept connection that turns out to be closed is replaced, once."""
        deadline = time.monotonic() + self.settings.timeout
        sock = self._kept()
        if sock is not None:
            try:
                return self._over(sock, method, target, body, deadline)
            except OutboundError:
                exchange.left(deadline)  # it may have been closed a moment ago
        return self._over(self._connect(deadline), method, target, body, deadline)

    def _over(
        self, sock: socket.socket, method: str, target: str, body: bytes, deadline: float
    ) -> Response:
        try:
            response = exchange.exchange(
                sock, method, self._netloc, target, body, self._headers,
                limit_bytes=LIMIT_BYTES, deadline=deadline,
            )  # fmt: skip
        except BaseException:
            sock.close()
            raise
        self._local.kept = (os.getpid(), sock)
        return response

    def _kept(self) -> socket.socket | None:
        """The thread's open connection, if nothing came over it meanwhile.

        That would be its end, or an answer that nobody asked for.
        """
        pid, sock = getattr(self._local, "kept", (0, None))
        self._local.kept = (0, None)
        if sock is None:
            return None
        if pid == os.getpid() and not select.select([sock], [], [], 0)[0]:
            return sock  # type: ignore[no-any-return]
        sock.close()
        return None

    def _connect(self, deadline: float) -> socket.socket:
        for address in exchange.resolve(self._host, self._port, deadline):
            with contextlib.suppress(OSError):
                sock = exchange.dial(address, self._port, deadline)
                break
        else:
            raise OutboundError("it cannot be reached")
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self._is_tls:
                return sock
            sock.settimeout(exchange.left(deadline))
            context = exchange.tls_context(self.settings.ca)
            return context.wrap_socket(sock, server_hostname=self._host)
        except (OSError, ValueError) as failure:
            sock.close()
            raise OutboundError(f"TLS: {failure}") from failure


def _revision(provenance: Any, bundle: str) -> str:
    """The revision of the bundle of this name, as `provenance` tells it; raises ValueError."""
    if not bundle:
        return ""
    match provenance:
        case {"bundles": {**bundles}}:
            held = bundles.get(bundle)
            if isinstance(held, Mapping) and isinstance(held.get("revision"), str):
                return str(held["revision"])
    return ""
