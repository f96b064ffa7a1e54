"""The pages where people answer what a client asks them (CIBA Core 1.0 §8)."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from core import clock
from core.errors import Refusal
from idp import answers, approval, backchannel
from idp.forms import ConsentForm
from idp.requests import authorization_details


@never_cache
@require_safe
def waiting(request: HttpRequest) -> HttpResponse:
    """What waits for an answer; looking changes nothing."""
    context = {"requests": list(backchannel.waiting_for(request.user))}
    return render(request, "idp/authentication_requests.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@approval.strongly
def answer(request: HttpRequest, request_id: UUID) -> HttpResponse:
    """Show who asks, for what and from where; the answer counts once.

    What is allowed comes from the row, never from the form.
    """
    form = ConsentForm(request.POST) if request.method == "POST" else None
    try:
        asked = backchannel.find(request_id, user=request.user)
        elsewhere = approval.prove_more(
            request, asked.client, wished=backchannel.preferred_level(asked)
        )
        if elsewhere is not None:
            return elsewhere
        if form is None or not form.is_valid():
            context = approval.origin(request, asked) | {
                "binding_message": asked.binding_message,
                "expires_at": asked.expires_at,
                "details": authorization_details.of_terms(asked.terms),
            }
            return render(request, "idp/authentication_request.html", context)
        is_allowed = form.cleaned_data["decision"] == "allow"
        settle = backchannel.approve if is_allowed else backchannel.deny
        session = request.login_session  # type: ignore[attr-defined]
        settle(asked, user=request.user, session=session, now=clock.now())
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    context = {"client": asked.client, "is_allowed": is_allowed}
    return render(request, "idp/authentication_request_done.html", context)
