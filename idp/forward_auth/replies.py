"""A verdict as the proxy wants to hear it.

200 lets the request pass, with the identity in headers. For everything else a status that every
proxy takes for a no: 401, 403, 503; or, from those that hand our answer on to the browser, a
redirect. nginx hands nothing on: it gets the status and a Location, and deploy/nginx makes of them
what the browser gets.
"""

from html import escape
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from django.conf import settings

from core.errors import Refusal
from idp.forward_auth import identity
from idp.forward_auth.asked import AT_HOST, Asked, Shape
from idp.forward_auth.judging import Judged, Verdict
from idp.machine.wire import JSON, NO_STORE, Answer

SIGN_IN, CALLBACK, SIGN_OUT = f"{AT_HOST}sign-in", f"{AT_HOST}callback", f"{AT_HOST}sign-out"
HELP = "/forward-auth/help"
HTML = ("Content-Type", "text/html; charset=utf-8")
PLAIN_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
]
CHALLENGE = ("WWW-Authenticate", 'Cookie realm="sallyport"')


def of(asked: Asked, judged: Judged) -> Answer:
    if judged.verdict is Verdict.ALLOW:
        told = identity.headers(judged, asked.origin)
        return Answer(200, b"", [*told, *NO_STORE])
    if judged.verdict is Verdict.UNKNOWN:
        return refused(Refusal("unknown_application", "No application is registered there.", 403))
    if judged.verdict is Verdict.DENY:
        return _denied(asked)
    return _led_on(asked, judged)


def refused(refusal: Refusal) -> Answer:
    """A no that nobody can be led on from."""
    return _json(refusal.status, {"error": refusal.code, "detail": refusal.detail})


def moved(location: str, *cookies: tuple[str, str]) -> Answer:
    return Answer(302, b"", [("Location", location), *cookies, *NO_STORE])


def _led_on(asked: Asked, judged: Judged) -> Answer:
    """Somebody has to sign in, or to prove more: pages lead there, everything else hears of it."""
    location = f"{asked.origin}{SIGN_IN}?{urlencode({'rd': asked.path})}"
    if asked.is_navigation and asked.shape is not Shape.NGINX:
        return moved(location)
    told: dict[str, Any] = {"error": "sign_in_required", "detail": "Nobody is signed in here."}
    challenge = CHALLENGE
    if judged.verdict is Verdict.STEP_UP and judged.decision is not None:
        wanted = Refusal.insufficient_user_authentication(
            acr=judged.decision.required_level.acr, max_age=judged.decision.max_age
        )
        told = {"error": wanted.code, "detail": wanted.detail}
        challenge = ("WWW-Authenticate", wanted.headers["WWW-Authenticate"])
    told["sign_in"] = location
    answer = _json(401, told)
    answer.headers.append(challenge)
    if asked.is_navigation:
        answer.headers.append(("Location", location))
    return answer


def _denied(asked: Asked) -> Answer:
    """403, with where to learn what can be done about it: reasons are told to the person alone."""
    there = f"{settings.ISSUER}{HELP}?{urlencode({'rd': asked.url})}"
    told = {"error": "access_denied", "detail": "This may not be opened.", "help": there}
    if not asked.is_navigation:
        return _json(403, told)
    if asked.shape is Shape.NGINX:
        answer = _json(403, told)
        answer.headers.append(("Location", there))
        return answer
    return page(
        403,
        title="You may not open this",
        text="You are signed in, but something speaks against it.",
        link=there,
        words="Why, and what you can do about it",
    )


def page(status: int, *, title: str, text: str, link: str, words: str) -> Answer:
    """A page at the application's own host, which has nothing of ours to load: plain HTML."""
    content = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title></head><body><main><h1>{escape(title)}</h1>"
        f'<p>{escape(text)}</p><p><a href="{escape(link)}">{escape(words)}</a></p>'
        "</main></body></html>"
    )
    return Answer(status, content.encode(), [HTML, *NO_STORE])


def _json(status: int, value: dict[str, Any]) -> Answer:
    return Answer(status, orjson.dumps(value), [*JSON, *NO_STORE])


def start_url(asked: Asked, path: str, challenge: str) -> str:
    """Where the browser signs in, at our own host."""
    query = urlencode({"rd": asked.origin + path, "state": challenge}, quote_via=quote)
    return f"{settings.ISSUER}/forward-auth/start?{query}"
