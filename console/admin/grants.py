"""Administration of who has what: the matrix of people and roles, and what was asked for.

The matrix tells of now and of any past instant, on a page and as a table to keep.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from access import flows
from access.holdings import Then
from access.limited import limits_of
from access.models import MAX_REASON_LENGTH, Grant, GrantEvent
from access.reading import history
from access.workloads import CLIENT
from accounts.admin import (
    ScopedAdmin,
    WithinReachFilter,
    act_on_each,
    actor_of,
    organisation_named,
)
from accounts.models import Organisation, Role, User
from console.matrix import Holders, lines_of, roles_of, table_of
from core import clock
from core.errors import Refusal

PEOPLE_ON_A_PAGE = 50
ROLES_ON_A_PAGE = 20


class MatrixForm(forms.Form):
    """Which part of the matrix, and of when.

    as_of: when the first page was looked at, so that the others are of the same instant.
    """

    day = forms.DateField(
        required=False, label="On", widget=forms.DateInput(attrs={"type": "date"})
    )
    time = forms.TimeField(
        required=False, label="at (UTC)", widget=forms.TimeInput(attrs={"type": "time"})
    )
    role = forms.CharField(required=False, max_length=64)
    person = forms.CharField(
        required=False,
        max_length=254,
        help_text="A part of name, address or client_id.",
    )
    organisation = forms.SlugField(required=False, widget=forms.HiddenInput)
    as_of = forms.DateTimeField(required=False)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("time") and not values.get("day"):
            self.add_error("day", "Say on which day.")
        at = self.at
        if at is not None and at > clock.now():
            self.add_error("day", "Who will have what is not known yet.")
        return values

    @property
    def at(self) -> datetime | None:
        """The instant that is asked about, None for now."""
        day, time = self.cleaned_data.get("day"), self.cleaned_data.get("time")
        if day is None:
            as_of: datetime | None = self.cleaned_data.get("as_of")
            return as_of
        return datetime.combine(day, time or datetime.min.time(), UTC)


class _Echo:
    """csv writes to it, and gets back what it wrote."""

    def write(self, text: str) -> str:
        return text


class ReasonForm(ActionForm):
    """What to do with the chosen grants, and why."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.TextInput(attrs={"maxlength": 200, "size": 28}),
        help_text="Needed; it stands in the timeline.",
    )


