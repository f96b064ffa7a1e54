"""How axes keeps attempts, and the page when it, or the guess budget, has stopped a sign-in."""

from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core import clock
from core.errors import Refusal


class LockoutHandler(AxesDatabaseHandler):  # type: ignore[misc]
    """Axes' handler, taking its locks in one order: the attempt, then its expiration.

    Axes locks them so when it counts a failure, and the other way round when it deletes: a right
    code beside a wrong one (a form sent twice is enough) would end in a deadlock. So whatever is
    deleted was locked before, and nothing else is.
    """

    def user_login_failed(
        self, sender: Any, credentials: dict[str, Any], request: Any = None, **more: Any
    ) -> None:
        try:
            super().user_login_failed(sender, credentials, request, **more)
        except IntegrityError:  # a sign-in beside this deleted the row that was found a moment ago
            super().user_login_failed(sender, credentials, request, **more)

    def clean_expired_user_attempts(
        self,
        request: HttpRequest | None = None,  # noqa: ARG002 - axes' signature
        credentials: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> int:
        with transaction.atomic():
            expired = AccessAttempt.objects.filter(expiration__expires_at__lte=clock.now())
            free = expired.select_for_update(of=("self",), skip_locked=True)
            keys = [attempt.pk for attempt in free]
            return int(AccessAttempt.objects.filter(pk__in=keys).delete()[0])

    def reset_user_attempts(
        self, request: HttpRequest, credentials: dict[str, Any] | None = None
    ) -> int:
        count = 0
        with transaction.atomic():
            for attempts in self.filter_user_attempts(request, credentials):
                locked = attempts.order_by("pk").select_for_update(of=("self",))
                keys = [attempt.pk for attempt in locked]  # a failure that came since stays
                count += int(AccessAttempt.objects.filter(pk__in=keys).delete()[0])
        return count


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
