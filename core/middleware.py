"""What stands around every view: a clock that is right, and pages for anticipated refusals."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core import clock
from core.errors import Refusal
from core.http import render_refusal


class ClockMiddleware:
    """503 for every page while this process is off the database's clock, or cannot measure it.

    Our own comparisons are by the database's clock all the same; those of libraries (cookie
    sessions, signed links) are not.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(settings.PATHS_WITHOUT_CLOCK) and clock.is_off():
            response = render(None, "503.html", status=503)
            response["Retry-After"] = "5"
            return response
        return self.get_response(request)


class RefusalMiddleware:
    """Turns a `Refusal` that leaves a view into its page: the one place for HTML."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Refusal):
            return render_refusal(request, exception)
        return None