@admin.register(Grant)
class GrantAdmin(ScopedAdmin):
    action_form = ReasonForm
    list_display = (
        "requester", "workload", "entitlement", "organisation", "state", "requested_at", "ends_at",
        "is_break_glass",
    )  # fmt: skip
    list_filter = (
        "state", ("entitlement", WithinReachFilter), "is_break_glass",
        ("workload", admin.EmptyFieldListFilter),
    )  # fmt: skip
    list_select_related = ("requester", "workload", "entitlement", "organisation")
    search_fields = ("requester__email", "workload__name", "entitlement__name", "ticket")
    search_help_text = "Address, application, entitlement or ticket"
    ordering = ("-requested_at",)
    actions = ("suspend", "resume", "revoke")

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("matrix/", guard(self.matrix), name="access_matrix"),
            path("matrix.csv", guard(self.matrix_csv), name="access_matrix_csv"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """One grant: its terms, its timeline, its answers, and what was done while it lasted."""
        grant = self.get_object(request, object_id)
        if grant is None:
            raise Refusal.not_found()
        told = history(grant=grant, now=clock.now())
        return TemplateResponse(
            request,
            "admin/access/grant/one.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Grant: {grant}",
                "grant": told.grant,
                "resources": limits_of([told.grant]).get(told.grant.pk),
                "told": told,
                "events": _named(told.grant, told.events),
                "opts": self.opts,
            },
        )

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """The timeline stands on the page itself."""
        return self.change_view(request, object_id, extra_context=extra_context)

    def matrix(self, request: HttpRequest) -> HttpResponse:
        """Who has what, or had it: a page of people, and of the roles that these people have."""
        form, organisation, then = self._asked(request)
        asked = request.GET.copy()
        for name in ("p", "r", "as_of"):
            asked.pop(name, None)
        further = asked.copy()
        context: dict[str, Any] = {}
        if then is not None:
            holders = Holders(then)
            places = range(holders.count)
            people = Paginator(places, PEOPLE_ON_A_PAGE).get_page(request.GET.get("p"))
            found = holders.between(max(0, people.start_index() - 1), people.end_index())
            roles = Paginator(roles_of(found), ROLES_ON_A_PAGE).get_page(request.GET.get("r"))
            if not form.cleaned_data["day"]:
                further["as_of"] = then.at.isoformat()
            context = {
                "at": then.at,
                "holders": holders,
                "people": people,
                "roles": roles,
                "lines": lines_of(found, roles),
            }
        return TemplateResponse(
            request,
            "admin/access/grant/matrix.html",
            {
                **self.admin_site.each_context(request),
                "title": "Who has what",
                "form": form,
                "is_now": form.is_valid() and form.at is None,
                "query": asked.urlencode(),
                "further": further.urlencode(),
                "role_names": Role.objects.within(organisation).order_by("name"),
                "organisation": organisation,
                "opts": self.opts,
                **context,
            },
        )

    def matrix_csv(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """The same as a table, all people of it."""
        form, _, then = self._asked(request)
        if then is None:
            told = "; ".join(str(each) for errors in form.errors.values() for each in errors)
            raise Refusal.invalid_request(told)
        writer = csv.writer(_Echo())
        answer = StreamingHttpResponse(
            (writer.writerow(line) for line in table_of(then)),
            content_type="text/csv; charset=utf-8",
        )
        answer["Content-Disposition"] = f'attachment; filename="access-{then.at:%Y-%m-%d-%H%M}.csv"'
        answer["Cache-Control"] = "no-store"
        return answer

    def _asked(self, request: HttpRequest) -> tuple[MatrixForm, Organisation, Then | None]:
        form, now = MatrixForm(request.GET), clock.now()
        is_good = form.is_valid()
        organisation = organisation_named(request, form.cleaned_data.get("organisation", ""))
        if not is_good:
            return form, organisation, None
        return (
            form,
            organisation,
            Then(
                organisation_id=organisation.pk,
                at=form.at or now,
                role=form.cleaned_data["role"],
                person=form.cleaned_data["person"],
            ),
        )

    @admin.action(description="Suspend: it counts no more until it is resumed (give a reason)")
    def suspend(self, request: HttpRequest, chosen: QuerySet[Grant]) -> None:
        self._act(request, chosen, lambda row, reason: flows.suspend_grant(
            grant=row, actor=actor_of(request), reason=reason, now=clock.now()
        ), "suspended")  # fmt: skip

    @admin.action(description="Resume: it counts again (give a reason)")
    def resume(self, request: HttpRequest, chosen: QuerySet[Grant]) -> None:
        self._act(request, chosen, lambda row, reason: flows.resume_grant(
            grant=row, actor=actor_of(request), reason=reason, now=clock.now()
        ), "resumed")  # fmt: skip

    @admin.action(description="Revoke: it is over for good (give a reason)")
    def revoke(self, request: HttpRequest, chosen: QuerySet[Grant]) -> None:
        self._act(request, chosen, lambda row, reason: flows.revoke_grant(
            grant=row, actor=actor_of(request), reason=reason, now=clock.now()
        ), "revoked")  # fmt: skip

    def _act(self, request: HttpRequest, chosen: QuerySet[Grant], act: Any, done: str) -> None:
        reason = " ".join(request.POST.get("reason", "").split())[:MAX_REASON_LENGTH]
        if not reason:
            self.message_user(request, "Give a reason.", messages.ERROR)
            return
        act_on_each(self, request, chosen, lambda row: _demand(act(row, reason), done), done)


def _demand(has_done_it: bool, done: str) -> None:  # noqa: FBT001 - a flow's answer
    if not has_done_it:
        raise Refusal.conflict(f"It cannot be {done} as it is now.")


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the timeline, with who did it and why; "" where time or a rule did."""

    event: GrantEvent
    who: str

    @property
    def why(self) -> str:
        return str(self.event.facts.get("reason") or self.event.facts.get("cause") or "")


def _named(grant: Grant, events: Sequence[GrantEvent]) -> list[Told]:
    label = f"{User._meta.label}:"  # noqa: SLF001 - as references are written
    ids = {each.actor.removeprefix(label) for each in events if each.actor.startswith(label)}
    known = User.objects.within_id(grant.organisation_id).filter(pk__in=ids)
    named = {f"{label}{user.pk}": user.email for user in known}
    named[f"{CLIENT}{grant.workload_id}"] = grant.workload_name
    return [Told(each, named.get(each.actor, each.actor)) for each in events]
