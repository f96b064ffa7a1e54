"""Pages of one's own devices: how far each is trusted, why, and what can be done."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from core.http import REACHABLE, require_assurance
from devices import flows, shown
from devices.forms import RenameForm
from devices.models import Device, State
from devices.wire import refused

FRESH = timedelta(minutes=10)
STATES = [State.ENROLLED, State.PENDING, State.SUSPENDED, State.LOST, State.REVOKED, State.RETIRED]

as_strong_as_possible = require_assurance(REACHABLE, max_age=FRESH)


@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    """All devices of mine, those in use first."""
    now = clock.now()
    devices = sorted(_mine(request), key=lambda one: (STATES.index(State(one.state)), one.name))
    here = _here(request)
    context = {"devices": [shown.show(one, now=now) for one in devices], "here": here}
    return render(request, "devices/list.html", context)


@never_cache
@require_safe
def one(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """One device of mine, with each check."""
    device = _own(request, device_id)
    return _show(request, device, RenameForm(initial={"name": device.name}))


@never_cache
@require_safe
def score(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """The score as JSON, for its owner and administrators; `?explain=1` with all its parts."""
    now = clock.now()
    device = _visible(request, device_id)
    if device is None:
        return refused(Refusal.not_found("There is no such device."))
    explained = shown.explain(device, now=now)
    if request.GET.get("explain") != "1":
        explained = {name: explained[name] for name in ("as_of", "score", "state", "tier")}
    return JsonResponse(explained)


@require_http_methods(["POST"])
def rename(request: HttpRequest, device_id: UUID) -> HttpResponse:
    device = _own(request, device_id)
    form = RenameForm(request.POST)
    if form.is_valid():
        name = form.cleaned_data["name"]
        flows.rename(
            device=device, name=name, actor=request.user, session_id=_session_id(request),
            now=clock.now(),
        )  # fmt: skip
        messages.success(request, "The name was changed.")
        return redirect("devices:one", device_id)
    return _show(request, device, form)


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def lost(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """It is no longer in my hands: what it holds must not be trusted from now on."""
    device = _own(request, device_id)
    if request.method == "POST":
        flows.report_lost(
            device=device, actor=request.user, session_id=_session_id(request), now=clock.now()
        )
        messages.success(request, f"{device.name} is reported lost, and no longer trusted.")
        return redirect("devices:list")
    return _again(request, device)


@as_strong_as_possible
@require_http_methods(["GET", "HEAD", "POST"])
def retire(request: HttpRequest, device_id: UUID) -> HttpResponse:
    """I no longer use it: it is retired, unless others do."""
    device = _own(request, device_id)
    if request.method == "POST":
        now, session_id = clock.now(), _session_id(request)
        if flows.leave(device=device, user=request.user, session_id=session_id, now=now):
            messages.success(request, f"You no longer use {device.name}; others still do.")
            return redirect("devices:list")
        flows.retire(device=device, actor=request.user, session_id=session_id, now=now)
        messages.success(request, f"{device.name} is retired.")
        return redirect("devices:list")
    return _again(request, device)


def _again(request: HttpRequest, device: Device) -> HttpResponse:
    """Back from step-up, which cannot bring a POST back."""
    messages.info(request, "Thank you. Now choose again what to do.")
    return redirect("devices:one", device.id)


def _show(request: HttpRequest, device: Device, form: RenameForm) -> HttpResponse:
    user: Any = request.user
    context = {
        "shown": shown.show(device, now=clock.now()),
        "others": _others(request, device),
        "browsers": device.browsers.filter(user=user).order_by("-last_seen_at"),
        "form": form,
        "here": _here(request),
        "issuer": settings.ISSUER,
    }
    return render(request, "devices/one.html", context)


def _mine(request: HttpRequest) -> Any:
    user: Any = request.user
    return Device.objects.within_id(user.organisation_id).filter(users__user=user)


def _others(request: HttpRequest, device: Device) -> list[Any]:
    """Whoever uses it beside me, longest first."""
    user: Any = request.user
    people = device.users.exclude(user=user).select_related("user").order_by("added_at")
    return [one.user for one in people]


def _own(request: HttpRequest, device_id: UUID) -> Device:
    """One of mine; anybody else's does not exist."""
    device: Device | None = _mine(request).filter(pk=device_id).first()
    if device is None:
        raise Refusal.not_found()
    return device


def _visible(request: HttpRequest, device_id: UUID) -> Device | None:
    """One of mine, or for administrators with two factors one of their organisation."""
    device: Device | None = _mine(request).filter(pk=device_id).first()
    user: Any = request.user
    assurance: Assurance = getattr(request, "assurance", Assurance())
    if device is None and user.is_staff and assurance.level >= Level.AAL2:
        device = Device.objects.within_id(user.organisation_id).filter(pk=device_id).first()
    return device


def _here(request: Any) -> UUID | None:
    """The device that this browser runs on."""
    session = request.login_session
    browser = session.browser if session else None
    return browser.device_id if browser else None


def _session_id(request: Any) -> UUID | None:
    return request.login_session.id if request.login_session else None
