"""The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2), and our own sign-out."""

from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from core.errors import Refusal
from idp import answers
from idp.forms import LogoutForm
from idp.logout import LogoutRequest, frames_of, origin_of, read_request
from idp.requests.parameters import LogoutParams, parameters_of

# How long the page that tells clients stays before it moves on (Front-Channel Logout 1.0 §4.1).
FRAMES_SECONDS = 4


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out by our own button: back to the sign-in, by way of whom the browser has to tell."""
    if request.method != "POST" and request.user.is_authenticated:
        return render(request, "idp/sign_out.html")
    if request.method != "POST":
        return redirect("console:home")
    frames = frames_of(request.login_session)  # type: ignore[attr-defined]
    logout(request)
    if frames:
        return _show_signed_out(request, LogoutRequest(), frames=frames)
    return redirect("console:home")  # which asks a stranger to sign in


@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest) -> HttpResponse:
    """End the session that a genuine hint names; ask the user in every other case."""
    try:
        parameters = parameters_of(request)
        params = LogoutParams.parse(parameters)
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    if request.method == "POST":
        if "decision" in request.POST:
            return _confirmed(request, params)
        # SameSite=Lax keeps our cookies from a POST of another site: come again by GET.
        return answers.see_other(f"{reverse('idp:end_session')}?{parameters.urlencode()}")
    asked = read_request(params)
    session = request.login_session  # type: ignore[attr-defined]
    if session is not None and not asked.is_about(session):
        return _ask(request, params, asked)
    return _sign_out(request, asked, follows_form=False)


@csrf_protect
def _confirmed(request: Any, params: LogoutParams) -> HttpResponse:
    form = LogoutForm(request.POST)
    asked = read_request(params)
    if not form.is_valid():
        return _ask(request, params, asked)
    if form.cleaned_data["decision"] == "stay":
        return redirect(settings.LOGIN_REDIRECT_URL)
    return _sign_out(request, asked, follows_form=True)


def _ask(request: HttpRequest, params: LogoutParams, asked: LogoutRequest) -> HttpResponse:
    context = {"client": asked.client, "account": request.user, "fields": params.fields()}
    return render(request, "idp/logout_confirm.html", context)


def _sign_out(request: HttpRequest, asked: LogoutRequest, *, follows_form: bool) -> HttpResponse:
    frames = frames_of(request.login_session)  # type: ignore[attr-defined]
    logout(request)
    if frames or not asked.goes_back:
        return _show_signed_out(request, asked, frames=frames)
    response = (
        answers.move_on(request, asked.return_to, client=asked.client)
        if follows_form
        else answers.see_other(asked.return_to)
    )
    return _forget_cache(response)


def _show_signed_out(
    request: HttpRequest, asked: LogoutRequest, *, frames: list[str]
) -> HttpResponse:
    """The last page. With frames it stays long enough for them to load, and no longer."""
    goes_back = bool(frames) and asked.goes_back
    context = {
        "client": asked.client,
        "continue_url": asked.return_to,
        "frames": frames,
        "goes_back": goes_back,
    }
    response = render(request, "idp/logged_out.html", context)
    if frames:
        origins = sorted({origin_of(uri) for uri in frames})
        response._csp_update = {"frame-src": origins}  # type: ignore[attr-defined] # noqa: SLF001 - django-csp's way
        response["Referrer-Policy"] = "no-referrer"
    if goes_back:
        response["Refresh"] = f"{FRAMES_SECONDS};url={asked.return_to}"
    return _forget_cache(response)


def _forget_cache(response: HttpResponse) -> HttpResponse:
    # Not "cookies": that would reach the whole registrable domain, and forget the known device.
    response["Clear-Site-Data"] = '"cache"'
    return response
