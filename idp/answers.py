"""How the browser-side endpoints answer: a redirect, a page that moves on, or a page that says why.

Chromium applies `form-action` to every redirect that follows a form, so a sign-in form whose last
redirect leads to the application would stop there, silently. Pages therefore keep `form-action
'self'`, and an answer that may follow a form ends in a page which then moves on by itself: that is
a navigation of its own. It needs no script. The page of response_mode=form_post is the exception:
its `form-action` names the place of the registered address, and nothing else.
"""

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from audit import recorder
from core.errors import Refusal
from idp.authorization.reply import FORM_POST, Reply, place_of
from idp.models import Client


def see_other(location: str) -> HttpResponse:
    """Redirect with 303, never 307: what was posted here stays here (RFC 9700 §4.12).

    Not Django's redirect, since the schemes of native applications are registered ones too.
    """
    response = HttpResponse(status=303)
    response["Location"] = location
    response["Referrer-Policy"] = "no-referrer"
    return response


def send(
    request: HttpRequest, reply: Reply, *, client: Client | None, after_form: bool = False
) -> HttpResponse:
    """Send an answer to the client in its mode. after_form: a form of ours may have led here."""
    if reply.mode == FORM_POST:
        return post_on(request, reply, client=client)
    if after_form:
        return move_on(request, reply.location, client=client)
    return see_other(reply.location)


def post_on(request: HttpRequest, reply: Reply, *, client: Client | None) -> HttpResponse:
    """A page whose form takes the answer to the client (Form Post Response Mode 1.0 §2)."""
    context = {"client": client, "action": reply.location, "fields": reply.values}
    response = render(request, "idp/form_post.html", context)
    place = place_of(reply.redirect_uri)
    response._csp_replace = {"form-action": [place]}  # type: ignore[attr-defined]  # noqa: SLF001
    response["Referrer-Policy"] = "no-referrer"
    return response


def move_on(request: HttpRequest, location: str, *, client: Client | None) -> HttpResponse:
    """A page that goes to `location` at once, with a link for those whose browser does not."""
    response = render(request, "idp/continue.html", {"client": client, "location": location})
    response["Refresh"] = f"0;url={location}"
    response["Referrer-Policy"] = "no-referrer"
    return response


def show_refusal(
    request: HttpRequest, refusal: Refusal, *, client: Client | None = None
) -> HttpResponse:
    """The page of a request that has nobody to be sent back to. Never a redirect."""
    context: dict[str, Any] = {
        "refusal": refusal,
        "client": client,
        "reference": recorder.transaction_id.get(),
    }
    template = "idp/over.html" if refusal.code in {"conflict", "not_found"} else "idp/error.html"
    return render(request, template, context, status=refusal.status)


def host_of(uri: str) -> str:
    """What to call the place a URI leads to: its host, or its scheme for a native application."""
    parts = urlsplit(uri)
    return parts.hostname or parts.scheme
