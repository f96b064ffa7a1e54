"""The HTML, by hand: two pages, every value escaped where it is put in."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from typing import Any

from examples.demo_client.browser_sessions import BrowserSession
from examples.demo_client.relying_party import Tokens, fingerprint
from examples.demo_client.settings import Settings

EXPLAINED = {
    "iss": "who says so",
    "sub": "you, as this application knows you",
    "aud": "for whom it was made",
    "exp": "valid until",
    "iat": "made at",
    "auth_time": "you last proved who you are at",
    "nonce": "ties it to this sign-in",
    "acr": "how strongly you signed in",
    "amr": "what you proved it with",
    "sid": "your session at the sign-in service",
    "at_hash": "ties it to the access token",
    "azp": "the application it was made for",
    "email": "your address",
    "email_verified": "the address was confirmed",
    "name": "your name",
    "jti": "this token's own name",
    "roles": "what you may do",
    "grant_id": "what gave you some of it, for a time",
    "grant_exp": "when the first of that ends",
}
TIMES = {"exp", "iat", "auth_time", "updated_at", "nbf", "grant_exp"}


def page(title: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · Harbour Notes</title>
<link rel="icon" href="/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/static/demo.css">
<script src="/static/countdown.js" defer></script>
</head>
<body>
<header class="bar"><div class="wide">
<a class="brand" href="/">Harbour Notes</a>
<span class="tag">demo application</span>
</div></header>
<main class="wide" id="main">
{content}
</main>
<footer class="wide quiet">A demonstration of signing in with Sallyport. Its source is in
<code>examples/demo_client</code>.</footer>
</body>
</html>
"""


def home(session: BrowserSession, settings: Settings, *, notice: tuple[str, str] | None) -> str:
    said = f'<p class="notice {notice[0]}" role="status">{escape(notice[1])}</p>' if notice else ""
    if session.tokens is None:
        return page("Welcome", said + welcome(session, settings))
    return page("Signed in", said + signed_in(session, session.tokens))


def welcome(session: BrowserSession, settings: Settings) -> str:
    return f"""<section class="hero">
<h1>Notes for your crew</h1>
<p>This small application keeps no passwords. It asks your organisation's sign-in service who you
are, checks the answer, and shows you everything it was told.</p>
{button("/sign-in", "Sign in with Sallyport", session, kind="main")}
<p class="quiet">You will be taken to <code>{escape(settings.issuer)}</code>.</p>
</section>"""


def signed_in(session: BrowserSession, tokens: Tokens) -> str:
    claims = tokens.claims
    known = {**claims, **(session.userinfo or {})}
    name = str(known.get("name") or known.get("email") or "friend")
    address = str(known.get("email", ""))
    subtitle = f"<p>{escape(address)}</p>" if address and address != name else ""
    return f"""<section class="who">
<span class="avatar" aria-hidden="true">{escape(initials(name))}</span>
<div><h1>Hello, {escape(name)}</h1>{subtitle}</div>
{button("/sign-out", "Sign out", session)}
</section>
<p><a href="/database">The crew's database</a>, for whoever may look after it</p>
<div class="pair">
{access_token_card(session, tokens)}
{refresh_token_card(session, tokens)}
</div>
<section class="card">
<h2>What the ID token says</h2>
<p class="quiet">Its signature, issuer, audience, expiry and nonce were checked before you saw
it.</p>
{claims_table(claims)}
</section>
<section class="card" id="userinfo">
<h2>What userinfo says</h2>
{userinfo(session)}
</section>"""


def database(tokens: Tokens, session: BrowserSession) -> str:
    end = tokens.claims.get("grant_exp")
    until = f"until {shown('grant_exp', end)}" if end else "without an end"
    return page(
        "The crew's database",
        f"""<section class="hero">
<h1>The crew's database</h1>
<p>You may look after it {until}.</p>
<p class="quiet">The tokens that say so end at that moment as well. After that this page asks
again.</p>
{button("/refresh", "Look again", session, leads_to="/database")}
<p><a href="/">Go to the start page</a></p>
</section>""",
    )


def role_missing(role: str, ask: str, session: BrowserSession) -> str:
    return page(
        "You need a role for this",
        f"""<section class="hero">
<h1>You need a role for this</h1>
<p>Only people with the role <code>{escape(role)}</code> look after the database. You may ask for
it, for a short while; somebody else then says yes or no.</p>
<p><a class="main" href="{escape(ask)}">Ask for access</a></p>
<p class="quiet">Have you got it since? Then new tokens will say so.</p>
{button("/refresh", "Look again", session, leads_to="/database")}
<p><a href="/">Go to the start page</a></p>
</section>""",
    )


