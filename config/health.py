"""`/healthz`: this process answers. `/readyz`: it has all that it needs to sign people in."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from core import clock
from idp import keys
from policy import engine

UNAVAILABLE = 503


@require_safe
@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return JsonResponse({"status": "ok"})


@require_safe
@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """503 as long as a part is missing; says which, never why: the reason stands in the log."""
    parts = {name: _works(check) for name, check in CHECKS.items()}
    is_ready = all(parts.values())
    body = {"status": "ok" if is_ready else "unavailable", "parts": parts}
    return JsonResponse(body, status=200 if is_ready else UNAVAILABLE)


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (database_now,) = cursor.fetchone()
    clock.synchronise(database_now)
    return not clock.is_off()


def _broker() -> bool:
    cache.set("readyz", 1, timeout=5)
    return bool(cache.get("readyz") == 1)


def _keys() -> bool:
    return bool(keys.jwks()) and keys.signing_key("ES256") is not None


def _policy() -> bool:
    return engine.works()


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "broker": _broker,
    "keys": _keys,
    "policy": _policy,
}


def _works(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001 - whatever it is, the part does not work
        return False
