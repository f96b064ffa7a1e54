"""Administration of who has what: the matrix of people and roles, and what was asked for.

The matrix tells of now and of any past instant, on a page and as a table to keep.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from access import flows
from access.limited import limits_of
from access.models import MAX_REASON_LENGTH, Grant, GrantEvent, State
from access.reading import history, who_has_what
from access.workloads import CLIENT
from accounts.admin import (
    ScopedAdmin,
    WithinReachFilter,
    act_on_each,
    actor_of,
    organisation_named,
)
from accounts.limited import Resources, each_named
from accounts.models import Group, Organisation, Role, User
from core import clock
from core.errors import Refusal
from idp.clients.holdings import workloads_have_what

PEOPLE_ON_A_PAGE = 50
# A cell that begins so would be reckoned with by a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class MatrixForm(forms.Form):
    """Which part of the matrix, and of when."""

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
            return None
        return datetime.combine(day, time or datetime.min.time(), UTC)


@dataclass(frozen=True, slots=True)
class Held:
    """One way in which somebody holds a role. is_suspended: it counts for nothing now.

    resources: for which alone it counts, None for all that the role reaches.
    """

    group: Group | None
    grant_id: UUID | None
    ends_at: datetime | None
    is_suspended: bool = False
    resources: Resources | None = None

    @property
    def words(self) -> str:
        if self.grant_id is None:
            return f"standing, by {self.group}" if self.group else "standing"
        limited = ", limited" if self.resources is not None else ""
        return f"elevated{limited}{', suspended' if self.is_suspended else ''}"


@dataclass(frozen=True, slots=True)
class Application:
    """One that acts for itself, where a person would stand. email: its client_id."""

    email: str
    name: str = "an application"


@dataclass(frozen=True, slots=True)
class Line:
    """A person or an application; cells: for each role of the matrix how it is held."""

    person: User | Application
    cells: Sequence[Sequence[Held]]


@dataclass(frozen=True, slots=True)
class Matrix:
    roles: Sequence[Role]
    lines: Sequence[Line]


def matrix_of(
    *, organisation_id: UUID, at: datetime, is_now: bool, role: str = "", person: str = ""
) -> Matrix:
    """Everybody who held any of these roles then, people first: a fixed number of statements."""
    holdings = [
        each
        for each in who_has_what(organisation_id=organisation_id, at=at)
        if (not role or each.role.name == role) and _is_meant(each.user, person)
    ]
    by_workloads = [
        each
        for each in workloads_have_what(organisation_id=organisation_id, at=at)
        if (not role or each.role.name == role) and person.strip().lower() in each.client_id.lower()
    ]
    ids = {each.grant_id for each in holdings} | {had.grant_id for had in by_workloads}
    suspended = _suspended(organisation_id, ids) if is_now else set()
    known = {each.role for each in holdings} | {had.role for had in by_workloads}
    roles = sorted(known, key=lambda each: each.name)
    people = sorted({each.user for each in holdings}, key=lambda each: each.email)
    names = sorted({each.client_id for each in by_workloads})
    held: dict[tuple[UUID | str, UUID], list[Held]] = defaultdict(list)
    for each in holdings:
        held[each.user.pk, each.role.pk].append(
            Held(
                each.group,
                each.grant_id,
                each.ends_at,
                each.grant_id in suspended,
                each.resources,
            )
        )
    for had in by_workloads:
        held[had.client_id, had.role.pk].append(
            Held(None, had.grant_id, had.ends_at, had.grant_id in suspended)
        )
    return Matrix(
        roles,
        [
            *(Line(one, [held[one.pk, role.pk] for role in roles]) for one in people),
            *(Line(Application(name), [held[name, role.pk] for role in roles]) for name in names),
        ],
    )


def _is_meant(user: User, part: str) -> bool:
    part = part.strip().lower()
    return part in user.email or part in user.name.lower()


def _suspended(organisation_id: UUID, given: set[UUID | None]) -> set[UUID | None]:
    ids = [each for each in given if each is not None]
    rows = Grant.objects.within_id(organisation_id).filter(pk__in=ids, state=State.SUSPENDED)
    return set(rows.values_list("pk", flat=True))


def table_of(matrix: Matrix, at: datetime) -> Iterator[list[str]]:
    """A line for each way in which somebody holds a role, below a heading."""
    yield ["email", "name", "role", "how", "resources", "group", "grant", "until", "at"]
    for line in matrix.lines:
        for role, cell in zip(matrix.roles, line.cells, strict=True):
            for held in cell:
                yield [
                    plain_cell(text)
                    for text in (
                        line.person.email,
                        line.person.name,
                        role.name,
                        "standing" if held.grant_id is None else held.words,
                        _listed(held.resources),
                        str(held.group or ""),
                        str(held.grant_id or ""),
                        held.ends_at.isoformat() if held.ends_at else "",
                        at.isoformat(),
                    )
                ]


def _listed(resources: Resources | None) -> str:
    """A JSON list, as a name may hold whatever else would part one from the next."""
    return "" if resources is None else json.dumps(each_named(resources), ensure_ascii=False)


def plain_cell(text: str) -> str:
    """The text so that a spreadsheet takes it for text, whatever it begins with."""
    return f"'{text}" if text.startswith(_FORMULA) else text


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
        """Who has what, or had it; a page of people at a time."""
        form, organisation, found, at = self._asked(request)
        people: Page[Line] | None = None
        if found is not None:
            people = Paginator(found.lines, PEOPLE_ON_A_PAGE).get_page(request.GET.get("p"))
        asked = request.GET.copy()
        asked.pop("p", None)
        return TemplateResponse(
            request,
            "admin/access/grant/matrix.html",
            {
                **self.admin_site.each_context(request),
                "title": "Who has what",
                "form": form,
                "matrix": found,
                "people": people,
                "at": at,
                "is_now": form.is_valid() and form.at is None,
                "query": asked.urlencode(),
                "role_names": Role.objects.within(organisation).order_by("name"),
                "organisation": organisation,
                "opts": self.opts,
            },
        )

    def matrix_csv(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """The same as a table, all people of it."""
        form, _, found, at = self._asked(request)
        if found is None:
            told = "; ".join(str(each) for errors in form.errors.values() for each in errors)
            raise Refusal.invalid_request(told)
        writer = csv.writer(_Echo())
        answer = StreamingHttpResponse(
            (writer.writerow(line) for line in table_of(found, at)),
            content_type="text/csv; charset=utf-8",
        )
        answer["Content-Disposition"] = f'attachment; filename="access-{at:%Y-%m-%d-%H%M}.csv"'
        answer["Cache-Control"] = "no-store"
        return answer

    def _asked(
        self, request: HttpRequest
    ) -> tuple[MatrixForm, Organisation, Matrix | None, datetime]:
        form, now = MatrixForm(request.GET), clock.now()
        is_good = form.is_valid()
        organisation = organisation_named(request, form.cleaned_data.get("organisation", ""))
        if not is_good:
            return form, organisation, None, now
        at = form.at or now
        found = matrix_of(
            organisation_id=organisation.pk,
            at=at,
            is_now=form.at is None,
            role=form.cleaned_data["role"],
            person=form.cleaned_data["person"],
        )
        return form, organisation, found, at

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
