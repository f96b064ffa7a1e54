"""My recent sign-ins, and the page that a mail leads to, which asks whether it was me."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core import clock, limits
from core.errors import Refusal
from core.http import REACHABLE, client_address, require_assurance
from risk import flows, links
from risk.limits import LINKS
from risk.models import SignIn, Verdict

PER_PAGE = 15
FRESH = timedelta(minutes=10)


@never_cache
@require_safe
def sign_ins(request: HttpRequest) -> HttpResponse:
    """When, where and with what I signed in, and how unusual that was."""
    mine = Paginator(_mine(request).order_by("-at"), PER_PAGE)
    current: Any = request.login_session  # type: ignore[attr-defined]
    return render(
        request,
        "risk/sign_ins.html",
        {"page": mine.get_page(request.GET.get("page")), "current_session_id": current.id},
    )


@never_cache
@require_assurance(REACHABLE, max_age=FRESH)
@require_http_methods(["GET", "HEAD", "POST"])
def judge(request: HttpRequest, sign_in_id: UUID) -> HttpResponse:
    """Say of one of my sign-ins whether it was me. `verdict`: safe or compromised."""
    sign_in = _mine(request).filter(pk=sign_in_id).first()
    if sign_in is None:
        raise Refusal.not_found()
    if request.method != "POST":  # back from step-up, which cannot bring a POST back
        messages.info(request, "Thank you. Now say again which sign-in you mean.")
        return redirect("risk:sign_ins")
    verdict = request.POST.get("verdict")
    if verdict not in Verdict.values:
        raise Refusal.invalid_request("Say whether it was you.")
    current: Any = request.login_session  # type: ignore[attr-defined]
    if verdict == Verdict.COMPROMISED and sign_in.session_id == current.id:
        return redirect("account_logout")
    flows.judge_sign_in(
        sign_in=sign_in,
        verdict=Verdict(verdict),
        by="user",
        actor=f"accounts.User:{sign_in.user_id}",
        now=clock.now(),
    )
    if verdict == Verdict.SAFE:
        messages.success(request, "Thank you. Sign-ins like this one are usual from now on.")
        return redirect("risk:sign_ins")
    messages.warning(request, "That sign-in was ended. Now set a new password.")
    return redirect("account_change_password")


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def was_it_you(request: HttpRequest, token: str) -> HttpResponse:
    """Show the sign-in of a mail; on POST it was somebody else, and it ends.

    Opening the link does nothing: mail scanners open links but press no buttons.
    """
    now = clock.now()
    limits.spend(LINKS, client_address(request), now=now)
    sign_in = links.find(token, now=now)
    if sign_in is None:
        return render(request, "risk/was_it_you.html", {"sign_in": None}, status=404)
    if request.method == "POST":
        sign_in = flows.judge_sign_in(
            sign_in=sign_in,
            verdict=Verdict.COMPROMISED,
            by="user",
            actor=f"accounts.User:{sign_in.user_id}",
            now=now,
        )
    return render(request, "risk/was_it_you.html", {"sign_in": sign_in})


def _mine(request: HttpRequest) -> Any:
    user: Any = request.user
    return SignIn.objects.within_id(user.organisation_id).filter(user_id=user.pk)
