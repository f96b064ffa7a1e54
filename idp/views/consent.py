"""The consent page, and the choice of an account."""

from dataclasses import replace

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from core import clock
from core.errors import Refusal
from idp import answers, journey
from idp.authorization import pending
from idp.authorization.next_step import Kind, Step
from idp.client_documents.flows import keep
from idp.clients.introduction import introduce
from idp.flows import grant_consent
from idp.forms import AccountForm, ConsentForm
from idp.models import AuthorizationRequest
from idp.requests import authorization_details
from idp.tokens.subject import subject_of


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def consent(request: HttpRequest) -> HttpResponse:
    """Ask the user; what is allowed comes from the stored request, never from the form.

    The form's CSRF token changes with every sign-in, so an answer counts for whom it was shown to.
    """
    now = clock.now()
    form = ConsentForm(request.POST) if request.method == "POST" else None
    try:
        row = journey.find_pending(request, _handle(request), now=now)
        standing = journey.stand(request, row, now=now)
        if standing.step.kind is not Kind.CONSENT:
            return answers.see_other(journey.resume_url(row))
        params = pending.params_of(row)
        if form is None or not form.is_valid():
            return _show(request, row, standing.agreed_scopes)
        if form.cleaned_data["decision"] == "deny":
            refusal = Refusal.access_denied("The user did not allow this.")
            denied = replace(standing, step=Step(Kind.DENY, refusal=refusal), decision=None)
            return journey.finish(request, row, denied, now=now)
        grant_consent(
            user=request.user,
            client=keep(row.found_client, user=request.user, now=now),
            scopes=params.consent_scopes,
            session_id=request.login_session.id,  # type: ignore[attr-defined]
            now=now,
        )
        pending.note_answer(row, "consent")
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    return answers.see_other(journey.resume_url(row))


@login_not_required
@never_cache
@require_http_methods(["GET", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Ask who it is: prompt=select_account, or a hint that names somebody else."""
    now = clock.now()
    form = AccountForm(request.POST) if request.method == "POST" else None
    try:
        row = journey.find_pending(request, _handle(request), now=now)
        standing = journey.stand(request, row, now=now)
    except Refusal as refusal:
        return answers.show_refusal(request, refusal)
    if standing.step.kind is not Kind.ACCOUNT:
        return answers.see_other(journey.resume_url(row))
    hinted = pending.params_of(row).hinted_subject
    user_id = request.login_session.user_id  # type: ignore[attr-defined]
    may_continue = hinted is None or hinted == subject_of(row.found_client, user_id)
    if form is None or not form.is_valid():
        context = {
            "client": row.found_client,
            "account": request.user,
            "handle": row.id,
            "may_continue": may_continue,
        }
        return render(request, "idp/account.html", context)
    if form.cleaned_data["decision"] == "switch":
        journey.sign_out_keeping_requests(request)
        pending.note_answer(row, "select_account")
    elif may_continue:
        pending.note_answer(row, "select_account", "create")
    return answers.see_other(journey.resume_url(row))


def _handle(request: HttpRequest) -> str:
    if request.method == "POST":
        return request.POST.get("request", "")
    return request.GET.get("id", "")


def _show(request: HttpRequest, row: AuthorizationRequest, agreed: frozenset[str]) -> HttpResponse:
    params = pending.params_of(row)
    scopes = params.consent_scopes
    new_scopes = [scope for scope in scopes if scope not in agreed] if agreed else []
    context = {
        "client": row.found_client,
        "introduction": introduce(row.found_client),
        "scopes": scopes,
        "new_scopes": new_scopes,
        "account": request.user,
        "handle": row.id,
        "details": authorization_details.shown(params.authorization_details),
        "redirect_host": answers.host_of(params.redirect_uri),
    }
    return render(request, "idp/consent.html", context)
