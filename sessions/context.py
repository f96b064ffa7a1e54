"""What every page may say to static/js/binding.js."""

from typing import Any

from django.http import HttpRequest

from core import clock
from sessions.binding import cookie, flows
from sessions.models import Binding, LoginSession


def binding(request: HttpRequest) -> dict[str, Any]:
    """`binding`: "register", "keep", or "" where the script has nothing to do.

    `binding_left`: whole seconds that the bound cookie still counts.
    """
    session: LoginSession | None = getattr(request, "login_session", None)
    if session is None or session.ended_at is not None:
        return {"binding": ""}
    now = clock.now()
    if session.binding == Binding.WEBCRYPTO and session.proven_at is not None:
        left = session.proven_at + cookie.LIFETIME - now
        return {"binding": "keep", "binding_left": max(0, int(left.total_seconds()))}
    if not session.binding and flows.may_register(session, now):
        return {"binding": "register"}
    return {"binding": ""}
