"""Who may ask for what, and from when until when."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from access import flows
from access.models import Eligibility, Entitlement
from accounts.admin import ScopedAdmin, WithinReachFilter, act_on_each, actor_of
from core import clock


class EligibilityForm(forms.ModelForm):  # type: ignore[type-arg]
    """Its rules are those of `access.flows.add_eligibility`."""

    class Meta:
        model = Eligibility
        fields = ("entitlement", "user", "group", "starts_at", "ends_at")
        help_texts = {
            "user": "A person, or a group below.",
            "ends_at": "Empty: until somebody ends it.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("user", "group", "starts_at", "ends_at"):
            if name in self.fields:
                self.fields[name].required = False

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        entitlement: Any = values.get("entitlement")
        named: Any = values.get("user") or values.get("group")
        if bool(values.get("user")) == bool(values.get("group")):
            raise forms.ValidationError("Name a person or a group.")
        if entitlement is not None and named.organisation_id != entitlement.organisation_id:
            raise forms.ValidationError("Both belong to one organisation.")
        if entitlement is not None and not entitlement.is_active:
            self.add_error("entitlement", "This entitlement is retired.")
        now, ends_at = clock.now(), values.get("ends_at")
        if ends_at is not None and ends_at <= max(values.get("starts_at") or now, now):
            self.add_error("ends_at", "It must end after it starts, and not in the past.")
        if entitlement is not None and _is_eligible(entitlement, values):
            raise forms.ValidationError(f"{named} is eligible already.")
        return values


def _is_eligible(entitlement: Entitlement, values: dict[str, Any]) -> bool:
    same = Eligibility.objects.within_id(entitlement.organisation_id).filter(
        Q(ends_at=None) | Q(ends_at__gt=clock.now()),
        entitlement=entitlement,
        user=values.get("user"),
        group=values.get("group"),
        ended_at=None,
    )
    return same.exists()


@admin.register(Eligibility)
class EligibilityAdmin(ScopedAdmin):
    form = EligibilityForm
    list_display = (
        "who", "entitlement", "organisation", "starts_at", "ends_at", "ended_at",
    )  # fmt: skip
    list_filter = (("entitlement", WithinReachFilter), ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = ("entitlement", "user", "group", "organisation")
    search_fields = ("entitlement__name", "user__email", "group__name")
    search_help_text = "Entitlement, address or group"
    ordering = ("-starts_at",)
    actions = ("end",)
    may_add = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        asked = ("entitlement", "user", "group", "starts_at", "ends_at")
        return asked if obj is None else (*asked, "ended_at")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": clock.now()} | super().get_changeform_initial_data(request)

    @admin.display(description="who")
    def who(self, line: Eligibility) -> str:
        return line.user.email if line.user else f"group {line.group}"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        saved = flows.add_eligibility(
            entitlement=obj.entitlement,
            user=obj.user,
            group=obj.group,
            starts_at=obj.starts_at,
            ends_at=obj.ends_at,
            now=clock.now(),
            actor=actor_of(request),
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="End: they may ask no more, and what they have by it is over")
    def end(self, request: HttpRequest, chosen: QuerySet[Eligibility]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.end_eligibility(
            eligibility=row, now=clock.now(), actor=actor_of(request)
        ), "ended")  # fmt: skip
