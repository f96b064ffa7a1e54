"""Where the API is. Nobody is sent to sign in here: whoever has no token is told so."""

from collections.abc import Iterator

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from console.api import door
from console.api.site import api, document
from core.errors import Refusal


@csrf_exempt
@login_not_required
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """The document; the same for everybody, and without a secret."""
    response = HttpResponse(document(), content_type="application/json")
    response["Cache-Control"] = "public, max-age=300"
    return response


@csrf_exempt
@login_not_required
@door.guarded
def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:  # noqa: ARG001
    raise Refusal.not_found()


def _open() -> Iterator[URLPattern]:
    """Ninja's paths, but for the page that it has at its root."""
    for pattern in api.urls[0]:
        if isinstance(pattern, URLPattern) and pattern.name != "api-root":
            pattern.callback = csrf_exempt(login_not_required(door.guarded(pattern.callback)))
            yield pattern


app_name = "api"
urlpatterns = [
    path("openapi.json", openapi, name="document"),
    *_open(),
    path("", nothing, name="root"),
    path("<path:rest>", nothing, name="nothing"),
]
