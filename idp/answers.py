"""How the browser-side endpoints answer: a redirect, a page that moves on, or a page that says why.

Chromium applies `form-action` to every redirect that follows a form, so a sign-in form whose last
redirect leads to the application would stop there, silently. Pages therefore keep `form-action
'self'`, and an answer that may follow a form ends in a page which then moves on by itself: that is
a navigation of its own. It needs no script.
"""

from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from audit import recorder
from core.errors import Refusal
from idp.models import Client


def see_other(location: str) -> HttpResponse:
    """Redirect with 303, never 307: what was posted here stays here (RFC 9700 §4.12).

    Not Django's redirect, since the schemes of native applications are registered ones too.
    """
    response = HttpResponse(status=303)
    response["Location"] = location
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
