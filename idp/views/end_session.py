"""The end-session endpoint (OpenID Connect RP-Initiated Logout 1.0 §2)."""

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
from idp.logout import LogoutRequest, read_request
from idp.requests import LogoutParams, parameters_of


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
    logout(request)
    if asked.is_proven and asked.return_to:
        response = (
            answers.move_on(request, asked.return_to, client=asked.client)
            if follows_form
            else answers.see_other(asked.return_to)
        )
    else:
        context = {"client": asked.client, "continue_url": asked.return_to}
        response = render(request, "idp/logged_out.html", context)
    # Not "cookies": that would reach the whole registrable domain, and forget the known device.
    response["Clear-Site-Data"] = '"cache"'
    return response
