"""Binds each request to its login session, and judges that session again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from audit import recorder
from core import clock
from core.assurance import Assurance, Level
from core.http import client_address
from core.ids import digest, new_id
from mfa.flows import reachable_level
from policy.decision import Outcome
from sessions import browser_state, flows, standing
from sessions.binding import guard
from sessions.current import current_session_id
from sessions.models import LoginSession

BAD_REQUEST = 400
BROWSER_COOKIE_LIFETIME = timedelta(days=365)


class LoginSessionMiddleware:
    """Sets `request.login_session`, `request.assurance` and `request.reachable_level`.

    A signed-in browser without a live login session is signed out: a cookie alone proves nothing.
    One whose session is bound to a key is asked for that key, and is nobody until then
    (`unproven_session` says for what it is asked).
    Policy judges each request; its verdict is written down when it changes, or once a minute.
    While it asks for a step-up, nothing that was proven before counts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        now = clock.now()
        tokens = (
            recorder.transaction_id.set(new_id()),
            recorder.request_address.set(client_address(request)),
            current_session_id.set(None),
        )
        try:
            response = self._bind(request, now)
            if response is None:
                response = self.get_response(request)
                self._follow(request, response, now)
        finally:
            recorder.transaction_id.reset(tokens[0])
            recorder.request_address.reset(tokens[1])
            current_session_id.reset(tokens[2])
        return response

    def _bind(self, request: Any, now: datetime) -> HttpResponse | None:
        """Find the session of the request; gives the answer where its key has to be shown first."""
        request.login_session = request.unproven_session = None
        request.assurance = Assurance()
        request.reachable_level = Level.AAL1
        if guard.is_refresh(request) or not request.user.is_authenticated:
            return None
        session = _find(request)
        if session is None or not standing.is_good(session, now):
            logout(request)
            messages.info(request, "Your session has ended. Please sign in again.")
            return None
        answer = guard.judge(request, session, now)
        if request.unproven_session is not None:
            return answer
        request.login_session = session
        is_owed = session.outcome == Outcome.STEP_UP
        request.assurance = Assurance() if is_owed else session.assurance
        request.reachable_level = SimpleLazyObject(lambda: reachable_level(request.user))
        current_session_id.set(session.id)
        return None

    def _follow(self, request: Any, response: HttpResponse, now: datetime) -> None:
        session: LoginSession | None = request.login_session
        if session is not None and _is_activity(request, response):
            flows.touch(session=session, now=now)
        new_key = request.session.session_key
        if session is not None and new_key and request.user.is_authenticated:
            new_digest = digest(new_key)
            if new_digest != bytes(session.session_key_digest) and session.ended_at is None:
                LoginSession.unscoped.filter(
                    id=session.id, user_id=request.user.pk, ended_at=None
                ).update(session_key_digest=new_digest)
        if request.unproven_session is not None or guard.is_refresh(request):
            return
        guard.follow(request, response, now)
        if settings.SESSION_MANAGEMENT:
            browser_state.follow(request, response)
        cookie = getattr(request, "browser_cookie", None)
        if cookie:
            response.set_cookie(
                settings.BROWSER_COOKIE_NAME,
                cookie,
                max_age=BROWSER_COOKIE_LIFETIME,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )


def _is_activity(request: HttpRequest, response: HttpResponse) -> bool:
    """Whether somebody is there: a page was opened or a form sent, and answered as such.

    What scripts and frames ask for by themselves keeps no session alive (NIST SP 800-63B-4 §2.2.3).
    """
    return (
        request.headers.get("Sec-Fetch-Dest", "document") == "document"
        and response.status_code < BAD_REQUEST
        and response.get("Content-Type", "text/html").startswith("text/html")
    )


def _find(request: Any) -> LoginSession | None:
    key = request.session.session_key
    if not key:
        return None
    return (
        LoginSession.unscoped.filter(
            session_key_digest=digest(key), user_id=request.user.pk, ended_at=None
        )
        .select_related("bound_key")
        .first()
    )