def proof_missing(session: BrowserSession) -> str:
    return page(
        "Prove that it is you",
        f"""<section class="hero">
<h1>Prove that it is you</h1>
<p>For the database it has been too long since you showed who you are.</p>
{button("/step-up", "Go on", session, kind="main")}
<p><a href="/">Go to the start page</a></p>
</section>""",
    )


def access_token_card(session: BrowserSession, tokens: Tokens) -> str:
    left = tokens.expires_in
    state = (
        f"expires in <strong>{spoken(left)}</strong>" if left else "<strong>has expired</strong>"
    )
    meter_max = max(tokens.lifetime_seconds, 1)
    return f"""<section class="card">
<h2>Access token</h2>
<p class="big"><span data-expires-in="{left}">{state}</span></p>
<progress max="{meter_max}" value="{left}" data-expires-in="{left}"
 aria-label="Time left for the access token"></progress>
<dl>
<dt>Fingerprint</dt><dd><code id="access-fingerprint">{fingerprint(tokens.access_token)}</code></dd>
<dt>Lifetime</dt><dd>{spoken(tokens.lifetime_seconds)}</dd>
<dt>Scope</dt><dd><code>{escape(tokens.scope)}</code></dd>
</dl>
{button("/userinfo", "Call userinfo", session)}
</section>"""


def refresh_token_card(session: BrowserSession, tokens: Tokens) -> str:
    if tokens.refresh_token is None:
        return """<section class="card"><h2>Refresh token</h2>
<p>None was given. When the access token expires, you sign in again.</p></section>"""
    times = {0: "not yet", 1: "once"}.get(tokens.refreshed, f"{tokens.refreshed} times")
    printed = fingerprint(tokens.refresh_token)
    return f"""<section class="card">
<h2>Refresh token</h2>
<p class="big">rotated <strong id="rotations">{times}</strong></p>
<p class="quiet">Each use spends it and brings a new one. Sallyport judges your session again
every time; if something is wrong, it says no.</p>
<dl>
<dt>Fingerprint</dt><dd><code id="refresh-fingerprint">{printed}</code></dd>
</dl>
{button("/refresh", "Refresh now", session, kind="main")}
</section>"""


def userinfo(session: BrowserSession) -> str:
    if session.userinfo is None:
        return """<p class="quiet">Nothing yet. Choose “Call userinfo” above: the application asks
with its access token.</p>"""
    return claims_table(session.userinfo)


def claims_table(claims: Mapping[str, Any]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row"><code>{escape(name)}</code>'
        f'<span class="quiet">{escape(EXPLAINED.get(name, ""))}</span></th>'
        f"<td>{shown(name, value)}</td></tr>"
        for name, value in claims.items()
    )
    return f"<table><tbody>\n{rows}\n</tbody></table>"


def shown(name: str, value: object) -> str:
    """A claim for people; times also as a date."""
    if name in TIMES and isinstance(value, (int, float)):
        at = datetime.fromtimestamp(value, tz=UTC)
        return f'<time datetime="{at.isoformat()}">{at:%d %B %Y, %H:%M:%S} UTC</time>'
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"<code>{escape(text)}</code>"


def button(
    path: str, label: str, session: BrowserSession, *, kind: str = "plain", leads_to: str = "/"
) -> str:
    return f"""<form method="post" action="{path}">
<input type="hidden" name="csrf_token" value="{escape(session.csrf_token)}">
<input type="hidden" name="next" value="{escape(leads_to)}">
<button class="{kind}" type="submit">{escape(label)}</button>
</form>"""


def trouble(title: str, advice: str) -> str:
    return page(
        title,
        f"""<section class="hero">
<h1>{escape(title)}</h1>
<p>{escape(advice)}</p>
<p><a class="main" href="/">Go to the start page</a></p>
</section>""",
    )


def initials(name: str) -> str:
    words = name.replace("@", " ").replace(".", " ").split()
    return "".join(word[0] for word in words[:2]).upper() or "?"


def spoken(seconds: int) -> str:
    """14 min 05 s; whole minutes without seconds. countdown.js speaks the same way."""
    minutes, rest = divmod(seconds, 60)
    if minutes and rest:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes} min" if minutes else f"{rest} s"
