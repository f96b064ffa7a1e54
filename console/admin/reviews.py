"""Administration of access reviews and alerts: whether people still need what they have."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from access import flows
from access.alerts import Kind, alerts_of
from access.models import MAX_REASON_LENGTH, AccessReview, AccessReviewItem, Need
from accounts.admin import (
    ScopedAdmin,
    act_on_each,
    actor_of,
    organisation_named,
    organisations_to_name,
)
from core import clock
from core.errors import Refusal

ITEMS_ON_A_PAGE = 50
WORDS = {
    Kind.STANDING: ("Held for good", "A role that can be had for a time is held without an end."),
    Kind.STALE: ("Held by somebody away", "Nothing was seen of them for a month."),
    Kind.UNUSED: ("Never used", "They may ask for it, and have not begun it for three months."),
    Kind.OFTEN: (
        "Begun very often",
        "Ten times or more within a week: needed for good, or misused.",
    ),
    Kind.UNREVIEWED: ("Emergency not reviewed", "Nobody has looked at it since."),
}


class WhichForm(forms.Form):
    show = forms.ChoiceField(
        required=False,
        label="Show",
        choices=[("", "All"), ("open", "Not decided"), *Need.choices],
    )
    q = forms.CharField(required=False, label="Who or what", max_length=100)


@admin.register(AccessReview)
class AccessReviewAdmin(ScopedAdmin):
    list_display = (
        "opened_at", "organisation", "due_at", "closed_at", "decided", "undecided",
    )  # fmt: skip
    list_select_related = ("organisation",)
    ordering = ("-opened_at",)
    actions = ("close",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                _decided=Count("items", filter=~Q(items__decision="")),
                _undecided=Count("items", filter=Q(items__decision="")),
            )
        )
        return rows

    @admin.display(description="decided")
    def decided(self, review: Any) -> int:
        return int(review._decided)  # noqa: SLF001 - its annotation

    @admin.display(description="not decided")
    def undecided(self, review: Any) -> int:
        return int(review._undecided)  # noqa: SLF001 - its annotation

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("open/", guard(self.open), name="access_open_review"),
            path("alerts/", guard(self.alerts), name="access_alerts"),
            path("items/<uuid:pk>/", guard(self.decide), name="access_decide_item"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        context = {"organisations": organisations_to_name(request)} | (extra_context or {})
        return super().changelist_view(request, context)

    @admin.action(description="Close: what was not decided stays as it is")
    def close(self, request: HttpRequest, chosen: QuerySet[AccessReview]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.close_review(
            review=row, now=clock.now(), actor=actor_of(request)
        ), "closed")  # fmt: skip

    def open(self, request: HttpRequest) -> HttpResponse:
        """Begin a review of the organisation that is named, or of one's own."""
        _demand_post(request)
        organisation = organisation_named(request, request.POST.get("organisation", ""))
        try:
            review = flows.open_review(
                organisation=organisation, now=clock.now(), actor=actor_of(request)
            )
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return redirect("admin:access_accessreview_changelist")
        self.message_user(request, "The review is open. Everybody who administers was told.")
        return redirect("admin:access_accessreview_change", review.pk)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """What people have, a page at a time; each is kept or removed."""
        review = self.get_object(request, object_id)
        if review is None:
            raise Refusal.not_found()
        form = WhichForm(request.GET)
        rows = AccessReviewItem.objects.within_id(review.organisation_id).filter(review=review)
        left = rows.filter(decision="").count()
        if form.is_valid():
            show, part = form.cleaned_data["show"], form.cleaned_data["q"].strip()
            if show:
                rows = rows.filter(decision="" if show == "open" else show)
            if part:
                rows = rows.filter(Q(subject__icontains=part) | Q(what__icontains=part))
        rows = rows.select_related("decided_by", "user", "eligibility__entitlement").order_by(
            "subject", "what", "pk"
        )
        query = request.GET.copy()
        query.pop("p", None)
        return self._page(
            request,
            "items",
            title=f"Access review of {review}",
            review=review,
            form=form,
            items=Paginator(rows, ITEMS_ON_A_PAGE).get_page(request.GET.get("p")),
            left=left,
            person_id=actor_of(request).person_id,
            query=query.urlencode(),
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """Who decided what stands on the page itself."""
        return self.change_view(request, object_id, extra_context=extra_context)

    def decide(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Keep or remove one thing."""
        _demand_post(request)
        items = AccessReviewItem.unscoped.filter(review__in=self.get_queryset(request))
        item = items.filter(pk=pk).first()
        decision = request.POST.get("decision")
        if item is None or decision not in Need.values:
            raise Refusal.not_found()
        try:
            flows.decide_item(
                item=item,
                decision=Need(decision),
                reviewer=actor_of(request),
                reason=request.POST.get("reason", "")[:MAX_REASON_LENGTH],
                now=clock.now(),
            )
        except Refusal as refusal:
            self.message_user(request, f"{item.subject}: {refusal.detail}", messages.ERROR)
        else:
            self.message_user(request, f"{item.subject}, {item.what}: {Need(decision).label}.")
        where = reverse("admin:access_accessreview_change", args=[item.review_id])
        query = request.GET.urlencode()
        return redirect(f"{where}?{query}" if query else where)

    def alerts(self, request: HttpRequest) -> HttpResponse:
        """What should be looked at; nothing of it is kept."""
        organisation = organisation_named(request, request.GET.get("organisation", ""))
        found = alerts_of(organisation_id=organisation.pk, now=clock.now())
        groups = [
            (kind, *WORDS[kind], [each for each in found if each.kind == kind]) for kind in Kind
        ]
        return self._page(
            request,
            "alerts",
            title="Alerts",
            groups=groups,
            organisation=organisation,
            organisations=organisations_to_name(request),
        )

    def _page(self, request: HttpRequest, name: str, **context: Any) -> TemplateResponse:
        shown = {**self.admin_site.each_context(request), "opts": self.opts} | context
        return TemplateResponse(request, f"admin/access/accessreview/{name}.html", shown)


def _demand_post(request: HttpRequest) -> None:
    if request.method != "POST":
        raise Refusal("method_not_allowed", "This is done by a form.", 405, {"Allow": "POST"})
