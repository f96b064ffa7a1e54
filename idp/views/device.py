"""The page where people allow what a device asks for (RFC 8628 §3.3)."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core import clock
from core.assurance import Level
from core.errors import Refusal
from core.http import REACHABLE, client_address, require_assurance
from core.ids import equal, new_token
from devices.flows import describe
from idp import answers, device
from idp.forms import ConsentForm, DeviceCodeForm
from idp.models import DeviceAuthorization
from mfa.flows import strongest_level
from policy.decision import Outcome
from policy.facts import Trigger
from sessions import evaluation
from sessions.evaluation import Resource

FRESH = timedelta(minutes=5)
# In the browser's cookie session: what this person is asked about, and under which one-time name.
ASKED_KEY = "device_authorization"

View = Callable[[HttpRequest], HttpResponse]


def _strongly(view: View) -> View:
    """Only for somebody who has just proven all that they can; whoever has a passkey, by that.

    A page that was built to deceive can have a password and a code passed on, but no passkey.
    """

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        has_passkey = strongest_level(request.user) >= Level.PHR
        level = Level.PHR if has_passkey else REACHABLE
        return require_assurance(level, max_age=FRESH)(view)(request)

    return guarded


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@_strongly
def enter(request: HttpRequest) -> HttpResponse:
    """Ask for the user code. One that a link brings along is filled in, and sent by the person."""
    if request.method != "POST":
        code = device.read(request.GET.get("user_code", ""))
        form = DeviceCodeForm(initial={"user_code": device.shown(code)} if code else None)
        return _ask_for_code(request, form, is_filled_in=bool(code))
    form = DeviceCodeForm(request.POST)
    if not form.is_valid():
        return _ask_for_code(request, form)
    found = device.find_by_code(
        form.cleaned_data["user_code"],
        user=request.user,
        session=request.login_session,  # type: ignore[attr-defined]
        address=client_address(request),
        now=clock.now(),
    )
    if found is None:
        form.add_error("user_code", "That code is wrong, or has run out. Look at the device again.")
        return _ask_for_code(request, form)
    handle = new_token()
    request.session[ASKED_KEY] = {"handle": handle, "digest": bytes(found.digest).hex()}
    query = urlencode({"request": handle})
    return answers.see_other(f"{reverse('idp:device_confirm')}?{query}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@_strongly
def confirm(request: HttpRequest) -> HttpResponse:
    """Show who asks, for what and from where; the answer counts once.

    What is allowed comes from the row, never from the form.
    """
    now = clock.now()
    form = ConsentForm(request.POST) if request.method == "POST" else None
    try:
        asked = _asked(request)
        elsewhere = _prove_more(request, asked)
        if elsewhere is not None:
            return elsewhere
        if form is None or not form.is_valid():
            return _show(request, asked)
        del request.session[ASKED_KEY]
        is_allowed = form.cleaned_data["decision"] == "allow"
        answer = device.approve if is_allowed else device.deny
        session = request.login_session  # type: ignore[attr-defined]
        answer(asked, user=request.user, session=session, now=now)
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    context = {"client": asked.client, "is_allowed": is_allowed}
    return render(request, "idp/device_done.html", context)


def _asked(request: HttpRequest) -> DeviceAuthorization:
    """What this browser's person is asked about; refuses CONFLICT when that is over."""
    kept = request.session.get(ASKED_KEY)
    if kept is None or not equal(kept["handle"], request.GET.get("request", "")):
        raise Refusal.conflict("This request has been answered already, or another was begun.")
    return device.find(bytes.fromhex(kept["digest"]), user=request.user)


def _prove_more(request: Any, asked: DeviceAuthorization) -> HttpResponse | None:
    """Judge the session for this client, which may ask for more than this page does."""
    client = asked.client
    decision = evaluation.evaluate(
        session_id=request.login_session.id,
        trigger=Trigger.AUTHORIZE,
        resource=Resource(client_is_active=True, required_level=client.required_level),
        now=clock.now(),
    )
    if decision.outcome is Outcome.STEP_UP:
        query = {"next": request.get_full_path(), "acr": decision.required_level.acr}
        return answers.see_other(f"{reverse('sessions:step_up')}?{urlencode(query)}")
    if not decision.is_allowed:
        raise Refusal.access_denied("The sign-in does not meet this server's policy.")
    return None


def _ask_for_code(
    request: HttpRequest, form: DeviceCodeForm, *, is_filled_in: bool = False
) -> HttpResponse:
    context = {"form": form, "account": request.user, "is_filled_in": is_filled_in}
    return render(request, "idp/device.html", context)


def _show(request: HttpRequest, asked: DeviceAuthorization) -> HttpResponse:
    described = describe(asked.user_agent)
    context = {
        "client": asked.client,
        "account": request.user,
        "scopes": asked.scope.split(),
        "address": asked.address,
        "started_at": asked.created_at,
        "device_name": "" if described.startswith("Other") else described,
        "here": client_address(request),
    }
    return render(request, "idp/device_confirm.html", context)
