"""Pages of our own beside allauth's."""

from allauth.account.forms import LoginForm
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import flows
from accounts.forms import InvitationForm, ProfileForm
from accounts.limits import INVITATION_LINKS
from accounts.models import User
from core import clock, limits
from core.errors import Refusal
from core.http import client_address


@login_not_required
@require_safe
def locked(request: HttpRequest) -> HttpResponse:
    """Where somebody ends who proved to be themselves, and is locked out all the same."""
    return render(request, "accounts/locked.html")


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
@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    """What I say of myself, and what applications may be told when I allow it."""
    user: User = request.user  # type: ignore[assignment]
    form = ProfileForm(request.POST or None, initial=_said(user))
    if request.method == "POST" and form.is_valid():
        try:
            flows.update_profile(
                user=user,
                name=form.cleaned_data["name"],
                claims=form.claims,
                address=form.address,
                now=clock.now(),
            )
        except Refusal as refusal:
            form.add_error("preferred_username", refusal.detail)
        else:
            messages.success(request, "Your profile is saved.")
            return redirect("accounts:profile")
    return render(request, "accounts/profile.html", {"form": form})


@never_cache
def reauthenticate(request: HttpRequest) -> HttpResponse:
    """Allauth's re-authentication is step-up here."""
    query = urlencode({"next": request.GET.get("next", reverse("console:security"))})
    return redirect(f"{reverse('sessions:step_up')}?{query}")


def _said(user: User) -> dict[str, str]:
    """What the form begins with."""
    profile = flows.profile_of(user)
    return {"name": user.name, **profile.address} | {
        claim: getattr(profile, claim) for claim in flows.CLAIMS
    }


def _sign_in(request: HttpRequest, email: str, password: str) -> HttpResponse:
    """Sign in as by the sign-in form, so that every login stage runs."""
    if request.user.is_authenticated:
        return redirect("account_login")
    form = LoginForm(data={"login": email, "password": password}, request=request)
    if not form.is_valid():
        return redirect("account_login")
    response: HttpResponse = form.login(request, redirect_url=reverse("console:security"))
    return response
