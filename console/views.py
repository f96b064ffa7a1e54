"""Pages over several apps. They only read; forms on them post to the owning app's URLs."""

from typing import TYPE_CHECKING

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from access.asking import live_of, waiting_of
from accounts.flows import held_roles
from console import reading
from core import clock
from idp.backchannel import waiting_for
from idp.flows import connected_applications
from sessions.current import current_session_id

if TYPE_CHECKING:
    from accounts.models import User

ACTIVITY_PER_PAGE = 25
ACTIVITY_ON_SECURITY = 5


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Who I am here: roles, applications, and how well the account is protected."""
    user, now = _reader(request), clock.now()
    verdict = reading.standing_of(user).verdict
    return render(
        request,
        "console/home.html",
        {
            "strength": verdict.strength,
            "next_step": verdict.next_step,
            "roles": held_roles(user=user, now=now, session_id=current_session_id.get()),
            "applications": connected_applications(user, now=now),
            "authentication_requests": waiting_for(user).count(),
            "session_count": reading.live_sessions_of(user, now=now).count(),
            "live_grants": live_of(user, now).count(),
            "waiting_grants": waiting_of(user, now).count(),
        },
    )


@never_cache
@require_safe
def security(request: HttpRequest) -> HttpResponse:
    """Everything that protects the account, on one page."""
    user, now = _reader(request), clock.now()
    standing = reading.standing_of(user)
    factors = standing.factors
    return render(
        request,
        "console/security.html",
        {
            "strength": standing.verdict.strength,
            "next_step": standing.verdict.next_step,
            "passkeys": factors.passkeys,
            "has_totp": factors.totp is not None,
            "totp_added_at": factors.totp.created_at if factors.totp else None,
            "recovery_codes_left": factors.recovery_codes_left,
            "has_password": user.has_usable_password(),
            "password_changed_at": reading.password_changed_at(user),
            "email_address": user.email,
            "is_email_verified": standing.is_email_verified,
            "sessions": reading.live_sessions_of(user, now=now),
            "applications": connected_applications(user, now=now),
            "authentication_requests": waiting_for(user).count(),
            "activity": reading.activity_of(user)[:ACTIVITY_ON_SECURITY],
        },
    )


@never_cache
@require_safe
def activity(request: HttpRequest) -> HttpResponse:
    """What happened on the account, in plain words."""
    entries = Paginator(reading.activity_of(_reader(request)), ACTIVITY_PER_PAGE)
    page = entries.get_page(request.GET.get("page"))
    return render(request, "console/activity.html", {"page": page})


@never_cache
@require_safe
def applications(request: HttpRequest) -> HttpResponse:
    """Applications that hold something of this user."""
    connected = connected_applications(_reader(request), now=clock.now())
    return render(request, "console/applications.html", {"applications": connected})


def _reader(request: HttpRequest) -> "User":
    """The signed-in user: LoginRequiredMiddleware has seen to it."""
    user: User = request.user  # type: ignore[assignment]
    return user
