"""Pages on which people enrol a machine: by the code that it shows, or this very browser."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core import clock, user_codes
from core.assurance import Level
from core.errors import Refusal
from core.http import client_address, require_assurance
from core.ids import equal, new_token
from devices import flows, posture
from devices.forms import EnrolmentCodeForm, EnrolmentForm, read_wish
from devices.models import Browser, Enrolment, State
from devices.wire import addresses_of, read_object, refused

FRESH = timedelta(minutes=5)
# In the browser's cookie session: what this person is asked about, and under which one-time name.
ASKED_KEY = "device_enrolment"

View = Callable[..., HttpResponse]


def strongly(view: View) -> View:
    """Only for somebody who has just proven themselves, by default in a way no page can pass on.

    Trust in a device never exceeds the trust in its enrolment.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        level = Level.from_acr(settings.DEVICES_ENROLMENT_ACR)
        return require_assurance(level, max_age=FRESH)(view)(request, *args, **kwargs)

    return guarded


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@strongly
def enter(request: HttpRequest) -> HttpResponse:
    """Ask for the user code. One that a link brings along is filled in, and sent by the person."""
    if request.method != "POST":
        code = user_codes.read(request.GET.get("user_code", ""))
        initial = {"user_code": user_codes.shown(code)} if code else None
        return _ask_for_code(request, EnrolmentCodeForm(initial=initial), is_filled_in=bool(code))
    form = EnrolmentCodeForm(request.POST)
    if not form.is_valid():
        return _ask_for_code(request, form)
    found = flows.find_by_code(
        form.cleaned_data["user_code"],
        user=request.user,
        session_id=_session_id(request),
        address=client_address(request),
        now=clock.now(),
    )
    if found is None:
        form.add_error("user_code", "That code is wrong, or has run out. Look at the device again.")
        return _ask_for_code(request, form)
    handle = new_token()
    request.session[ASKED_KEY] = {"handle": handle, "id": str(found.id)}
    query = urlencode({"request": handle})
    return redirect(f"{reverse('devices:enrol_confirm')}?{query}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@strongly
def confirm(request: HttpRequest) -> HttpResponse:
    """Show what asks, from where and with which key; the answer counts once.

    What is enrolled comes from the row, never from the form.
    """
    now = clock.now()
    form = EnrolmentForm(request.POST) if request.method == "POST" else None
    asked = _asked(request)
    if form is None or not form.is_valid():
        context = {
            "asked": asked,
            "asked_by": flows.describe(asked.user_agent) if asked.user_agent else "",
            "here": client_address(request),
            "account": request.user,
            "browser": _browser(request),
            "known": flows.known_device(asked, user=request.user),
        }
        return render(request, "devices/confirm.html", context)
    del request.session[ASKED_KEY]
    if form.cleaned_data["decision"] == "deny":
        flows.deny(asked, user=request.user, session_id=_session_id(request), now=now)
        return render(request, "devices/done.html", {"name": asked.name, "device": None})
    device = flows.allow(
        asked,
        user=request.user,
        browser=_browser(request) if form.cleaned_data["runs_here"] else None,
        session_id=_session_id(request),
        now=now,
    )
    waits = device.state == State.PENDING
    context = {"name": device.name, "device": device, "waits": waits}
    return render(request, "devices/done.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@strongly
def this_browser(request: HttpRequest) -> HttpResponse:
    """Enrol the browser that this page is open in, by a key that its script has just made."""
    browser = _browser(request)
    if request.method != "POST":
        context = {"browser": browser, "account": request.user, "issuer": settings.ISSUER}
        return render(request, "devices/this_browser.html", context)
    now = clock.now()
    try:
        members = read_object(request)
        wish = read_wish(members)
        key = posture.read_key(members["public_jwk"])
        posture.read_proof(members["proof"], key, now=now)
        device = flows.enrol_browser(
            wish=wish,
            key=key,
            user=request.user,
            browser=browser,
            session_id=_session_id(request),
            now=now,
        )
    except Refusal as refusal:
        return refused(refusal)
    page = {"page": reverse("devices:one", args=[device.id])}
    return JsonResponse(addresses_of(device) | page, status=201)


def _asked(request: HttpRequest) -> Enrolment:
    """What this browser's person is asked about; refuses CONFLICT when that is over."""
    kept = request.session.get(ASKED_KEY)
    if kept is None or not equal(kept["handle"], request.GET.get("request", "")):
        raise Refusal.conflict("This request has been answered already, or another was begun.")
    return flows.find(UUID(kept["id"]))


def _ask_for_code(
    request: HttpRequest, form: EnrolmentCodeForm, *, is_filled_in: bool = False
) -> HttpResponse:
    context = {"form": form, "account": request.user, "is_filled_in": is_filled_in}
    return render(request, "devices/enrol.html", context)


def _browser(request: Any) -> Browser | None:
    """The browser that this person is signed in with."""
    browser: Browser | None = request.login_session.browser if request.login_session else None
    return browser


def _session_id(request: Any) -> UUID | None:
    return request.login_session.id if request.login_session else None
