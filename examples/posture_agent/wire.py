"""Talking to the server: JSON over HTTP, with patience for networks and none for redirects."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 20
MAX_ANSWER_BYTES = 1 << 16
TRIES = 5
FIRST_WAIT_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 120.0
PASSING = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Unreachable(Exception):  # noqa: N818 - a state of the network
    """No answer after several tries."""


class InsecureServer(Exception):  # noqa: N818 - a reason to refuse
    """Plain http to somewhere else than this machine."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]
    retry_after: float | None = None

    @property
    def error(self) -> str:
        """What went wrong, for a person."""
        said = self.body.get("error_description") or self.body.get("error") or ""
        return f"{said} ({self.status})".strip()


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """An answer that sends elsewhere is no answer: what is signed is for one server."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Wire:
    """One server. Follows no redirect, and talks plain http to this very machine only."""

    def __init__(self, server: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.server = server.rstrip("/")
        self._sleep = sleep
        self._opener = urllib.request.build_opener(_NoRedirects)
        self._refuse_insecure(self.server)

    @staticmethod
    def _refuse_insecure(url: str) -> None:
        parts = urlsplit(url)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if parts.scheme != "https" and not (parts.scheme == "http" and local):
            raise InsecureServer(f"{url} is not https")

    def post(self, url: str, body: Callable[[], dict[str, Any]] = dict) -> Answer:
        """Ask, and again after faults that pass, waiting longer each time; raises Unreachable.

        body: made anew for each try, so that a proof in it is as well.
        """
        wait, reason = FIRST_WAIT_SECONDS, ""
        for turn in range(TRIES):
            if turn:
                self.pause(wait)
                wait *= 2
            try:
                answer = self._once(url, json.dumps(body()).encode(), "application/json")
            except OSError as error:  # URLError is one
                reason = str(getattr(error, "reason", error))
                continue
            if answer.status not in PASSING:
                return answer
            reason, wait = answer.error, answer.retry_after or wait
        raise Unreachable(f"{self.server} did not answer: {reason}")

    def post_jwt(self, url: str, token: str) -> Answer | None:
        """Send a signed statement once; None if it cannot be known whether it arrived."""
        try:
            answer = self._once(url, token.encode(), "application/jwt")
        except OSError:
            return None
        return None if answer.status in PASSING else answer

    def pause(self, seconds: float) -> None:
        self._sleep(min(seconds, LONGEST_WAIT_SECONDS))

    def _once(self, url: str, content: bytes, content_type: str) -> Answer:
        url = url if "://" in url else self.server + url
        self._refuse_insecure(url)
        if urlsplit(url)[:2] != urlsplit(self.server)[:2]:
            raise InsecureServer(f"{url} is not at {self.server}")
        request = urllib.request.Request(  # noqa: S310 - http(s) only: see _refuse_insecure
            url,
            content,
            {"Content-Type": content_type, "Accept": "application/json",
             "User-Agent": "sallyport-posture-agent/1"},
            method="POST",
        )  # fmt: skip
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as reply:
                return _answer(reply.status, reply.headers, reply.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.headers, error.read(MAX_ANSWER_BYTES))


def _answer(status: int, headers: Any, content: bytes) -> Answer:
    try:
        body = json.loads(content) if content else {}
    except ValueError:
        body = {}
    after = headers.get("Retry-After", "")
    return Answer(
        status,
        body if isinstance(body, dict) else {},
        float(after) if after.isdigit() else None,
    )
