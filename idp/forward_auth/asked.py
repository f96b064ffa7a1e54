"""What a proxy says was asked of an application, read once, and believed from known proxies only.

nginx says it by X-Original-URL and X-Original-Method, Traefik and Caddy by X-Forwarded-*, Envoy by
the request itself, its path below ours. A header that names two values, or another place than the
one that counts, is refused: then somebody but the proxy has written it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

from core.errors import Refusal
from core.http import address_of_hop, is_from
from core.ids import digest
from idp.forward_auth.rules import DEFAULT_PORTS

CHECK = "/forward-auth/"
AT_HOST = "/.sallyport/"
MAX_URL_LENGTH = 8000
COOKIE, STATE_COOKIE = "sallyport", "sallyport-state"
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
METHOD = re.compile(r"[A-Z][A-Z_-]{0,31}")
AUTHORITY = re.compile(r"([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::([0-9]{1,5}))?", re.IGNORECASE)
PATH = re.compile(r"/[\x21-\x7e]*")
READS = frozenset({"GET", "HEAD"})
# What a path may hold as it is (RFC 3986 §3.3).
SAFE = "/:@!$&'()*+,;=-._~"
WITH_COMMAS = {"X_ORIGINAL_URL", "X_FORWARDED_URI"}  # by right; a space in them is none
SCHEMES = {"ws": "http", "wss": "https"}  # Traefik's, of WebSockets


class Shape(StrEnum):
    """How a proxy asks, and how it wants to be answered."""

    NGINX = "nginx"
    TRAEFIK = "traefik"
    CADDY = "caddy"
    ENVOY = "envoy"
    HOST = "host"  # none: the browser itself, at the application's own host


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to an application. origin: of its host; path: with its query, as it was sent.

    address: of the browser. cookie, state: what it shows of ours at that host, "" for nothing that
    could be ours. is_navigation: a page is asked for, so the browser may be led elsewhere.
    is_activity: somebody is there. is_from_elsewhere: another site made the browser ask.
    """

    shape: Shape
    origin: str
    path: str
    method: str
    address: str
    user_agent: str
    cookie: str
    state: str
    is_navigation: bool
    is_activity: bool
    is_from_elsewhere: bool

    @property
    def url(self) -> str:
        return self.origin + self.path

    def whence(self) -> bytes:
        """A digest of where the browser comes from, as far as that can be seen."""
        return digest(f"{self.address}\n{self.user_agent}")


def shape_of(path: str) -> Shape | None:
    """Which proxy asks by this path of ours; None for any other path."""
    if path.startswith(AT_HOST):
        return Shape.HOST
    if not path.startswith(CHECK):
        return None
    name, slash, _ = path.removeprefix(CHECK).partition("/")
    if name == Shape.ENVOY:
        return Shape.ENVOY
    return Shape(name) if name in {"nginx", "traefik", "caddy"} and not slash else None


def read(environ: Mapping[str, Any], shape: Shape) -> Asked:
    """What was asked; refuses with 403 what no known proxy says, or not plainly."""
    if not is_from(environ.get("REMOTE_ADDR", ""), settings.FORWARD_AUTH_PROXIES):
        raise _refusal("unknown_proxy", "Only known proxies may ask this.")
    said = _Said(environ)
    origin, path = _place(said, shape)
    said.check(origin, path, shape)
    method = {
        Shape.NGINX: said.value("X_ORIGINAL_METHOD"),
        Shape.ENVOY: environ["REQUEST_METHOD"],
        Shape.HOST: environ["REQUEST_METHOD"],
    }.get(shape, said.value("X_FORWARDED_METHOD"))
    if not METHOD.fullmatch(method):
        raise _refusal("unreadable_request", "The proxy does not say which method was asked.")
    address = address_of_hop(said.value("X_FORWARDED_FOR", many=True))
    if address is None:
        raise _refusal("unreadable_request", "The proxy does not say who asks.")
    cookies = _cookies(environ.get("HTTP_COOKIE", ""), origin)
    mode = environ.get("HTTP_SEC_FETCH_MODE", "")
    is_page = mode == "navigate" if mode else "text/html" in environ.get("HTTP_ACCEPT", "")
    return Asked(
        shape=shape,
        origin=origin,
        path=path,
        method=method,
        address=address,
        user_agent=environ.get("HTTP_USER_AGENT", "")[:512],
        cookie=cookies[COOKIE],
        state=cookies[STATE_COOKIE],
        is_navigation=is_page and method in READS,
        is_activity=environ.get("HTTP_SEC_FETCH_DEST", "document") == "document",
        is_from_elsewhere=environ.get("HTTP_SEC_FETCH_SITE", "none") == "cross-site",
    )


