"""What pages of other apps may show: the application that the browser is on its way to, or from."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from accounts.models import User
from core import clock
from core.errors import Refusal
from core.http import origin_of
from idp import journey
from idp.clients.introduction import introduce
from idp.forward_auth.sign_in import find_wish
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
    if path == reverse("idp:forward_resume"):
        try:
            return find_wish(parse_qs(query).get("rd", [""])[0]).host.client
        except Refusal:
            return None
    if path != reverse("idp:resume"):
        return None
    handle = parse_qs(query).get("id", [""])[0]
    try:
        return journey.find_pending(request, handle, now=clock.now()).client
    except Refusal:
        return None


@dataclass(frozen=True)
class Behind:
    """An application whose link led here. url: its own home, "" where it has none on the web."""

    client: Client
    url: str


def application_behind(request: HttpRequest) -> dict[str, Any]:
    """`application_behind` for pages of access: whose link it was, by `client_id`, if anybody's.

    Only an application of the same organisation, and only to where it is registered to be: the
    address says who, never where to.
    """
    return {"application_behind": SimpleLazyObject(lambda: _behind(request))}


def _behind(request: HttpRequest) -> Behind | None:
    client_id, user = request.GET.get("client_id", ""), getattr(request, "user", None)
    if not client_id or not client_id.isprintable() or not isinstance(user, User):
        return None
    clients = Client.objects.within_id(user.organisation_id).filter(is_active=True)
    client = clients.filter(client_id=client_id).first()
    return None if client is None else Behind(client, _home_of(client))


def _home_of(client: Client) -> str:
    """What the organisation has written down as its page, else where it takes answers."""
    introduction = introduce(client)
    if introduction.client_uri and not introduction.is_by_itself:
        return introduction.client_uri
    if client.kind == Client.Kind.PROXIED:
        hosts = client.proxied_hosts.order_by("created_at")
        return next((f"{host.origin}/" for host in hosts), "")
    origins = (origin_of(uri) for uri in client.redirect_uris)
    return next((f"{origin}/" for origin in origins if origin), "")
