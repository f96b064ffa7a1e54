"""Who may ask for what, and from when until when."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from access import flows
from access.models import Eligibility, Entitlement
from access.workloads import why_unfit
from accounts.admin import ScopedAdmin, WithinReachFilter, act_on_each, actor_of
from accounts.models import User
from core import clock
from idp.clients.roles import acts_for_itself
from idp.clients.workloads import find_workload, make_workload
from idp.models import Client


class EligibilityForm(forms.ModelForm):  # type: ignore[type-arg]
    """Its rules are those of `access.flows.add_eligibility` and `idp.clients.workloads`."""

    application = forms.CharField(
        required=False,
        max_length=255,
        widget=forms.TextInput(attrs={"size": 40, "spellcheck": "false"}),
        help_text="The client_id of an application that acts for itself, instead of a person.",
    )
    responsible = forms.CharField(
        required=False,
        max_length=254,
        widget=forms.TextInput(attrs={"size": 40, "spellcheck": "false"}),
        help_text="The address of who answers for the application; empty: who does already. "
        "Another takes it over, and what it has ends.",
    )

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
        self.found_client: Client | None = None
        self.found_responsible: User | None = None
        if values.get("application"):
            self._find_application(values, entitlement)
            if self.errors:
                return values
        named: Any = values.get("user") or values.get("group") or self.found_client
        all_named = [values.get("user"), values.get("group"), values.get("application")]
        if sum(map(bool, all_named)) != 1:
            raise forms.ValidationError("Name a person or a group, or an application.")
        if values.get("responsible") and not values.get("application"):
            raise forms.ValidationError("Only of an application somebody is responsible.")
        if entitlement is not None and named.organisation_id != entitlement.organisation_id:
            raise forms.ValidationError("Both belong to one organisation.")
        if entitlement is not None and not entitlement.is_active:
            self.add_error("entitlement", "This entitlement is retired.")
        now, ends_at = clock.now(), values.get("ends_at")
        if ends_at is not None and ends_at <= max(values.get("starts_at") or now, now):
            self.add_error("ends_at", "It must end after it starts, and not in the past.")
        if entitlement is not None and _is_eligible(entitlement, values, self.found_client):
            raise forms.ValidationError(f"{named} is eligible already.")
        return values

    def _find_application(self, values: dict[str, Any], entitlement: Entitlement | None) -> None:
        """The client and who is to answer for it, of the entitlement's organisation."""
        if entitlement is None:
            return
        organisation, said = entitlement.organisation, values.get("responsible", "").strip()
        client = Client.objects.within(organisation).filter(client_id=values["application"]).first()
        if client is None:
            self.add_error("application", "There is no such application here.")
            return
        if not acts_for_itself(client) or not client.is_active:
            self.add_error("application", "This application never acts for itself.")
            return
        if against := why_unfit(entitlement):
            self.add_error("entitlement", against)
        people = User.objects.within(organisation).filter(is_active=True)
        found = people.filter(email=said.lower()).first() if said else None
        if said and found is None:
            self.add_error("responsible", "There is no such person here.")
        elif not said and find_workload(client) is None:
            self.add_error("responsible", "Say who answers for this application.")
        self.found_client, self.found_responsible = client, found


def _is_eligible(entitlement: Entitlement, values: dict[str, Any], client: Client | None) -> bool:
    same = Eligibility.objects.within_id(entitlement.organisation_id).filter(
        Q(ends_at=None) | Q(ends_at__gt=clock.now()),
        entitlement=entitlement,
        user=values.get("user"),
        group=values.get("group"),
        workload=None if client is None else client.pk,
        ended_at=None,
    )
    return same.exists()


def who_may_ask(line: Eligibility) -> str:
    if line.workload is not None:
        return f"application {line.workload}"
    return line.user.email if line.user else f"group {line.group}"


@admin.register(Eligibility)
class EligibilityAdmin(ScopedAdmin):
    form = EligibilityForm
    list_display = (
        "who", "responsible", "entitlement", "organisation", "starts_at", "ends_at", "ended_at",
    )  # fmt: skip
    list_filter = (("entitlement", WithinReachFilter), ("ended_at", admin.EmptyFieldListFilter))
    list_select_related = (
        "entitlement", "user", "group", "workload__responsible", "organisation",
    )  # fmt: skip
    search_fields = ("entitlement__name", "user__email", "group__name", "workload__name")
    search_help_text = "Entitlement, address, group or application"
    ordering = ("-starts_at",)
    actions = ("end",)
    may_add = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        period = ("starts_at", "ends_at")
        if obj is None:
            return ("entitlement", "user", "group", "application", "responsible", *period)
        return ("entitlement", "user", "group", "workload", *period, "ended_at")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_at": clock.now()} | super().get_changeform_initial_data(request)

    @admin.display(description="who")
    def who(self, line: Eligibility) -> str:
        return who_may_ask(line)

    @admin.display(description="answers for it")
    def responsible(self, line: Eligibility) -> str:
        return "" if line.workload is None else line.workload.responsible.email

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's own
        **kwargs: Any,
    ) -> Any:
        """What only the form has is not asked of the row, which is looked at as it is."""
        if obj is not None:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change, **kwargs)

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        workload = None
        if form.found_client is not None:
            workload = make_workload(
                client=form.found_client,
                responsible=form.found_responsible,
                now=clock.now(),
                actor=actor_of(request),
            )
        saved = flows.add_eligibility(
            entitlement=obj.entitlement,
            user=obj.user,
            group=obj.group,
            workload=workload,
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
