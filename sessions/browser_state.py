"""What a page of another site may know of this browser's sign-in: that it is still the same one.

A cookie that scripts can read, with an opaque value for each login session and none without one
(OpenID Connect Session Management 1.0 §3.2). It stands for nothing and opens nothing. Only where
SALLYPORT_SESSION_MANAGEMENT is on.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse
from django.utils.crypto import salted_hmac


def state_of(session_id: UUID) -> str:
    """The browser state of a login session: 64 hexadecimal digits, from which nothing follows."""
    return salted_hmac("sessions.browser_state", str(session_id), algorithm="sha256").hexdigest()


def follow(request: Any, response: HttpResponse) -> None:
    """Let the cookie say what is so after this request.

    It is taken away only from a browser that showed its cookie session and is not signed in. From
    a frame on another site that one does not come (SameSite=Lax), so nothing is known there.
    """
    name: str = settings.BROWSER_STATE_COOKIE_NAME
    session = request.login_session
    state = "" if session is None or session.ended_at else state_of(session.id)
    if state == request.COOKIES.get(name, ""):
        return
    # Browsers take SameSite=None only with Secure.
    same_site: Any = "None" if settings.IS_SECURE else "Lax"
    if state:
        response.set_cookie(
            name,
            state,
            max_age=settings.SESSION_COOKIE_AGE,
            secure=settings.IS_SECURE,
            httponly=False,
            samesite=same_site,
        )
    elif settings.SESSION_COOKIE_NAME in request.COOKIES:
        response.delete_cookie(name, samesite=same_site)
