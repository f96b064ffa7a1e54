"""The page for what nobody anticipated: 503 where a server that we need is missing, else 500."""

import sys

from django.contrib.auth.decorators import login_not_required
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from redis.exceptions import RedisError

from protection.keyring import KeyUnavailable

MISSING_PARTS = (OperationalError, InterfaceError, RedisError, KeyUnavailable)


@login_not_required
def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Django calls this while the exception is being handled. Neither page says what it was."""
    if isinstance(sys.exc_info()[1], MISSING_PARTS):
        response = render(None, "503.html", status=503)
        response["Retry-After"] = "5"
        return response
    return render(None, "500.html", status=500)
