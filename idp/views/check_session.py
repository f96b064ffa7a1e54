"""The frame that applications ask about the sign-in (OpenID Session Management 1.0 §3.2)."""

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

NOTHING = ["'none'"]


@login_not_required
@never_cache
@require_safe
@xframe_options_exempt
def check_session(request: HttpRequest) -> HttpResponse:
    """The one page that may be framed: it shows nothing, asks nothing and loads one script."""
    if not settings.SESSION_MANAGEMENT:
        raise Http404
    context = {"cookie": settings.BROWSER_STATE_COOKIE_NAME}
    response = render(request, "idp/check_session.html", context)
    anybody = ["https:"] if settings.IS_SECURE else ["http:", "https:"]
    unused = ("style-src", "img-src", "font-src", "connect-src", "form-action", "manifest-src")
    response._csp_replace = {  # type: ignore[attr-defined]  # noqa: SLF001 - django-csp's way
        "frame-ancestors": anybody, **dict.fromkeys(unused, NOTHING),
    }  # fmt: skip
    return response
