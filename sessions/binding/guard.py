"""What the middleware asks of each request, and privileged pages of some: that the key is there.

A request of a bound session that shows no bound cookie is nobody's. It is not signed out: the
browser that has the key proves it and goes on, and whoever copied the cookies cannot end what they
cannot use.
"""

from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from core.http import client_address
from core.ids import digest
from sessions.binding import cookie, flows, headers
from sessions.binding.cookie import Shown
from sessions.models import Binding, BoundKey, LoginSession

PRIVILEGED_WINDOW = timedelta(minutes=2)
READS = {"GET", "HEAD"}
NOT_YET = {"WWW-Authenticate": "Bound-Cookie", "Cache-Control": "no-store"}
# They answer a session that is yet to prove its key.
OPEN_TO_UNPROVEN = (
    "sessions:dbsc_register",
    "sessions:binding_challenge",
    "sessions:binding_registration",
    "sessions:binding_proof",
    "sessions:binding_leave",
)


def is_refresh(request: HttpRequest) -> bool:
    """Whether this is DBSC's refresh, which needs no cookie: the proof says whose it is."""
    return request.path_info == _path("sessions:dbsc_refresh")


def is_machinery(request: HttpRequest) -> bool:
    """Whether a browser sends this by itself: no sign that anybody is there."""
    return request.path_info in map(_path, OPEN_TO_UNPROVEN)


@cache
def _path(name: str) -> str:
    """Looked up for every request, and always the same."""
    return reverse(name)


def judge(request: Any, session: LoginSession, now: datetime) -> HttpResponse | None:
    """Let a request be its session's, or give the answer that asks for the key.

    Sets `unproven_session` instead where what is asked for is there to prove the key.
    """
    key: BoundKey | None = getattr(session, "bound_key", None)
    if key is None:
        if settings.SESSION_BINDING != "required":
            return None
        return _unproven(request, session, Shown.NONE)
    shown = request.bound_cookie = flows.judge_cookie(key, cookie.value_in(request), now)
    if shown is Shown.CURRENT:
        flows.see_cookie(key=key, seen_from=whence(request), now=now)
        if bytes(key.cookie_seen_from) != whence(request):
            # A copy, or a browser whose network has changed: either has to show the key.
            flows.refuse_cookie(key=key, reason="elsewhere", now=now)
            return _unproven(request, session, Shown.WRONG)
    if shown in {Shown.CURRENT, Shown.FORMER}:
        request.demand_key = partial(_demand, request, key, now)
        return None
    _write_down(request, key, shown, now)
    return _unproven(request, session, shown)


def follow(request: Any, response: HttpResponse, now: datetime) -> None:
    """Offer a session that is not bound to bind it, and take the cookie of one that is over."""
    session: LoginSession | None = request.login_session
    if session is None or session.ended_at is not None:
        if cookie.value_in(request) and settings.BOUND_COOKIE_NAME not in response.cookies:
            cookie.take_away(response)
        return
    if not settings.IS_SECURE or is_machinery(request):
        return
    offer = flows.offer_registration(session=session, now=now)
    if offer is not None:
        response.headers[headers.REGISTRATION] = headers.registration(
            path=reverse("sessions:dbsc_register"),
            challenge=offer.challenge,
            authorization=offer.authorization,
        )


def whence(request: HttpRequest) -> bytes:
    """A digest of where a request comes from, as far as that can be seen."""
    return digest(f"{client_address(request)}\n{request.headers.get('User-Agent', '')}")


def _demand(request: Any, key: BoundKey, now: datetime) -> HttpResponse | None:
    """On a privileged page: None if the key was proven just now, and by who asks; else the answer.

    A cookie that is copied right after a proof is asked for another one as soon as it comes from
    elsewhere. Right after binding, until the browser shows its first cookie, none is needed.
    """
    proven_at = key.session.proven_at
    is_fresh = proven_at is not None and now - proven_at <= PRIVILEGED_WINDOW
    if request.bound_cookie is Shown.CURRENT:
        is_here = bytes(key.cookie_seen_from) == whence(request)
    else:
        is_here = key.cookie_seen_at is None and not cookie.value_in(request)
    if is_fresh and is_here:
        return None
    return _ask(request, key.session, Shown.WRONG)


def _unproven(request: Any, session: LoginSession, shown: Shown) -> HttpResponse | None:
    request.unproven_session = session
    request.user = AnonymousUser()
    return None if is_machinery(request) else _ask(request, session, shown)


def _ask(request: HttpRequest, session: LoginSession, shown: Shown) -> HttpResponse:
    """The answer that lets a browser show its key.

    One that speaks DBSC refreshes when the cookie is not there: it is taken away, and the request
    sent again as it is. A page proves by itself and goes on; what is no page is refused.
    """
    if session.binding == Binding.DBSC and shown is Shown.WRONG:
        return _again(request)
    if not is_navigation(request):
        return _refused()
    response = render(
        request,
        "sessions/prove.html",
        {
            "kind": session.binding or "none",
            "is_read": request.method in READS,
            "here": request.get_full_path(),
        },
        status=401,
    )
    for name, value in NOT_YET.items():
        response.headers[name] = value
    return response


def is_navigation(request: HttpRequest) -> bool:
    """Whether a page is asked for, to be shown by itself."""
    mode = request.headers.get("Sec-Fetch-Mode")
    if mode is not None:
        return mode == "navigate"
    return request.accepts("text/html") and "text/html" in request.headers.get("Accept", "")


def _again(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(
        status=307, headers={"Location": request.get_full_path(), "Cache-Control": "no-store"}
    )
    cookie.take_away(response)
    return response


def _refused() -> JsonResponse:
    return JsonResponse(
        {"error": "proof_required", "detail": "The browser has to show its key first."},
        status=401,
        headers=NOT_YET,
    )


def _write_down(request: HttpRequest, key: BoundKey, shown: Shown, now: datetime) -> None:
    """A cookie that is not, or no longer, the session's may be a copy. None at all is everyday."""
    skipped = headers.read_skipped(request.headers.get(headers.SKIPPED, ""))
    mine = [reason for reason, identifier in skipped if identifier == str(key.id)]
    if mine:
        flows.refuse_cookie(key=key, reason=f"skipped_{mine[0]}", now=now)
    elif shown is Shown.WRONG:
        flows.refuse_cookie(key=key, reason="wrong_cookie", now=now)
