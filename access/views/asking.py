"""Asking: the form that an application's 403 may lead to, for longer, and in an emergency."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from access import asking, flows, shown
from access.explaining import Explanation, explain
from access.forms import EmergencyForm, RequestForm, WishForm, read_minutes
from access.limits import REQUESTS
from access.models import (
    MAX_REASON_LENGTH,
    MAX_TICKET_LENGTH,
    Entitlement,
    Grant,
    State,
)
from access.proofs import (
    asks_step_up,
    before_deciding,
    keep_draft,
    person,
    session_of,
    take_draft,
    to_step_up,
)
from access.workloads import OnBehalf
from accounts.limited import few_named
from core import clock
from core.errors import Refusal
from core.limits import spend

USUAL_MINUTES = 60
MAX_NAME_LENGTH = 64
MAX_CLIENT_ID_LENGTH = 255
MOST = {"reason": MAX_REASON_LENGTH, "ticket": MAX_TICKET_LENGTH}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """`?entitlement=<name>`, and `duration` (minutes), `reason`, `ticket` to begin with.

    `client_id`: the application that the link stands in; `idp.context` says whether it is one.
    `workload`: the application that it is for, by its client_id, where it is not for the reader.
    """
    behalf = _behalf(request)
    entitlement = _find(request, behalf)
    if entitlement is None or (behalf is None and request.GET.get("workload")):
        return _unavailable(request)
    page = request.get_full_path()
    if request.method != "POST":
        form = RequestForm(initial=_beginning(request, entitlement, page), entitlement=entitlement)
        return _show(request, entitlement, form, behalf)
    form = RequestForm(request.POST, entitlement=entitlement)
    if not form.is_valid():
        return _show(request, entitlement, form, behalf)
    is_dry = request.POST.get("step") == "look"
    try:
        grant = _request(request, entitlement, form, behalf, is_dry=is_dry)
    except Refusal as refusal:
        if asks_step_up(refusal):
            keep_draft(request, page, request.POST.dict())
            return to_step_up(refusal, back=page)
        return _refused(request, entitlement, form, behalf, refusal)
    if is_dry:
        return _show(request, entitlement, form, behalf, outcome=State(grant.state))
    if grant.state == State.SCHEDULED:
        messages.success(request, "Nobody has to approve this: you may begin.")
    else:
        messages.success(request, "Asked. Those who may approve it are told by email.")
    return redirect(grant_page(grant, request))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def extend(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Ask to have something for longer."""
    user, now = person(request), clock.now()
    grant = asking.extendable(user, now).filter(pk=grant_id).first()
    if grant is None:
        raise Refusal.not_found()
    entitlement, page = grant.entitlement, request.get_full_path()
    typed = request.POST if request.method == "POST" else None
    form = WishForm(
        typed, entitlement=entitlement, initial=_beginning(request, entitlement, page, grant)
    )
    if form.is_bound and form.is_valid():
        spend(REQUESTS, str(user.pk), now=now)
        try:
            asked = flows.extend_grant(
                grant=grant,
                requester=user,
                session_id=session_of(request),
                duration=form.duration,
                reason=form.cleaned_data["reason"],
                ticket=form.cleaned_data.get("ticket", ""),
                now=now,
            )
        except Refusal as refusal:
            if asks_step_up(refusal):
                keep_draft(request, page, request.POST.dict())
                return to_step_up(refusal, back=page)
            _raise_if_foreign(refusal)
            form.add_error(None, refusal.detail)
        else:
            messages.success(request, "Asked to have it for longer.")
            return redirect("access:grant", asked.pk)
    context = {
        "form": form,
        "shown": shown.show_all([grant], now=now)[0],
        "entitlement": entitlement,
    }
    return render(request, "access/extend.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def emergency(request: HttpRequest) -> HttpResponse:
    """Take access without approval: everybody who was not asked is told, and it is reviewed."""
    entitlement = _find(request)
    if entitlement is None or entitlement.break_glass_duration is None:
        return _unavailable(request)
    if request.method == "POST":
        keep_draft(request, request.get_full_path(), request.POST.dict())
    answer: HttpResponse = before_deciding(_take)(request, entitlement=entitlement)
    return answer


def _take(request: HttpRequest, *, entitlement: Entitlement) -> HttpResponse:
    page = request.get_full_path()
    draft = take_draft(request, page)
    typed = request.POST if request.method == "POST" else None
    form = EmergencyForm(
        typed, entitlement=entitlement, initial=draft or _beginning(request, entitlement, page)
    )
    if form.is_bound and form.is_valid():
        try:
            grant = flows.break_glass(
                entitlement=entitlement,
                requester=person(request),
                session_id=session_of(request),
                reason=form.cleaned_data["reason"],
                duration=form.duration,
                now=clock.now(),
            )
        except Refusal as refusal:
            if asks_step_up(refusal):
                keep_draft(request, page, request.POST.dict())
                return to_step_up(refusal, back=page)
            _raise_if_foreign(refusal)
            form.add_error(None, refusal.detail)
        else:
            messages.warning(request, "It counts from now on. Everybody who was not asked is told.")
            return redirect("access:grant", grant.pk)
    roles = [each.role.name for each in _roles(entitlement) if each.in_break_glass]
    context = {
        "form": form,
        "entitlement": entitlement,
        "roles": roles,
        "limit": few_named(entitlement.resources),
    }
    return render(request, "access/emergency.html", context)


def grant_page(grant: Grant, request: HttpRequest) -> str:
    """The page of a grant, with the way back to the application that the browser comes from."""
    page = reverse("access:grant", args=[grant.pk])
    client_id = request.GET.get("client_id", "")
    return f"{page}?{urlencode({'client_id': client_id})}" if client_id else page


def _find(request: HttpRequest, behalf: OnBehalf | None = None) -> Entitlement | None:
    name = request.GET.get("entitlement", "")
    if not _is_plain(name, MAX_NAME_LENGTH):
        return None
    workload = None if behalf is None else behalf.workload
    return asking.find_entitlement(person(request), name, clock.now(), workload)


def _behalf(request: HttpRequest) -> OnBehalf | None:
    """The application that the link names, if this person may ask for it."""
    name = request.GET.get("workload", "")
    if not name or not _is_plain(name, MAX_CLIENT_ID_LENGTH):
        return None
    found = asking.find_workload(person(request), name, clock.now())
    return None if found is None else OnBehalf(found)


def _unavailable(request: HttpRequest) -> HttpResponse:
    """The same page for what does not exist, is somebody else's, or is not for this person."""
    return render(request, "access/unavailable.html", status=404)


def _beginning(
    request: HttpRequest, entitlement: Entitlement, page: str, extended: Grant | None = None
) -> dict[str, Any]:
    """What the form begins with: what was typed before a proof, or what the link says."""
    draft = take_draft(request, page) if request.method != "POST" else {}
    if draft:
        return draft
    longest = int(entitlement.max_duration / timedelta(minutes=1)) or 1
    return {
        "minutes": min(read_minutes(request.GET.get("duration", "")) or USUAL_MINUTES, longest),
        "reason": request.GET.get("reason", ""),
        "ticket": request.GET.get("ticket", "") or (extended.ticket if extended else ""),
    }


def _request(
    request: HttpRequest,
    entitlement: Entitlement,
    form: RequestForm,
    behalf: OnBehalf | None,
    *,
    is_dry: bool,
) -> Grant:
    user, now = person(request), clock.now()
    spend(REQUESTS, str(user.pk), now=now)
    return flows.request_grant(
        entitlement=entitlement,
        requester=user,
        session_id=session_of(request),
        behalf=behalf,
        dry_run=is_dry,
        now=now,
        **form.wish,
    )


def _refused(
    request: HttpRequest,
    entitlement: Entitlement,
    form: RequestForm,
    behalf: OnBehalf | None,
    refusal: Refusal,
) -> HttpResponse:
    _raise_if_foreign(refusal)
    form.add_error(None, refusal.detail)
    return _show(request, entitlement, form, behalf, status=refusal.status)


def _raise_if_foreign(refusal: Refusal) -> None:
    """A refusal that is about what was typed belongs beside it; others have pages."""
    if refusal.status not in {400, 403, 409, 503}:
        raise refusal


def _show(
    request: HttpRequest,
    entitlement: Entitlement,
    form: RequestForm,
    behalf: OnBehalf | None,
    *,
    outcome: State | None = None,
    status: int = 200,
) -> HttpResponse:
    explained = _explain(request, entitlement, form, behalf)
    rules = shown.rules_of(explained.rules)
    lasts = form.duration if form.is_bound and form.is_valid() else entitlement.max_duration
    context = {
        "form": form,
        "entitlement": entitlement,
        "workload": "" if behalf is None else behalf.workload.title or behalf.workload.name,
        "roles": [each.role for each in _roles(entitlement)],
        "explained": explained,
        "rules": rules,
        "against": shown.stands_against(rules),
        "proof_url": _proof_of_the_sign_in(request, rules),
        "limit": few_named(entitlement.resources),
        "demands": shown.demands_of(entitlement),
        "longest": shown.lasting(entitlement.max_duration),
        "ahead": shown.ahead(
            entitlement, outcome, lasts=lasts, starts_at=form.cleaned_data.get("starts_at")
        ) if outcome is not None else [],
    }  # fmt: skip
    return render(request, "access/ask.html", context, status=status)


def _proof_of_the_sign_in(request: HttpRequest, rules: list[shown.ShownRule]) -> str:
    """Where a sign-in that policy doubts may be proven anew; "" where it does not."""
    if not any(rule.name == "session_allowed" and rule.mark == "bad" for rule in rules):
        return ""
    query = {"next": request.get_full_path(), "max_age": "0"}
    return f"{reverse('sessions:step_up')}?{urlencode(query)}"


def _explain(
    request: HttpRequest, entitlement: Entitlement, form: RequestForm, behalf: OnBehalf | None
) -> Explanation:
    """Of what is in the form, as far as it can be read."""
    wish = form.wish if form.is_bound and form.is_valid() else _unfinished(form)
    return explain(
        entitlement=entitlement,
        user=person(request),
        session_id=session_of(request),
        behalf=behalf,
        now=clock.now(),
        **wish,
    )


def _unfinished(form: RequestForm) -> dict[str, Any]:
    """Reason and ticket as they stand in a form that was not sent, or not whole."""
    values = form.data if form.is_bound else form.initial
    found = {name: " ".join(str(values.get(name) or "").split()) for name in MOST}
    return {name: text for name, text in found.items() if _is_plain(text, MOST[name])}


def _is_plain(text: str, longest: int) -> bool:
    return len(text) <= longest and text.isprintable()


def _roles(entitlement: Entitlement) -> list[Any]:
    return list(entitlement.entitlement_roles.all())
