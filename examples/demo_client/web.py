"""The WSGI application: a handful of paths, and the headers that every answer carries."""

import hmac
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError

from examples.demo_client import pages
from examples.demo_client.browser_sessions import COOKIE, BrowserSession, SessionStore
from examples.demo_client.relying_party import (
    RelyingParty,
    SessionOverError,
    SignInError,
    fingerprint,
    is_recent,
)
from examples.demo_client.settings import Settings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

STATIC = Path(__file__).parent / "static"
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FORM_LIMIT_BYTES = 4096
DATABASE_ROLE = "db-admin"
DATABASE_ACR = "aal2"
DATABASE_MAX_AGE_SECONDS = 900
OWN_PAGES = {"/", "/database"}
REASONS = {
    200: "OK", 303: "See Other", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 502: "Bad Gateway", 503: "Service Unavailable",
}  # fmt: skip


@dataclass(kw_only=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    cookie: str | None
    session: BrowserSession


@dataclass(kw_only=True)
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "text/html; charset=utf-8"
    location: str | None = None
    cookie: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class DemoClient:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.party = RelyingParty(settings)
        self.sessions = SessionStore()
        self.routes: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("GET", "/"): self.home,
            ("POST", "/sign-in"): self.sign_in,
            ("GET", "/callback"): self.callback,
            ("GET", "/database"): self.database,
            ("POST", "/step-up"): self.step_up,
            ("POST", "/refresh"): self.refresh,
            ("POST", "/userinfo"): self.userinfo,
            ("POST", "/sign-out"): self.sign_out,
        }

    def __call__(self, environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        answer = self.answer(environ)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Content-Security-Policy", self.content_security_policy()),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]
        if answer.location:
            headers.append(("Location", answer.location))
        if answer.cookie:
            # Behind https this would also say Secure and be named __Host-….
            flags = "HttpOnly; SameSite=Lax; Path=/"
            headers.append(("Set-Cookie", f"{COOKIE}={answer.cookie}; {flags}"))
        headers += answer.headers.items()
        start(f"{answer.status} {REASONS[answer.status]}", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]

    def answer(self, environ: "WSGIEnvironment") -> Answer:
        method = environ["REQUEST_METHOD"].replace("HEAD", "GET")
        path = environ.get("PATH_INFO", "/")
        if path.startswith("/static/"):
            return static(path.removeprefix("/static/"))
        if path == "/healthz":
            return Answer(body=b"ok\n", content_type="text/plain; charset=utf-8")
        if path == "/backchannel-logout":  # a server calls: no cookie, no session, no page
            return self.backchannel_logout(environ)
        if f"http://{environ.get('HTTP_HOST', '')}" != self.settings.origin:
            # Under another name of this machine the cookie would not come back to us.
            return Answer(status=303, location=self.settings.post_logout_redirect_uri)
        handler = self.routes.get((method, path))
        if handler is None:
            known = sorted(verb for verb, known in self.routes if known == path)
            if known:
                refusal = SignInError("That is not how this page works", "Go to the start page.")
                return self.page_of(refusal, status=405, headers={"Allow": ", ".join(known)})
            return self.page_of(
                SignInError("There is no such page", "Go to the start page."), status=404
            )
        cookie = cookie_of(environ)
        session = self.sessions.find(cookie)
        fresh = session is None
        if session is None:
            session = BrowserSession()
        request = Request(
            method=method,
            path=path,
            query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
            form=form_of(environ) if method == "POST" else {},
            cookie=cookie,
            session=session,
        )
        with session.lock:
            try:
                if method == "POST":
                    check_csrf(request)
                answer = handler(request)
            except SignInError as refusal:
                answer = self.page_of(refusal)
        if fresh and path == "/" and answer.cookie is None:
            answer.cookie = self.sessions.put(session)
        return answer

    def home(self, request: Request) -> Answer:
        session = request.session
        state = request.query.get("state")
        if state is not None:  # The way back from the provider's sign-out.
            if session.logout_state and hmac.compare_digest(state, session.logout_state):
                session.logout_state = None
                session.notice = ("good", "You are signed out here and at the sign-in service.")
            return Answer(
                status=303,
                location="/",
                cookie=None if request.cookie else self.sessions.put(session),
            )
        notice, session.notice = session.notice, None
        return html(pages.home(session, self.settings, notice=notice))

    def sign_in(self, request: Request) -> Answer:
        url, pending = self.party.begin()
        request.session.remember(pending)
        return Answer(status=303, location=url)

    def callback(self, request: Request) -> Answer:
        """Look the state up in this browser's own session: that is what makes it proof."""
        pending = request.session.pending.pop(request.query.get("state", ""), None)
        tokens = self.party.complete(request.query, pending)
        session = BrowserSession(tokens=tokens, notice=("good", "You are signed in."))
        with suppress(SignInError):  # A name to greet by; the ID token alone says who it is.
            session.userinfo = self.party.userinfo(tokens)
        return Answer(
            status=303,
            location=pending.leads_to if pending else "/",
            cookie=self.sessions.put(session, instead_of=request.cookie),
        )

    def database(self, request: Request) -> Answer:
        """A page for whoever holds a role now, and has just proven to be there.

        What is missing is said in the words of RFC 9470 as well, as an API would say it.
        """
        session = request.session
        if session.tokens is not None and not session.tokens.expires_in:
            self.refresh(request)
        if session.tokens is None:
            return Answer(status=303, location="/")
        if DATABASE_ROLE not in session.tokens.roles:
            ask = self.party.access_request_url(DATABASE_ROLE)
            text = pages.role_missing(DATABASE_ROLE, ask, session)
            challenge = 'Bearer error="insufficient_scope", scope="roles"'
        elif not is_recent(session.tokens.claims, DATABASE_MAX_AGE_SECONDS):
            text = pages.proof_missing(session)
            challenge = (
                'Bearer error="insufficient_user_authentication", '
                f'acr_values="{DATABASE_ACR}", max_age="{DATABASE_MAX_AGE_SECONDS}"'
            )
        else:
            return html(pages.database(session.tokens, session))
        return html(text, status=403, headers={"WWW-Authenticate": challenge})

    def step_up(self, request: Request) -> Answer:
        """Ask the provider for a stronger or newer proof; the callback leads back here."""
        url, pending = self.party.begin(
            acr=DATABASE_ACR, max_age=DATABASE_MAX_AGE_SECONDS, leads_to="/database"
        )
        request.session.remember(pending)
        return Answer(status=303, location=url)

    def refresh(self, request: Request) -> Answer:
        session = request.session
        if session.tokens is None:
            return Answer(status=303, location="/")
        before = session.tokens
        try:
            session.tokens = self.party.refresh(before)
        except SessionOverError as over:
            session.tokens = session.userinfo = None
            session.notice = ("bad", f"{over.title}. {over.advice}")
            return Answer(status=303, location="/")
        after = session.tokens
        changed = ", ".join(
            f"{kind} token {fingerprint(old)} → {fingerprint(new)}"
            for kind, old, new in (
                ("refresh", before.refresh_token, after.refresh_token),
                ("access", before.access_token, after.access_token),
            )
        )
        session.notice = ("good", f"New tokens came: {changed}.")
        leads_to = request.form.get("next", "/")
        return Answer(status=303, location=leads_to if leads_to in OWN_PAGES else "/")

    def userinfo(self, request: Request) -> Answer:
        session = request.session
        if session.tokens is None:
            return Answer(status=303, location="/")
        try:
            session.userinfo = self.party.userinfo(session.tokens)
        except SignInError as refusal:
            session.userinfo = None
            session.notice = ("bad", f"{refusal.title}. {refusal.advice}")
        return Answer(status=303, location="/#userinfo")

    def sign_out(self, request: Request) -> Answer:
        """End our own session first: it must be over even if the provider is away."""
        tokens = request.session.tokens
        session = BrowserSession(logout_state=secrets.token_urlsafe(32))
        cookie = self.sessions.put(session, instead_of=request.cookie)
        url = None
        if tokens is not None:
            with suppress(SignInError, AuthlibBaseError, httpx.HTTPError):
                url = self.party.logout_url(tokens, state=str(session.logout_state))
                self.party.forget(tokens)
        if url is None:
            session.notice = ("bad", "You are signed out here; the sign-in service did not answer.")
        return Answer(status=303, location=url or "/", cookie=cookie)

    def backchannel_logout(self, environ: "WSGIEnvironment") -> Answer:
        """The provider says that a session has ended (Back-Channel Logout 1.0 §2.5, §2.8)."""
        plain = "text/plain; charset=utf-8"
        if environ["REQUEST_METHOD"] != "POST":
            return Answer(status=405, content_type=plain, headers={"Allow": "POST"})
        try:
            sid = self.party.ended_session(form_of(environ).get("logout_token", ""))
        except SignInError as refusal:
            return Answer(status=400, body=f"{refusal}\n".encode(), content_type=plain)
        self.sessions.end(sid)
        return Answer(status=200, content_type=plain)

    def page_of(
        self,
        refusal: SignInError,
        *,
        status: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        return html(
            pages.trouble(refusal.title, refusal.advice),
            status=status or refusal.status,
            headers=headers,
        )

    def content_security_policy(self) -> str:
        """Everything from here; forms may lead on to the provider, since browsers follow there."""
        address = urlsplit(self.settings.issuer)
        return (
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
            f"form-action 'self' {address.scheme}://{address.netloc}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )


def html(text: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status=status, body=text.encode(), headers=headers or {})


def static(name: str) -> Answer:
    """One of the files beside this module, by its plain name."""
    known = {path.name: path for path in STATIC.iterdir()}
    if name not in known:
        return Answer(status=404, body=b"not here\n", content_type="text/plain; charset=utf-8")
    return Answer(body=known[name].read_bytes(), content_type=CONTENT_TYPES[known[name].suffix])


def cookie_of(environ: "WSGIEnvironment") -> str | None:
    try:
        morsel = SimpleCookie(environ.get("HTTP_COOKIE", "")).get(COOKIE)
    except CookieError:
        return None
    return morsel.value if morsel else None


def form_of(environ: "WSGIEnvironment") -> dict[str, str]:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    body = environ["wsgi.input"].read(min(max(length, 0), FORM_LIMIT_BYTES))
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def check_csrf(request: Request) -> None:
    """Only our own pages know the session's token; SameSite=Lax is the second wall."""
    presented = request.form.get("csrf_token", "").encode()
    if not hmac.compare_digest(presented, request.session.csrf_token.encode()):
        raise SignInError(
            "That button belongs to an older page",
            "Go to the start page and choose it again.",
            status=403,
        )
