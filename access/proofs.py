"""The way to a stronger or fresher sign-in and back, with what was typed kept.

What was typed waits in the cookie session of this browser: one draft, for one page.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from access.limits import DECIDING, TOUCH
from accounts.models import User
from core.errors import Refusal
from core.http import REACHABLE, require_assurance

DRAFT_KEY = "access_draft"
CHALLENGE = re.compile(r'(acr_values|max_age)="([^"]*)"')

before_deciding = require_assurance(REACHABLE, max_age=DECIDING)
by_a_touch = require_assurance(REACHABLE, max_age=TOUCH)


def keep_draft(request: HttpRequest, page: str, values: Mapping[str, Any]) -> None:
    """Keep what was typed on a page, until it is taken or something else is kept."""
    typed = {name: value for name, value in values.items() if name != "csrfmiddlewaretoken"}
    request.session[DRAFT_KEY] = {"page": page, "values": typed}


def take_draft(request: HttpRequest, page: str) -> dict[str, Any]:
    """What was typed on that page before a proof was asked for, once; {} for nothing."""
    kept = request.session.get(DRAFT_KEY)
    if not isinstance(kept, dict) or kept.get("page") != page:
        return {}
    del request.session[DRAFT_KEY]
    values: dict[str, Any] = kept["values"]
    return values


def to_step_up(refusal: Refusal, *, back: str) -> HttpResponse:
    """Send the browser to prove what the refusal asks for (RFC 9470), and then `back`."""
    asked = dict(CHALLENGE.findall(refusal.headers.get("WWW-Authenticate", "")))
    query = {"next": back, "acr": asked.get("acr_values", "")}
    if "max_age" in asked:
        query["max_age"] = asked["max_age"]
    return redirect(f"{reverse('sessions:step_up')}?{urlencode(query)}")


def asks_step_up(refusal: Refusal) -> bool:
    return refusal.code == "insufficient_user_authentication"


def person(request: HttpRequest) -> User:
    """The signed-in user; `LoginRequiredMiddleware` lets nobody else come so far."""
    if not isinstance(request.user, User):
        raise Refusal.not_allowed("Please sign in first.")
    return request.user


def session_of(request: Any) -> UUID:
    """The login session that acts; refuses not_allowed without one."""
    if request.login_session is None:
        raise Refusal.not_allowed("Please sign in again.")
    found: UUID = request.login_session.id
    return found
