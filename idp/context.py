"""What pages of other apps may show: which application the browser is on its way to."""

from typing import Any
from urllib.parse import parse_qs

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from core import clock
from core.errors import Refusal
from idp import journey
from idp.models import Client

LOGIN_STASH = "account_login"  # where allauth keeps a sign-in that waits for its second factor


def authorization_client(request: HttpRequest) -> dict[str, Any]:
    """`authorization_client` for sign-in pages; only those that show it ask the database."""
    return {"authorization_client": SimpleLazyObject(lambda: _find(request))}


def _find(request: HttpRequest) -> Client | None:
    stash = request.session.get(LOGIN_STASH) if hasattr(request, "session") else None
    waiting = stash.get("redirect_url") if isinstance(stash, dict) else ""
    target = request.POST.get("next") or request.GET.get("next") or waiting or ""
    path, _, query = target.partition("?")
    if path != reverse("idp:resume"):
        return None
    handle = parse_qs(query).get("id", [""])[0]
    try:
        return journey.find_pending(request, handle, now=clock.now()).client
    except Refusal:
        return None
