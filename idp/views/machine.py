"""The machine endpoints behind Django's URLs, for servers that run without the WSGI door."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from idp.machine import door


@csrf_exempt
@login_not_required
def dispatch(request: HttpRequest, **parts: str) -> HttpResponse:  # noqa: ARG001
    """Answer by the same core function as `config.wsgi`, which reads the path itself."""
    result = door.answer(request.META | {"PATH_INFO": request.path_info, "wsgi.input": request})
    if result is None:  # pragma: no cover - only machine paths are routed here
        return HttpResponse(status=404)
    response = HttpResponse(result.body, status=result.status)
    for name, value in result.headers:
        if (name, value) != door.POLICY:  # by this door everything has that of the pages
            response[name] = value
    return response
