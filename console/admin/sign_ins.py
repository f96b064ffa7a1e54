"""What administrators see of risk: every sign-in as it was judged, and each person's timeline.

Here and not in `risk`, since the frame of the administration (`accounts.admin`) lies above that.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from accounts.admin import ScopedAdmin
from accounts.models import User
from core import clock
from core.errors import Refusal
from risk import flows
from risk.levels import RiskLevel
from risk.models import SignIn, UserRisk, Verdict
from risk.score import calibration

SHOWN = timedelta(days=30)
MOST = 200
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 900, 240, 44, 14, 34


@dataclass(frozen=True, slots=True)
class Dot:
    """One sign-in on the plot. tone: low, medium or high."""

    x: float
    y: float
    tone: str
    words: str


@admin.register(SignIn)
class SignInAdmin(ScopedAdmin):
    """Sign-ins as they were judged, and what administrators say of them."""

    list_display = (
        "at", "timeline_link", "level", "score", "place", "network", "browser_name", "verdict",
    )  # fmt: skip
    list_filter = ("level", "verdict", "is_known_browser", "country")
    list_select_related = ("user",)
    search_fields = ("user__email", "user__name")
    ordering = ("-at",)
    actions = ("judge_safe", "judge_compromised")
    fields = (
        "user", "at", "level", "score", "log_odds", "why", "place", "network", "address",
        "browser_name", "is_known_browser", "session_id", "learnt_at", "verdict", "judged_by",
        "judged_at",
    )  # fmt: skip

    def get_urls(self) -> Any:
        own = [
            path("people/<uuid:user_id>/", self._guard(self.timeline), name="risk_timeline"),
            path("<uuid:sign_in_id>/judge/", self._guard(self.judge), name="risk_judge"),
        ]
        return own + super().get_urls()

    def _guard(self, view: Any) -> Any:
        return self.admin_site.admin_view(view)

    @admin.display(description="person", ordering="user__email")
    def timeline_link(self, sign_in: SignIn) -> str:
        url = reverse("admin:risk_timeline", args=[sign_in.user_id])
        return format_html('<a href="{}">{}</a>', url, sign_in.user)

    @admin.display(description="because of")
    def why(self, sign_in: SignIn) -> str:
        return "; ".join(f"{each.words} ({each.weight:+.2f})" for each in sign_in.for_people)

    @admin.action(description="It was its owner: safe")
    def judge_safe(self, request: HttpRequest, chosen: QuerySet[SignIn]) -> None:
        self._mark(request, chosen, Verdict.SAFE)

    @admin.action(description="It was somebody else: end it, and mark the account")
    def judge_compromised(self, request: HttpRequest, chosen: QuerySet[SignIn]) -> None:
        self._mark(request, chosen, Verdict.COMPROMISED)

    def judge(self, request: HttpRequest, sign_in_id: UUID) -> HttpResponse:
        """An administrator's word on one sign-in, from the timeline."""
        verdict = request.POST.get("verdict")
        if request.method != "POST" or verdict not in Verdict.values:
            raise Refusal.invalid_request("Say whether it was its owner.")
        sign_in = self.get_queryset(request).filter(pk=sign_in_id).first()
        if sign_in is None:
            raise Refusal.not_found()
        self._mark(request, [sign_in], Verdict(verdict))
        return redirect("admin:risk_timeline", sign_in.user_id)

    def timeline(self, request: HttpRequest, user_id: UUID) -> HttpResponse:
        """One person's sign-ins of a month, plotted and listed."""
        now = clock.now()
        chosen = self.get_queryset(request).filter(user_id=user_id, at__gt=now - SHOWN)
        sign_ins = list(chosen.select_related("user").order_by("-at")[:MOST])
        administrator: Any = request.user
        people = User.unscoped.filter(pk=user_id)
        if not administrator.is_superuser:
            people = people.filter(organisation_id=administrator.organisation_id)
        person = people.first()
        if person is None:
            raise Refusal.not_found()
        mark = UserRisk.objects.within_id(person.organisation_id).filter(
            user_id=user_id, ends_at__gt=now
        )
        return TemplateResponse(
            request,
            "admin/risk/signin/timeline.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Risk of {person}",
                "person": person,
                "mark": mark.first(),
                "sign_ins": sign_ins,
                "plot": plot(sign_ins, now=now),
            },
        )

    def _mark(self, request: HttpRequest, chosen: Any, verdict: Verdict) -> None:
        administrator: Any = request.user
        for sign_in in chosen:
            flows.judge_sign_in(
                sign_in=sign_in,
                verdict=verdict,
                by="administrator",
                actor=f"accounts.User:{administrator.pk}",
                now=clock.now(),
            )
            self.message_user(request, f"{sign_in.user}, {sign_in.at:%d %b %H:%M}: {verdict.label}")


def plot(sign_ins: list[SignIn], *, now: datetime) -> dict[str, Any]:
    """Where each dot, each line between levels and each day's mark is drawn."""
    levels = calibration()
    lines = [
        (label, _y(100 * levels.chance(total)))
        for label, total in (("medium", levels.medium_from), ("high", levels.high_from))
    ]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": WIDTH - 10,
        "base": HEIGHT - BOTTOM,
        "scores": [(score, _y(score)) for score in (0, 50, 100)],
        "lines": lines,
        "days": [
            (_x(now - timedelta(days=days), now), now - timedelta(days=days))
            for days in (28, 21, 14, 7, 0)
        ],
        "dots": [
            Dot(
                x=_x(each.at, now),
                y=_y(each.score),
                tone=RiskLevel(each.level).label,
                words=f"{each.at:%d %b %H:%M} UTC, score {each.score:g}, {each.place or 'unknown'}",
            )
            for each in reversed(sign_ins)
        ],
    }


def _x(at: datetime, now: datetime) -> float:
    return round(LEFT + (WIDTH - 40 - LEFT) * (1 - (now - at) / SHOWN), 1)


def _y(score: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * score / 100, 1)
