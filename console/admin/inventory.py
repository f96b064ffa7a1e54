"""Administration of devices: the inventory by tier, what each reports, and what becomes of it.

It stands here since `devices` knows no people, and so no administrators. Nothing here writes by
itself.
"""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.admin import ScopedAdmin, act_on_each, actor_of
from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import ref
from console import trend
from console.tiers import counts_by_day, in_tier
from core import clock
from core.errors import Refusal
from devices import flows, shown
from devices.flows.states import MAX_REASON_LENGTH
from devices.models import Device, PostureReport, State
from devices.score import TOP_TIER

MOST_EVENTS = 200


class TierFilter(admin.SimpleListFilter):
    """The tier as it is at this moment."""

    title = "tier"
    parameter_name = "tier"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [(str(tier), f"T{tier}") for tier in range(TOP_TIER + 1)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:  # noqa: ARG002
        if self.value() not in {str(tier) for tier in range(TOP_TIER + 1)}:
            return queryset
        return in_tier(queryset, int(self.value() or 0), clock.now())


class ReasonForm(ActionForm):
    """What to do with the chosen devices, and why."""

    reason = forms.CharField(
        label="Reason",
        required=False,
        widget=forms.TextInput(attrs={"maxlength": MAX_REASON_LENGTH, "size": 28}),
        help_text="Shown to its people. Revoking needs one.",
    )


@admin.register(Device)
class DeviceAdmin(ScopedAdmin):
    action_form = ReasonForm
    list_display = (
        "name", "people", "organisation", "platform", "state", "tier", "score", "reported_at",
    )  # fmt: skip
    list_filter = ("state", TierFilter, "platform", "key_storage")
    search_fields = ("name", "key_thumbprint", "users__user__email")
    search_help_text = "Name, key, or address of somebody who uses it"
    ordering = ("name",)
    list_select_related = ("organisation",)
    fields = (
        "name", "people", "organisation", "platform", "os_name", "os_version", "state",
        "state_reason", "state_changed_at", "tier", "score", "scored_at", "key_storage",
        "key_thumbprint", "created_at", "enrolled_at",
    )  # fmt: skip
    readonly_fields = ("people", "tier")
    actions = ("let_in", "suspend", "resume", "revoke", "retire")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("users__user")

    @admin.display(description="people")
    def people(self, device: Device) -> str:
        return ", ".join(one.user.email for one in device.users.all())

    @admin.display(description="tier")
    def tier(self, device: Device) -> str:
        return f"T{device.tier_at(clock.now())}" if device.state == State.ENROLLED else "-"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        now, user = clock.now(), actor_of(request)
        counted = counts_by_day(None if user.is_superuser else user.organisation_id, now=now)
        context = {"trend": trend.draw(counted, today=now.date())} | (extra_context or {})
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        device = self.get_object(request, object_id)
        seen = shown.show(device, now=clock.now()) if device else None
        context = {"shown": seen} | (extra_context or {})
        return super().change_view(request, object_id, form_url, context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """What became of a device, when, by whom and why, as audit has it; latest first."""
        device = self.get_object(request, object_id)
        if device is None or not self.has_view_permission(request, device):
            raise Refusal.not_found()
        return TemplateResponse(
            request,
            "admin/devices/device/history.html",
            {
                **self.admin_site.each_context(request),
                "title": f"History of {device}",
                "device": device,
                "events": _history(device),
                "opts": self.opts,
            }
            | (extra_context or {}),
        )

    @admin.action(description="Let in: devices that wait for an administrator")
    def let_in(self, request: HttpRequest, chosen: QuerySet[Device]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.approve(
            device=row, actor=request.user, now=clock.now()
        ), "let in")  # fmt: skip

    @admin.action(description="Suspend: not trusted until resumed")
    def suspend(self, request: HttpRequest, chosen: QuerySet[Device]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.suspend(
            device=row, actor=request.user, reason=_reason(request), now=clock.now()
        ), "suspended")  # fmt: skip

    @admin.action(description="Resume: may earn trust again")
    def resume(self, request: HttpRequest, chosen: QuerySet[Device]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.resume(
            device=row, actor=request.user, now=clock.now()
        ), "resumed")  # fmt: skip

    @admin.action(description="Revoke: out of use for good (give a reason)")
    def revoke(self, request: HttpRequest, chosen: QuerySet[Device]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.revoke(
            device=row, actor=request.user, reason=_reason(request), now=clock.now()
        ), "revoked")  # fmt: skip

    @admin.action(description="Retire: no longer used")
    def retire(self, request: HttpRequest, chosen: QuerySet[Device]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.retire(
            device=row, actor=request.user, now=clock.now()
        ), "retired")  # fmt: skip


@admin.register(PostureReport)
class PostureReportAdmin(ScopedAdmin):
    """What was reported, as it came."""

    list_display = ("received_at", "device", "source", "evidence", "seq", "score", "tier")
    list_filter = ("source", "tier")
    search_fields = ("device__name",)
    ordering = ("-received_at",)
    list_select_related = ("device",)
    fields = (
        "device", "source", "evidence", "jti", "seq", "issued_at", "received_at", "score",
        "reported_tier", "tier", "score_version", "checks", "raw",
    )  # fmt: skip


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "")


@dataclass(frozen=True)
class Happened:
    """One event of a device's history. who: an address, or what an event names instead."""

    event: AuditEvent
    who: str

    @property
    def why(self) -> str:
        return str(self.event.facts.get("reason") or self.event.facts.get("cause") or "")


def _history(device: Device) -> list[Happened]:
    """Reports are left out: they stand in a list of their own."""
    about = AuditEvent.objects.filter(device_id=device.pk, subject=ref(device))
    reports = (Event.POSTURE_REPORTED, Event.POSTURE_REFUSED)
    events = list(about.exclude(event__in=reports).order_by("-at", "-id")[:MOST_EVENTS])
    label = f"{User._meta.label}:"  # noqa: SLF001 - as references are written
    people = {event.actor.removeprefix(label) for event in events if event.actor.startswith(label)}
    known = User.objects.within_id(device.organisation_id).filter(pk__in=people)
    named = {ref(user): user.email for user in known}
    return [Happened(event, named.get(event.actor, event.actor)) for event in events]
