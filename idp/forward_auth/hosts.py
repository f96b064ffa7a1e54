"""What we answer at the application's own host, below /.sallyport/, which its proxy sends to us.

sign-in: keep a secret in a cookie of this host, and lead to our own with an image of it. callback:
the code that comes back is good once, and only where that secret is. sign-out: forget this browser
here, and lead to where everything ends.
"""

from datetime import timedelta
from urllib.parse import parse_qs

from django.conf import settings

from audit import recorder
from core import clock
from core.errors import Refusal
from core.ids import digest, new_id, new_token
from idp.forward_auth import replies
from idp.forward_auth.asked import AT_HOST, COOKIE, PATH, STATE_COOKIE, TOKEN, Asked, cookie_name
from idp.forward_auth.sign_in import MAX_PATH_LENGTH, challenge_of
from idp.machine.wire import Answer
from idp.storage import database
from idp.storage.forward_auth import (
    END_FORWARD_SESSION,
    FIND_PROXIED_HOST,
    REDEEM_FORWARD_CODE,
)

LIFETIME = timedelta(hours=12)
STATE_LIFETIME = timedelta(minutes=30)  # as long as somebody may take to sign in


def answer(asked: Asked) -> Answer:
    """One request at the application's host; refuses what is not there."""
    path, _, query = asked.path.partition("?")
    ways = {
        replies.SIGN_IN: _sign_in,
        replies.CALLBACK: _callback,
        replies.SIGN_OUT: _sign_out,
    }
    way = ways.get(path)
    if way is None:
        raise Refusal.not_found()
    if asked.method not in {"GET", "HEAD"} and way is not _sign_out:
        raise Refusal("invalid_request", "The method is not allowed.", 405)
    params = {"origin": asked.origin, "clock_offset": clock.offset()}
    row = database.one(FIND_PROXIED_HOST, params)
    if row is None or not row["client_is_active"]:
        raise Refusal("unknown_application", "No application is registered there.", 403)
    return way(asked, query)


def _sign_in(asked: Asked, query: str) -> Answer:
    """A secret that is there already is kept: several pages may be on their way at once."""
    secret = asked.state or new_token()
    location = replies.start_url(asked, _way_back(query), challenge_of(secret))
    return replies.moved(location, _cookie(asked, STATE_COOKIE, secret, STATE_LIFETIME))


def _callback(asked: Asked, query: str) -> Answer:
    """The code for a cookie. One that is not good leads to the sign-in, by a person's click."""
    code = parse_qs(query).get("code", [""])[0]
    if not asked.state or not TOKEN.fullmatch(code):
        return _over()
    cookie = new_token()
    params = {
        "digest": digest(code),
        "origin": asked.origin,
        "challenge": challenge_of(asked.state),
        "former": digest(asked.cookie),
        "id": new_id(),
        "cookie": digest(cookie),
        "seen_from": asked.whence(),
        "lifetime": LIFETIME,
        "clock_offset": clock.offset(),
        **recorder.branch_params(asked.address),
    }
    row = database.one(REDEEM_FORWARD_CODE, params)
    if row is None:
        return _over()
    return replies.moved(
        asked.origin + row["return_path"],
        _cookie(asked, COOKIE, cookie, None),
        _cookie(asked, STATE_COOKIE, "", timedelta(0)),
    )


def _sign_out(asked: Asked, query: str) -> Answer:  # noqa: ARG001
    """What another site's page asks for ends nothing; our own host asks the person."""
    if asked.cookie and not asked.is_from_elsewhere:
        params = {
            "digest": digest(asked.cookie),
            "origin": asked.origin,
            "clock_offset": clock.offset(),
            **recorder.branch_params(asked.address),
        }
        database.one(END_FORWARD_SESSION, params)
    location = f"{settings.ISSUER}/accounts/logout/"
    return replies.moved(location, _cookie(asked, COOKIE, "", timedelta(0)))


def _way_back(query: str) -> str:
    """A path of this host, and nothing that a browser would take for another; else its root."""
    path = parse_qs(query).get("rd", ["/"])[0]
    is_plain = PATH.fullmatch(path) and len(path) <= MAX_PATH_LENGTH
    return path if is_plain and not path.startswith(AT_HOST) else "/"


def _over() -> Answer:
    """A link that was opened twice, late, or in another browser. No redirect, which might go on."""
    return replies.page(
        400,
        title="This sign-in is over",
        text="It was used already, took too long, or began in another browser.",
        link=replies.SIGN_IN,
        words="Sign in",
    )


def _cookie(asked: Asked, name: str, value: str, lifetime: timedelta | None) -> tuple[str, str]:
    """lifetime: None until the browser is closed; the row ends it in any case."""
    is_tls = asked.origin.startswith("https:")
    parts = [f"{cookie_name(name, asked.origin)}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if is_tls:
        parts.append("Secure")
    if lifetime is not None:
        parts.append(f"Max-Age={int(lifetime.total_seconds())}")
    return "Set-Cookie", "; ".join(parts)
