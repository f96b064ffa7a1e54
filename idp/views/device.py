"""The page where people allow what a device asks for (RFC 8628 §3.3)."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core import clock, user_codes
from core.errors import Refusal
from core.http import client_address
from core.ids import equal, new_token
from idp import answers, approval, device
from idp.forms import ConsentForm, DeviceCodeForm
from idp.models import DeviceAuthorization

# In the browser's cookie session: what this person is asked about, and under which one-time name.
ASKED_KEY = "device_authorization"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@approval.strongly
def enter(request: HttpRequest) -> HttpResponse:
    """Ask for the user code. One that a link brings along is filled in, and sent by the person."""
    if request.method != "POST":
        code = user_codes.read(request.GET.get("user_code", ""))
        form = DeviceCodeForm(initial={"user_code": user_codes.shown(code)} if code else None)
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
@approval.strongly
def confirm(request: HttpRequest) -> HttpResponse:
    """Show who asks, for what and from where; the answer counts once.

    What is allowed comes from the row, never from the form.
    """
    now = clock.now()
    form = ConsentForm(request.POST) if request.method == "POST" else None
    try:
        asked = _asked(request)
        elsewhere = approval.prove_more(request, asked.client)
        if elsewhere is not None:
            return elsewhere
        if form is None or not form.is_valid():
            context = approval.origin(request, asked)
            return render(request, "idp/device_confirm.html", context)
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


def _ask_for_code(
    request: HttpRequest, form: DeviceCodeForm, *, is_filled_in: bool = False
) -> HttpResponse:
    context = {"form": form, "account": request.user, "is_filled_in": is_filled_in}
    return render(request, "idp/device.html", context)
