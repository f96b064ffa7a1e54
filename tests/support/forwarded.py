"""An application behind a proxy: registered, asked about as each proxy asks, signed in to."""

import io
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.test import Client as Browser

from core import clock
from idp.forward_auth.registration import register_application
from idp.models import Client, ProxiedHost
from tests.cast import FIREFOX

ORIGIN = "https://wiki.acme.example"
PROXY, VISITOR = "10.1.2.3", "198.51.100.7"
NETWORKS = [ip_network("10.0.0.0/8")]
PAGE = {"HTTP_SEC_FETCH_MODE": "navigate", "HTTP_SEC_FETCH_DEST": "document"}
SHAPES = ("nginx", "traefik", "caddy", "envoy")


@dataclass
class Reply:
    status: int
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]

    def get(self, name: str) -> str | None:
        return dict(self.fields).get(name)

    @property
    def cookies(self) -> dict[str, str]:
        pairs = [text.partition(";")[0] for name, text in self.fields if name == "Set-Cookie"]
        return dict(pair.split("=", 1) for pair in pairs)


def wiki(of: Any, *, origin: str = ORIGIN, rules: Any = (), **fields: Any) -> Client:
    return register_application(
        organisation=of, name="Wiki", origins=[origin], rules=rules, now=clock.now(), **fields
    )


def host_of(client: Client) -> ProxiedHost:
    return ProxiedHost.unscoped.get(client=client)


def send(path: str, *, query: str = "", method: str = "GET", **environ: Any) -> Reply:
    """One request to us, from the proxy unless `environ` says otherwise; None drops a variable."""
    from config.wsgi import application

    values: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": "0",
        "HTTP_HOST": "sallyport:8000",
        "SERVER_NAME": "sallyport",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": PROXY,
        "HTTP_X_FORWARDED_FOR": VISITOR,
        "HTTP_USER_AGENT": FIREFOX,
        "wsgi.input": io.BytesIO(b""),
        "wsgi.url_scheme": "http",
        "wsgi.errors": io.StringIO(),
    } | environ
    captured: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        captured.update(status=int(status.split()[0]), fields=headers)

    values = {name: value for name, value in values.items() if value is not None}
    body = b"".join(application(values, start_response))
    return Reply(captured["status"], captured["fields"], body)


def ask(
    path: str = "/page?x=1",
    *,
    cookie: str = "",
    shape: str = "nginx",
    origin: str = ORIGIN,
    method: str = "GET",
    **environ: Any,
) -> Reply:
    """As the proxy asks whether a request to the application may pass."""
    scheme, _, host = origin.partition("://")
    said: dict[str, Any] = {
        "nginx": {"HTTP_X_ORIGINAL_URL": origin + path, "HTTP_X_ORIGINAL_METHOD": method},
        "envoy": {
            "HTTP_HOST": host,
            "HTTP_X_FORWARDED_PROTO": scheme,
            "QUERY_STRING": path.partition("?")[2],
        },
    }.get(
        shape,
        {
            "HTTP_X_FORWARDED_METHOD": method,
            "HTTP_X_FORWARDED_PROTO": scheme,
            "HTTP_X_FORWARDED_HOST": host,
            "HTTP_X_FORWARDED_URI": path,
        },
    )
    if cookie:
        said["HTTP_COOKIE"] = f"theme=dark; {name_of(origin)}={cookie}"
    ours = f"/forward-auth/{shape}"
    if shape == "envoy":
        ours += path.partition("?")[0]
    return send(ours, method=method if shape == "envoy" else "GET", **(said | environ))


def name_of(origin: str = ORIGIN, name: str = "sallyport") -> str:
    return f"__Host-{name}" if origin.startswith("https:") else name


def at_host(
    path: str, *, origin: str = ORIGIN, cookies: dict[str, str] | None = None, **environ: Any
) -> Reply:
    """As the proxy hands on what a browser asks at the application's own host."""
    scheme, _, host = origin.partition("://")
    where, _, query = path.partition("?")
    shown = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    said = {
        "HTTP_HOST": host, "HTTP_X_FORWARDED_PROTO": scheme, "HTTP_COOKIE": shown,
    }  # fmt: skip
    return send(where, query=query, **(said | environ))


def begin(path: str = "/page?x=1", *, origin: str = ORIGIN, **environ: Any) -> tuple[str, str]:
    """From the first request to our own host: the address there, and the secret that is kept."""
    told = ask(path, origin=origin, shape="caddy", **(PAGE | environ))
    assert told.status == 302, told.body
    there = urlsplit(told["Location"])
    moved = at_host(f"{there.path}?{there.query}", origin=origin, **environ)
    assert moved.status == 302, moved.body
    return moved["Location"], moved.cookies[name_of(origin, "sallyport-state")]


def code_in(answer: Any) -> str:
    """The code in a redirect of ours, or in the page that moves on."""
    location = answer.headers.get("Location") or answer.headers["Refresh"].partition("url=")[2]
    return parse_qs(urlsplit(location).query)["code"][0]


def finish(
    code: str, secret: str, *, origin: str = ORIGIN, cookie: str = "", **environ: Any
) -> Reply:
    cookies = {name_of(origin, "sallyport-state"): secret} if secret else {}
    if cookie:
        cookies[name_of(origin)] = cookie
    return at_host(f"/.sallyport/callback?code={code}", origin=origin, cookies=cookies, **environ)


def sign_in(
    browser: Browser, path: str = "/page?x=1", *, origin: str = ORIGIN, **environ: Any
) -> str:
    """The whole way of a browser that is signed in with us; its cookie at the application."""
    location, secret = begin(path, origin=origin, **environ)
    parts = urlsplit(location)
    answer = browser.get(f"{parts.path}?{parts.query}")
    assert answer.status_code == 303, answer.content
    done = finish(code_in(answer), secret, origin=origin, **environ)
    assert done.status == 302, done.body
    assert done["Location"] == origin + path
    return done.cookies[name_of(origin)]
