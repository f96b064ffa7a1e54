"""One grant: for its owner, and for those who answer. To anybody else there is none."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from access import asking, cases, flows, shown
from access.explaining import explain_answer, who_may_answer
from access.forms import AnswerForm, ReasonForm, ReviewForm
from access.limited import limits_of
from access.limits import TOUCH
from access.models import Grant, State, Verdict
from access.proofs import (
    asks_step_up,
    by_a_touch,
    person,
    session_of,
    take_draft,
    to_step_up,
)
from access.workloads import stands_for
from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from mfa.flows import factors_of


@never_cache
@require_safe
def one(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    grant = find(request, grant_id)
    if stands_for(person(request), grant, None):
        return _own(request, grant)
    return _others(request, grant)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def activate(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Begin, by a touch that was made for it."""
    answer: HttpResponse = by_a_touch(_begin)(request, grant=_mine(request, grant_id))
    return answer


def _begin(request: HttpRequest, *, grant: Grant) -> HttpResponse:
    if request.method != "POST":  # back from step-up, which cannot bring a POST back
        messages.info(request, "Thank you. Now begin.")
        return redirect("access:grant", grant.pk)
    try:
        flows.activate_grant(
            grant=grant, requester=person(request), session_id=session_of(request), now=clock.now()
        )
    except Refusal as refusal:
        if asks_step_up(refusal):
            return to_step_up(refusal, back=request.get_full_path())
        return say_no(request, grant, refusal)
    messages.success(request, "It counts from now on.")
    return redirect("access:grant", grant.pk)


@never_cache
@require_http_methods(["POST"])
def drop(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    """Give it back. No proof is asked for: less is always allowed."""
    return _give_up(request, _mine(request, grant_id), flows.drop_grant, "It is given back.")


@never_cache
@require_http_methods(["POST"])
def cancel(request: HttpRequest, grant_id: UUID) -> HttpResponse:
    return _give_up(request, _mine(request, grant_id), flows.cancel_grant, "It is withdrawn.")


def _give_up(request: HttpRequest, grant: Grant, flow: Any, words: str) -> HttpResponse:
    try:
        did_it = flow(
            grant=grant, requester=person(request), session_id=session_of(request), now=clock.now()
        )
    except Refusal as refusal:
        return say_no(request, grant, refusal)
    messages.success(request, words if did_it else "It was over already.")
    return redirect("access:grant", grant.pk)


# --- who sees it ----------------------------------------------------------------------------------


def find(request: HttpRequest, grant_id: UUID) -> Grant:
    """A grant that this person may look at: their own, or one that they may answer or administer.

    Refuses not_found for any other.
    """
    return cases.find_grant(
        person(request),
        grant_id,
        clock.now(),
        is_proven_administrator=_has_shown_two_factors(request),
    )


def _has_shown_two_factors(request: HttpRequest) -> bool:
    assurance: Assurance = getattr(request, "assurance", Assurance())
    return assurance.level >= Level.AAL2


def _mine(request: HttpRequest, grant_id: UUID) -> Grant:
    return cases.find_own(person(request), grant_id)


def say_no(request: HttpRequest, grant: Grant, refusal: Refusal) -> HttpResponse:
    """Back on its page, with why not; what is missing altogether has a page of its own."""
    if refusal.status in {404, 429}:
        raise refusal
    messages.error(request, refusal.detail)
    return redirect("access:grant", grant.pk)


# --- how it looks ---------------------------------------------------------------------------------


def _own(request: HttpRequest, grant: Grant) -> HttpResponse:
    user, now = person(request), clock.now()
    places = asking.places_of([grant], session_id=session_of(request), now=now)
    seen = shown.show(
        grant, now=now, place=places.get(grant.pk) if grant.activated_at else None,
        answer_by=cases.answers_by([grant])[grant.pk],
    )  # fmt: skip
    waits = seen.state == State.APPROVAL_AWAITED
    begins = seen.state == State.SCHEDULED and grant.starts_at <= now
    who, who_more = who_may_answer(grant, now=now) if waits else ([], 0)
    begins_by_itself = grant.workload_id is not None and grant.terms["binds_network"]
    context = {
        **_common(grant, seen),
        "who": who,
        "who_more": who_more,
        "may_begin": begins and not begins_by_itself,
        "begins_by_itself": begins_by_itself,
        "has_passkey": begins and bool(factors_of(user).passkeys),
        "extension": asking.extension_of(grant, now) if seen.is_live else None,
    }
    return render(request, "access/grant.html", context)


def _others(request: HttpRequest, grant: Grant) -> HttpResponse:
    """One screen: who, what, why, how risky, on what device, how often, and what an answer does."""
    user, now, session_id = person(request), clock.now(), session_of(request)
    seen = shown.show(
        grant, now=now, answer_by=cases.answers_by([grant])[grant.pk],
        resources=limits_of([grant]).get(grant.pk, ()),
    )  # fmt: skip
    case = cases.case_of(grant, now)
    draft = take_draft(request, str(grant.pk))
    context = {
        **_common(grant, seen),
        "case": case,
        "earlier": shown.show_all(case.earlier, now=now),
        "publication": cases.publishing_of(grant.policy_version)
        if grant.policy_version is not None and _has_shown_two_factors(request)
        else None,
        "device": shown.device_of(case.device, now),
        "outcomes": [],
        "has_answered": any(each.approver_person == user.person_id for each in case.approvals),
        "revoke_form": ReasonForm(initial=draft),
        "may_revoke": seen.state in {State.SCHEDULED, State.ACTIVE, State.SUSPENDED},
        "review_form": ReviewForm(initial=draft),
        "needs_review": grant.is_break_glass
        and grant.reviewed_at is None
        and user.person_id != grant.requester.person_id,
    }
    if seen.state == State.APPROVAL_AWAITED:
        explained = explain_answer(grant=grant, approver=user, session_id=session_id, now=now)
        rules = shown.rules_of(explained.rules)
        against = shown.stands_against(rules)
        context |= {
            "form": AnswerForm(
                initial=draft, needs_reason=grant.entitlement.approver_reason_required
            ),
            "against": [words for words in against if words] if not explained.allowed else [],
            "rules": rules,
            "outcomes": [
                shown.OUTCOMES[
                    verdict.value, cases.outcome_of(grant, case.approvals, user, verdict, now)
                ]
                for verdict in (Verdict.APPROVE, Verdict.DENY)
            ],
        }
    return render(request, "access/case.html", context)


def _common(grant: Grant, seen: shown.ShownGrant) -> dict[str, Any]:
    return {
        "grant": grant,
        "shown": seen,
        "terms": grant.terms,
        "demands": shown.demands_of(grant.terms),
        "timeline": cases.timeline_of(grant),
        "touch_seconds": int(TOUCH.total_seconds()),
        "page": reverse("access:grant", args=[grant.pk]),
    }
