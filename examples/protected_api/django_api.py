"""The API in Django: one decorator.

python -m granian --interface wsgi examples.protected_api.django_api:application
"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from examples.protected_api.guard import Demand, Guard, Keys, Refused

ISSUER = os.environ["API_ISSUER"]
guard = Guard(
    issuer=ISSUER,
    audience=os.environ["API_AUDIENCE"],
    base_url=os.environ["API_BASE_URL"],
    keys=Keys(os.environ.get("API_JWKS_URI", f"{ISSUER}/oauth/jwks")),
)
View = Callable[[HttpRequest, dict[str, Any]], HttpResponse]


def protected(demand: Demand) -> Callable[[View], Callable[[HttpRequest], HttpResponse]]:
    """Let a view run only with a token that is good for `demand`; it gets the claims."""

    def decorate(view: View) -> Callable[[HttpRequest], HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest) -> HttpResponse:
            try:
                claims = guard.check(
                    demand,
                    method=request.method or "",
                    path=request.path,
                    authorization=request.headers.get("Authorization", ""),
                    proof=request.headers.get("DPoP"),
                )
            except Refused as refused:
                answer = JsonResponse({"error": refused.error}, status=refused.status)
                answer["WWW-Authenticate"] = refused.challenge()
                return answer
            return view(request, claims)

        return guarded

    return decorate


@protected(Demand(scope="openid"))
def hello(request: HttpRequest, claims: dict[str, Any]) -> HttpResponse:  # noqa: ARG001
    return JsonResponse({"hello": claims["sub"]})


@protected(Demand(scope="openid", acr=("aal2", "phr", "phrh"), max_age=300))
def transfer(request: HttpRequest, claims: dict[str, Any]) -> HttpResponse:  # noqa: ARG001
    """What moves money wants two factors, and not those of this morning."""
    return JsonResponse({"done": True, "by": claims["sub"], "acr": claims["acr"]})


urlpatterns = [path("hello", hello), path("transfer", transfer)]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
application = WSGIHandler()
