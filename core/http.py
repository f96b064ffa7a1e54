"""What every page shares: the client's address, required assurance, and how a refusal looks."""

import ipaddress
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache, wraps
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal

REACHABLE: Literal["reachable"] = "reachable"
View = Callable[..., HttpResponse]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
DEFAULT_PORTS = {"http": 80, "https": 443}
UNKNOWN_ADDRESS = "0.0.0.0"  # noqa: S104 - nothing is bound


def client_address(request: HttpRequest) -> str:
    """The address of whoever talks to us: behind N trusted proxies, the Nth from the right.

    The number comes from SALLYPORT_TRUSTED_PROXY_COUNT. With 0 the header is ignored; with too few
    hops, or something that is no address, the peer's own address counts.
    """
    return address_from(
        request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
    )


def address_from(peer: str, forwarded_for: str) -> str:
    count: int = settings.TRUSTED_PROXY_COUNT
    if count:
        hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
        known = plain_address(hops[-count]) if len(hops) >= count else None
        if known is not None:
            return known
    return plain_address(peer) or UNKNOWN_ADDRESS


def address_of_hop(forwarded_for: str) -> str | None:
    """Who asked a proxy that we know: the rightmost hop, or as many as we trust; None for none."""
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    count = max(1, settings.TRUSTED_PROXY_COUNT)
    return plain_address(hops[-count]) if len(hops) >= count else None


def is_from(peer: str, networks: Sequence[Network]) -> bool:
    """Whether a peer's address, as the server has it, is in one of these networks."""
    plain = plain_address(peer)
    if plain is None:
        return False
    address = ipaddress.ip_address(plain)
    return any(address.version == network.version and address in network for network in networks)


@lru_cache(maxsize=4096)
def plain_address(text: str) -> str | None:
    """An address in its one spelling; None for what is none.

    A zone (`fe80::1%eth0`) names an interface of ours, and PostgreSQL knows none. What a socket
    for both versions calls `::ffff:192.0.2.1` is 192.0.2.1, or a lock on that would not hold it.
    """
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def origin_of(uri: str) -> str:
    """A well-formed address's origin as browsers write it (RFC 6454 §6.2); "" for no web page."""
    parts = urlsplit(uri)
    host = parts.hostname
    if parts.scheme not in DEFAULT_PORTS or not host:
        return ""
    named = f"[{host}]" if ":" in host else host
    port = parts.port
    suffix = "" if port in {None, DEFAULT_PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{named}{suffix}"


def safe_next(request: HttpRequest, default: str) -> str:
    """The `next` parameter if it stays on this site, else `default`."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return default


def require_assurance(
    level: Level | Literal["reachable"], *, max_age: timedelta | None = None
) -> Callable[[View], View]:
    """Let a view run only for a session that is strong and fresh enough.

    `REACHABLE` asks for as much as this user can prove, so that enrolling a first factor is
    possible and removing the last one is not cheap. Anything less goes to step-up and comes back.
    This replaces allauth's re-authentication, which lets users without a password pass unasked.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                query = {"next": request.get_full_path()}
                return redirect(f"{reverse('account_login')}?{urlencode(query)}")
            wanted: Level = (
                getattr(request, "reachable_level", Level.AAL2) if level == REACHABLE else level
            )
            assurance: Assurance = getattr(request, "assurance", Assurance())
            if assurance.satisfies(wanted, max_age, clock.now()):
                return demanded_key(request) or view(request, *args, **kwargs)
            query = {"next": request.get_full_path(), "acr": wanted.acr}
            if max_age is not None:
                query["max_age"] = str(int(max_age.total_seconds()))
            return redirect(f"{reverse('sessions:step_up')}?{urlencode(query)}")

        return guarded

    return decorate


def demanded_key(request: HttpRequest) -> HttpResponse | None:
    """On a privileged page: the answer that asks a bound session for its key; None to go on.

    `request.demand_key` is set where the session is bound (`sessions.binding.guard`).
    """
    demand: Callable[[], HttpResponse | None] | None = getattr(request, "demand_key", None)
    return demand() if demand is not None else None


def render_refusal(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The HTML page of a refusal, with its status and headers."""
    template = f"{refusal.status}.html" if refusal.status in {400, 403, 404, 429} else "400.html"
    response = render(request, template, {"refusal": refusal}, status=refusal.status)
    for name, value in refusal.headers.items():
        if name != "WWW-Authenticate":
            response[name] = value
    return response
