"""The bound cookie: what a proof earns, for ten minutes. Only its digest is kept.

Its value says nothing. A copy of it works no longer than it does, and ends with the next proof.
"""

from datetime import timedelta
from enum import Enum
from typing import Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.ids import digest, equal

LIFETIME = timedelta(minutes=10)
SAME_SITE: Literal["Lax"] = "Lax"


class Shown(Enum):
    """What a request shows of the bound cookie. FORMER: the one before, while it still counts."""

    CURRENT = "current"
    FORMER = "former"
    NONE = "none"
    WRONG = "wrong"


def value_in(request: HttpRequest) -> str:
    return request.COOKIES.get(settings.BOUND_COOKIE_NAME, "")


def grant(response: HttpResponse, value: str) -> None:
    response.set_cookie(
        settings.BOUND_COOKIE_NAME,
        value,
        max_age=int(LIFETIME.total_seconds()),
        secure=settings.IS_SECURE,
        httponly=True,
        samesite=SAME_SITE,
    )


def take_away(response: HttpResponse) -> None:
    """Expire it in this browser, which a browser that speaks DBSC answers with a refresh."""
    response.set_cookie(
        settings.BOUND_COOKIE_NAME,
        "",
        max_age=0,
        secure=settings.IS_SECURE,
        httponly=True,
        samesite=SAME_SITE,
    )


def attributes() -> str:
    """The attributes as session instructions name them; they must be those of `grant`."""
    secure = "Secure; " if settings.IS_SECURE else ""
    return f"Path=/; {secure}HttpOnly; SameSite={SAME_SITE}"


def judge(value: str, *, current: bytes, former: bytes, is_current: bool, is_former: bool) -> Shown:
    """Which of the two digests the value is of. is_current, is_former: whether they still count.

    Where no cookie was needed before, the former digest is that of "".
    """
    shown = digest(value)
    if is_current and equal(shown, current):
        return Shown.CURRENT
    if is_former and equal(shown, former):
        return Shown.FORMER
    return Shown.WRONG if value else Shown.NONE