def read_url(url: str) -> tuple[str, str]:
    """Origin and path of an absolute address; refuses what is not plainly one."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if not separator or not slash or len(url) > MAX_URL_LENGTH:
        raise _refusal("unreadable_request", "This is no absolute address.")
    return origin_of(scheme, authority), _path(slash + path)


def origin_of(scheme: str, authority: str) -> str:
    """As browsers write it; refuses a user part, and whatever else is not host and port."""
    found = AUTHORITY.fullmatch(authority)
    if scheme not in DEFAULT_PORTS or found is None or ".." in found[1]:
        raise _refusal("unreadable_request", "The proxy does not say which host was asked.")
    host, port = found[1].lower(), found[2]
    suffix = "" if port is None or port == DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{suffix}"


def cookie_name(name: str, origin: str) -> str:
    """`__Host-` holds it to this very host; only loopback, in development, is without TLS."""
    return f"__Host-{name}" if urlsplit(origin).scheme == "https" else name


class _Said:
    """The headers of a request, each with one value at most."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ

    def value(self, name: str, *, many: bool = False) -> str:
        """Empty where it is absent. many: a list, whose parts are read elsewhere."""
        value = str(self._environ.get(f"HTTP_{name}", "")).strip()
        if not many and "," in value and name not in WITH_COMMAS:
            raise _refusal("conflicting_headers", "A header of the proxy has two values.")
        return value

    def scheme(self) -> str:
        said = self.value("X_FORWARDED_PROTO")
        return SCHEMES.get(said, said)

    def check(self, origin: str, path: str, shape: Shape) -> None:
        """Refuses where any header names another place than the one that counts."""
        scheme, _, authority = origin.partition("://")
        said_scheme, said_host = self.scheme(), self.value("X_FORWARDED_HOST")
        said_path, said_url = self.value("X_FORWARDED_URI"), self.value("X_ORIGINAL_URL")
        agrees = (
            said_scheme in {"", scheme}
            and (not said_host or origin_of(scheme, said_host) == origin)
            and (not said_url or read_url(said_url) == (origin, path))
            and (shape is Shape.HOST or said_path in {"", path})
        )
        if not agrees or not authority:
            raise _refusal("conflicting_headers", "The proxy names two different places.")


def _place(said: _Said, shape: Shape) -> tuple[str, str]:
    environ = said._environ  # noqa: SLF001 - its own module
    if shape is Shape.NGINX:
        return read_url(said.value("X_ORIGINAL_URL"))
    scheme = said.scheme()
    if shape in {Shape.TRAEFIK, Shape.CADDY}:
        origin = origin_of(scheme, said.value("X_FORWARDED_HOST"))
        return origin, _path(said.value("X_FORWARDED_URI"))
    sent = str(environ["PATH_INFO"])
    if shape is Shape.ENVOY:
        sent = sent.removeprefix(f"{CHECK}{Shape.ENVOY}") or "/"
    path = quote(sent.encode("latin-1"), safe=SAFE)
    query = environ.get("QUERY_STRING", "")
    path = _path(f"{path}?{query}" if query else path)
    if shape is Shape.HOST and said.value("X_ORIGINAL_URL"):
        return read_url(said.value("X_ORIGINAL_URL"))[0], path
    host = said.value("X_FORWARDED_HOST") if shape is Shape.HOST else ""
    return origin_of(scheme, host or said.value("HOST")), path


def _path(path: str) -> str:
    if len(path) > MAX_URL_LENGTH or not PATH.fullmatch(path) or "#" in path:
        raise _refusal("unreadable_request", "The proxy does not say which path was asked.")
    return path


def _cookies(header: str, origin: str) -> dict[str, str]:
    """Ours among the cookies. One that comes twice, or cannot be ours, is none."""
    names = {cookie_name(name, origin): name for name in (COOKIE, STATE_COOKIE)}
    found: dict[str, list[str]] = {name: [] for name in names.values()}
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name in names:
            found[names[name]].append(value)
    return {
        name: values[0] if len(values) == 1 and TOKEN.fullmatch(values[0]) else ""
        for name, values in found.items()
    }


def _refusal(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, 403)
