"""The channel between an anticipated refusal and an HTML page."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from core.errors import Refusal
from core.http import render_refusal


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
