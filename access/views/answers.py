"""For those who answer: what waits, the answer, and what may follow it."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from access import cases, flows, shown
from access.forms import AnswerForm, ReasonForm, ReviewForm
from access.models import Grant, State
from access.proofs import (
    asks_step_up,
    before_deciding,
    keep_draft,
    person,
    session_of,
    take_draft,
    to_step_up,
)
from access.reading import answerable
from access.views.grants import find, say_no
from access.workloads import stands_for
from core import clock
from core.errors import Refusal

MOST = 100


@never_cache
@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    """What waits for my answer, the oldest first."""
    now = clock.now()
    waiting = list(answerable(person(request), now).order_by("requested_at", "pk")[:MOST])
    until = cases.answers_by(waiting)
    grants = [shown.show(grant, now=now, answer_by=until[grant.pk]) for grant in waiting]
    return render(request, "access/inbox.html", {"grants": grants})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Say yes or no to a request."""
    return _proven(request, grant_id, _answer)


def _answer(request: HttpRequest, *, grant: Grant) -> HttpResponse:
    form = AnswerForm(request.POST, needs_reason=grant.entitlement.approver_reason_required)
    if not form.is_valid():
        return _amiss(request, grant, form)
    is_yes = form.cleaned_data["decision"] == "approve"
    flow = flows.approve_grant if is_yes else flows.deny_grant
    answered = flow(
        grant=grant,
        approver=person(request),
        session_id=session_of(request),
        reason=form.cleaned_data["reason"],
        now=clock.now(),
    )
    messages.success(request, _said(is_yes, State(answered.state)))
    return redirect("access:inbox")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Take away what was approved."""
    return _proven(request, grant_id, _revoke)


def _revoke(request: HttpRequest, *, grant: Grant) -> HttpResponse:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _amiss(request, grant, form)
    did_it = flows.revoke_grant(
        grant=grant,
        actor=person(request),
        reason=form.cleaned_data["reason"],
        session_id=session_of(request),
        now=clock.now(),
    )
    messages.success(request, "It is taken away." if did_it else "It was over already.")
    return redirect("access:grant", grant.pk)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Say afterwards whether an emergency was one."""
    return _proven(request, grant_id, _review)


def _review(request: HttpRequest, *, grant: Grant) -> HttpResponse:
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return _amiss(request, grant, form)
    did_it = flows.review_break_glass(
        grant=grant,
        reviewer=person(request),
        is_justified=form.cleaned_data["verdict"] == "justified",
        reason=form.cleaned_data["reason"],
        session_id=session_of(request),
        now=clock.now(),
    )
    messages.success(request, "Thank you." if did_it else "It was reviewed already.")
    return redirect("access:grant", grant.pk)


def _proven(request: HttpRequest, grant_id: UUID, act: Any) -> HttpResponse:
    """Let whoever may see a grant, and is not its owner, act on it with a recent proof."""
    grant = find(request, grant_id)
    if stands_for(person(request), grant, None):
        raise Refusal.not_found()
    if request.method == "POST":
        keep_draft(request, str(grant.pk), request.POST.dict())
    answered: HttpResponse = before_deciding(_acted)(request, grant=grant, act=act)
    return answered


def _acted(request: HttpRequest, *, grant: Grant, act: Any) -> HttpResponse:
    if request.method != "POST":  # back from step-up, which cannot bring a POST back
        messages.info(request, "Thank you. Now choose again.")
        return redirect("access:grant", grant.pk)
    typed = take_draft(request, str(grant.pk))
    try:
        answered: HttpResponse = act(request, grant=grant)
    except Refusal as refusal:
        keep_draft(request, str(grant.pk), typed)
        if asks_step_up(refusal):
            return to_step_up(refusal, back=request.get_full_path())
        return say_no(request, grant, refusal)
    return answered


def _amiss(request: HttpRequest, grant: Grant, form: Any) -> HttpResponse:
    """Back on its page, where what was typed is kept."""
    keep_draft(request, str(grant.pk), request.POST.dict())
    for errors in form.errors.values():
        for words in errors:
            messages.error(request, words)
    return redirect("access:grant", grant.pk)


def _said(is_yes: bool, state: State) -> str:  # noqa: FBT001
    if state == State.SCHEDULED:
        return "Approved. Its owner is told and may begin."
    if state == State.DENIED:
        return "Denied. Whoever asked is told."
    return "Your yes is noted; others have to answer as well." if is_yes else "Your no is noted."
