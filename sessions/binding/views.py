"""What browsers ask for to register a key and to prove it.

The endpoints of DBSC are asked by browsers themselves, those of WebCrypto by static/js/binding.js.
Another site's page reaches none of them: they demand a header that no script can set, or a body of
a type that no form has, and answer no preflight.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core import clock
from core.errors import Refusal
from core.http import client_address, origin_of, safe_next
from core.limits import spend
from policy.facts import Trigger
from sessions import standing
from sessions.binding import challenges, cookie, flows, headers, instructions, limits
from sessions.binding.challenges import Purpose
from sessions.binding.cookie import Shown
from sessions.binding.guard import whence
from sessions.models import Binding, BoundKey, LoginSession

PROOF_TYPE = "application/jwt"
View = Callable[..., HttpResponse]


def answers_a_browser(view: View) -> View:
    """POST only, for whoever comes, never kept, for no page of another site; refusals are JSON."""

    @login_not_required
    @csrf_exempt
    @require_POST
    @never_cache
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            _check_origin(request)
            response = view(request, *args, **kwargs)
        except Refusal as refusal:
            response = _refused(refusal)
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        return response

    return answered


# --- Device Bound Session Credentials -------------------------------------------------------------


@answers_a_browser
def dbsc_register(request: HttpRequest) -> HttpResponse:
    """The answer to an offer: the key, signed by itself. Whatever is refused makes no session."""
    now = clock.now()
    session = _session(request)
    key, value = flows.bind_session(
        session=session,
        text=headers.read_item(request.headers.get(headers.RESPONSE, "")),
        kind=Binding.DBSC,
        audience=_here(request),
        shown=_shown(request),
        now=now,
    )
    return _earned(JsonResponse(instructions.of(key)), value)


@answers_a_browser
def dbsc_refresh(request: HttpRequest) -> HttpResponse:
    """A new bound cookie for a proof; a challenge for whoever brings none.

    Browsers end their session upon most refusals, so what can pass is answered with a challenge,
    and only what never will with 400. A session that is over is told so.
    """
    now = clock.now()
    identifier = headers.read_item(request.headers.get(headers.SESSION_ID, ""))
    if not identifier:
        raise Refusal.invalid_request("This is for browsers that refresh a session.")
    response = request.headers.get(headers.RESPONSE, "")
    key = flows.find_key(identifier, kind=Binding.DBSC)
    if key is None or not key.session.is_live(now):
        return JsonResponse(instructions.over(identifier))
    if not response:
        return _challenged(request, key)
    text = headers.read_item(response)
    try:
        value = flows.prove_key(key=key, text=text, audience=_here(request), now=now)
    except Refusal as refusal:
        if refusal.code == "stale_challenge":
            return _challenged(request, key)
        raise
    if not standing.is_good(key.session, now, trigger=Trigger.DBSC_REFRESH):
        return JsonResponse(instructions.over(identifier))
    return _earned(JsonResponse(instructions.of(key)), value)


def _challenged(request: HttpRequest, key: BoundKey) -> HttpResponse:
    challenge = _challenge(request, key.session, Purpose.PROOF)
    field = headers.challenge(challenge, session_identifier=str(key.id))
    response = HttpResponse(status=403, headers={headers.CHALLENGE: field})
    response._has_been_logged = True  # type: ignore[attr-defined]  # noqa: SLF001 - every refresh begins so
    return response


# --- WebCrypto ------------------------------------------------------------------------------------


@answers_a_browser
def challenge(request: HttpRequest) -> HttpResponse:
    """What the script shall sign now, if anything.

    `purpose`: "proof", "registration", "wait" while the browser may still answer an offer of DBSC,
    or "none".
    """
    now = clock.now()
    session = _session(request)
    _body(request)
    if session.binding == Binding.WEBCRYPTO:
        purpose: str = Purpose.PROOF
    elif session.binding or not flows.may_register(session, now):
        return JsonResponse({"purpose": "none"})
    elif "Sec-CH-UA" in request.headers and flows.was_just_offered(session=session, now=now):
        return JsonResponse({"purpose": "wait"})
    else:
        purpose = Purpose.REGISTRATION
    value = _challenge(request, session, purpose)
    return JsonResponse({"purpose": purpose, "challenge": value})


@answers_a_browser
def registration(request: HttpRequest) -> HttpResponse:
    _, value = flows.bind_session(
        session=_session(request),
        text=_body(request),
        kind=Binding.WEBCRYPTO,
        audience=_here(request),
        shown=_shown(request),
        now=clock.now(),
        seen_from=whence(request),
    )
    return _earned(_until(), value)


@answers_a_browser
def proof(request: HttpRequest) -> HttpResponse:
    session = _session(request)
    key: BoundKey | None = getattr(session, "bound_key", None)
    if key is None or key.kind != Binding.WEBCRYPTO:
        raise Refusal.conflict("The session is bound to no key of this kind.")
    value = flows.prove_key(
        key=key,
        text=_body(request),
        audience=_here(request),
        now=clock.now(),
        seen_from=whence(request),
    )
    return _earned(_until(), value)


@login_not_required
@require_POST
@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    """Forget the session in this browser, which cannot prove its key, and sign in anew.

    The session itself is not ended: whoever has only its cookies has no say in that.
    """
    target = safe_next(request, resolve_url(settings.LOGIN_REDIRECT_URL))
    response = redirect(f"{reverse('account_login')}?{urlencode({'next': target})}")
    same_site: Any = settings.SESSION_COOKIE_SAMESITE
    response.delete_cookie(settings.SESSION_COOKIE_NAME, samesite=same_site)
    cookie.take_away(response)
    return response


# --- what they share ------------------------------------------------------------------------------


def _check_origin(request: HttpRequest) -> None:
    """Refuses what a page of another site sends; browsers name the sender of every POST."""
    ours = origin_of(settings.ISSUER)
    if request.headers.get("Origin", ours) != ours:
        raise Refusal.invalid_request("This is not for other sites.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Refusal.invalid_request("This is not for other sites.")


def _session(request: Any) -> LoginSession:
    """The session at hand, proven or not."""
    session: LoginSession | None = request.login_session or request.unproven_session
    if session is None:
        raise Refusal.not_allowed("Nobody is signed in.")
    return session


def _body(request: HttpRequest) -> str:
    """What a script sends; no form has this type, so another site would have to ask first."""
    if request.content_type != PROOF_TYPE:
        raise Refusal.invalid_request(f"The body is {PROOF_TYPE}.")
    return request.body.decode("latin-1")


def _shown(request: Any) -> Shown:
    shown: Shown = getattr(request, "bound_cookie", Shown.NONE)
    return shown


def _here(request: HttpRequest) -> str:
    return f"{settings.ISSUER}{request.path_info}"


def _challenge(request: HttpRequest, session: LoginSession, purpose: str) -> str:
    now = clock.now()
    spend(limits.CHALLENGES, f"{session.id}:{client_address(request)}", now=now)
    return challenges.issue(session=session, purpose=purpose, now=now)


def _until() -> JsonResponse:
    return JsonResponse({"lasts": int(cookie.LIFETIME.total_seconds())})


def _earned(response: HttpResponse, value: str) -> HttpResponse:
    cookie.grant(response, value)
    return response


def _refused(refusal: Refusal) -> JsonResponse:
    answer = {"error": refusal.code, "detail": refusal.detail}
    return JsonResponse(answer, status=refusal.status, headers=dict(refusal.headers))
