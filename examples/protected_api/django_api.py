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

from examples.protected_api.guard import WELL_KNOWN, Demand, Guard, Keys, Refused, StatusLists

ISSUER = os.environ["API_ISSUER"]
keys = Keys(os.environ.get("API_JWKS_URI", f"{ISSUER}/oauth/jwks"))
# Where the issuer is reached to ask what has been revoked; nobody asks without it.
STATUS_LISTS = os.environ.get("API_STATUS_LISTS")
guard = Guard(
    issuer=ISSUER,
    audience=os.environ["API_AUDIENCE"],
    base_url=os.environ["API_BASE_URL"],
    keys=keys,
    statuses=StatusLists(ISSUER, keys, STATUS_LISTS) if STATUS_LISTS else None,
)
HELLO = Demand(scope="openid")
TRANSFER = Demand(scope="openid", acr=("aal2", "phr", "phrh"), max_age=300)
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


@protected(HELLO)
def hello(request: HttpRequest, claims: dict[str, Any]) -> HttpResponse:  # noqa: ARG001
    return JsonResponse({"hello": claims["sub"]})


@protected(TRANSFER)
def transfer(request: HttpRequest, claims: dict[str, Any]) -> HttpResponse:  # noqa: ARG001
    """What moves money wants two factors, and not those of this morning."""
    return JsonResponse({"done": True, "by": claims["sub"], "acr": claims["acr"]})


def about(request: HttpRequest, *, demand: Demand) -> HttpResponse:
    """What an operation says of itself to clients that do not know it yet (RFC 9728 §3)."""
    return JsonResponse(guard.metadata(request.path.removeprefix(WELL_KNOWN), demand))


urlpatterns = [
    path("hello", hello),
    path("transfer", transfer),
    path(f"{WELL_KNOWN[1:]}/hello", about, {"demand": HELLO}),
    path(f"{WELL_KNOWN[1:]}/transfer", about, {"demand": TRANSFER}),
]

if not settings.configured:
    settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[])
application = WSGIHandler()
