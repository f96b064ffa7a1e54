"""Pages of our own beside allauth's."""

from allauth.account.forms import LoginForm
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import flows
from accounts.forms import InvitationForm
from accounts.limits import INVITATION_LINKS
from core import clock, limits
from core.http import client_address


@login_not_required
@never_cache
@sensitive_post_parameters("password1", "password2")
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation, and on POST accept it: mail scanners open links but press no buttons."""
    now = clock.now()
    limits.spend(INVITATION_LINKS, client_address(request), now=now)
    found = flows.find_invitation(token=token)
    if found is None:
        return render(request, "accounts/invitation.html", {"invitation": None}, status=404)
    form = InvitationForm(request.POST or None, invitation=found)
    if request.method == "POST" and form.is_valid():
        flows.accept_invitation(
            token=token,
            name=form.cleaned_data["name"],
            password=form.cleaned_data["password1"],
            now=now,
        )
        return _sign_in(request, found.email, form.cleaned_data["password1"])
    # The link stays ours by the site's referrer policy, "same-origin". A stricter one would make
    # browsers post this form with "Origin: null", which the CSRF check refuses.
    return render(request, "accounts/invitation.html", {"invitation": found, "form": form})


@never_cache
def reauthenticate(request: HttpRequest) -> HttpResponse:
    """Allauth's re-authentication is step-up here."""
    query = urlencode({"next": request.GET.get("next", reverse("console:security"))})
    return redirect(f"{reverse('sessions:step_up')}?{query}")


def _sign_in(request: HttpRequest, email: str, password: str) -> HttpResponse:
    """Sign in as by the sign-in form, so that every login stage runs."""
    if request.user.is_authenticated:
        return redirect("account_login")
    form = LoginForm(data={"login": email, "password": password}, request=request)
    if not form.is_valid():
        return redirect("account_login")
    response: HttpResponse = form.login(request, redirect_url=reverse("console:security"))
    return response
