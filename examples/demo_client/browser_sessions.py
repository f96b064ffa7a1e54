"""Sessions of this application, in memory: the browser holds a random name and nothing else."""

import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from examples.demo_client.relying_party import Pending, Tokens

# Cookies do not know ports: on localhost another application would share a common name.
COOKIE = "demo_client_session"
IDLE_LIFETIME_SECONDS = 8 * 3600
LIMIT = 1000
PENDING_LIMIT = 5


@dataclass(kw_only=True)
class BrowserSession:
    csrf_token: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    pending: dict[str, Pending] = field(default_factory=dict)
    tokens: Tokens | None = None
    userinfo: dict[str, Any] | None = None
    notice: tuple[str, str] | None = None
    logout_state: str | None = None
    last_used: float = field(default_factory=time.monotonic)
    # One request at a time: two refreshes at once would present one token twice.
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def remember(self, pending: Pending) -> None:
        """Several tabs may sign in at once; the oldest attempts are let go."""
        while len(self.pending) >= PENDING_LIMIT:
            del self.pending[next(iter(self.pending))]
        self.pending[pending.state] = pending


class SessionStore:
    def __init__(self) -> None:
        self._sessions: dict[str, BrowserSession] = {}
        self._lock = threading.Lock()

    def find(self, name: str | None) -> BrowserSession | None:
        with self._lock:
            session = self._sessions.get(name or "")
            if session is None or time.monotonic() - session.last_used > IDLE_LIFETIME_SECONDS:
                return None
            session.last_used = time.monotonic()
            return session

    def end(self, sid: str) -> int:
        """Forget the tokens of every session that came of the provider's session `sid`."""
        with self._lock:
            concerned = [
                session
                for session in self._sessions.values()
                if session.tokens is not None and session.tokens.claims.get("sid") == sid
            ]
        for session in concerned:
            session.tokens = session.userinfo = None
            session.notice = ("bad", "You were signed out by the sign-in service.")
        return len(concerned)

    def put(self, session: BrowserSession, *, instead_of: str | None = None) -> str:
        """Keep a session under a new name; the old name stops working (session fixation)."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions.pop(instead_of or "", None)
            if len(self._sessions) >= LIMIT:
                oldest = min(self._sessions, key=lambda each: self._sessions[each].last_used)
                del self._sessions[oldest]
            self._sessions[name] = session
        return name
