"""What I have, what waits, what I may ask for, and what became of it before."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from access import asking, shown
from access.proofs import person, session_of
from core import clock

LATEST = 5
PER_PAGE = 20


@never_cache
@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    user, session_id, now = person(request), session_of(request), clock.now()
    live = list(asking.live_of(user, now))
    places = asking.places_of(live, session_id=session_id, now=now)
    history = shown.show_all(asking.history_of(user, now)[: LATEST + 1], now=now)
    context = {
        "live": shown.show_all(live, now=now, places=places),
        "waiting": shown.show_all(asking.waiting_of(user, now), now=now),
        "standing": asking.standing_assignments(user, now),
        "choices": [
            (choice, shown.lasting(choice.entitlement.max_duration),
             shown.demands_of(choice.entitlement))
            for choice in asking.choices_of(user, session_id=session_id, now=now)
        ],
        "applications": [
            (each, shown.show_all(each.grants, now=now))
            for each in asking.applications_of(user, now)
        ],
        "history": history[:LATEST],
        "has_more": len(history) > LATEST,
    }  # fmt: skip
    return render(request, "access/mine.html", context)


@never_cache
@require_safe
def history(request: HttpRequest) -> HttpResponse:
    now = clock.now()
    pages = Paginator(asking.history_of(person(request), now), PER_PAGE)
    page = pages.get_page(request.GET.get("page"))
    context = {"page": page, "grants": shown.show_all(page.object_list, now=now)}
    return render(request, "access/history.html", context)
