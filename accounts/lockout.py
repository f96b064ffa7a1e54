"""The page that axes asks for when it, or the guess budget, has stopped a sign-in."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.errors import Refusal


def render_lockout(
    request: HttpRequest,
    original_response: HttpResponse | None = None,  # noqa: ARG001 - axes' signature
    credentials: dict[str, Any] | None = None,  # noqa: ARG001
) -> HttpResponse:
    """429 with Retry-After, alike for addresses that exist and those that do not."""
    cool_off = int(settings.AXES_COOLOFF_TIME.total_seconds())
    refusal = getattr(request, "lockout_refusal", None) or Refusal.too_many_attempts(cool_off)
    context = {"refusal": refusal, "is_lockout": True}
    response = render(request, "429.html", context, status=refusal.status)
    response["Retry-After"] = refusal.headers["Retry-After"]
    return response
