"""Entitlements: the list, and the editor."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from access import flows
from access.approvers import MOST_NAMED
from access.models import Eligibility, Entitlement
from access.tickets import secret_to_tell
from accounts.admin import (
    ScopedAdmin,
    act_on_each,
    actor_of,
    organisation_named,
    organisations_to_name,
)
from accounts.models import Organisation
from console.admin.entitlements.editor import Editor
from console.admin.entitlements.form import differences, initial
from console.previewing import preview
from core import clock
from core.errors import Refusal


@admin.register(Entitlement)
class EntitlementAdmin(ScopedAdmin):
    list_display = (
        "name", "organisation", "gives", "max_duration", "stages", "eligible", "is_active",
        "changed_at",
    )  # fmt: skip
    list_filter = ("is_active",)
    list_select_related = ("organisation",)
    search_fields = ("name", "description", "roles__name")
    ordering = ("name",)
    actions = ("retire",)
    may_add = may_change = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = Eligibility.unscoped.live(clock.now())
        rows: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .prefetch_related("roles")
            .annotate(
                _stages=Count("stages", distinct=True),
                _eligible=Count("eligibilities", filter=Q(eligibilities__in=live), distinct=True),
            )
        )
        return rows

    @admin.display(description="gives")
    def gives(self, entitlement: Entitlement) -> str:
        return ", ".join(sorted(role.name for role in entitlement.roles.all()))

    @admin.display(description="stages", ordering="_stages")
    def stages(self, entitlement: Any) -> str:
        return str(entitlement._stages or "nobody is asked")  # noqa: SLF001 - its annotation

    @admin.display(description="eligible", ordering="_eligible")
    def eligible(self, entitlement: Any) -> int:
        return int(entitlement._eligible)  # noqa: SLF001 - its annotation

    @admin.action(description="Retire: offer it no more, and end what was given by it")
    def retire(self, request: HttpRequest, chosen: QuerySet[Entitlement]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.retire_entitlement(
            entitlement=row, now=clock.now(), actor=actor_of(request)
        ), "retired")  # fmt: skip

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """The editor: preview as often as one likes, then save."""
        entitlement = None
        if object_id is not None:
            entitlement = self.get_object(request, object_id)
            if entitlement is None:
                raise Refusal.not_found()
        elif not self.has_add_permission(request):
            raise Refusal.not_allowed("Only administrators set the rules of access.")
        organisation = self._organisation(request, entitlement)
        is_sent = request.method == "POST"
        editor = Editor(organisation, entitlement, request.POST if is_sent else None)
        told = None
        if is_sent and editor.is_valid():
            assert editor.offer is not None  # noqa: S101 - a valid one has it
            name = editor.form.cleaned_data.get("name", "")
            try:
                if "preview" in request.POST:
                    told = preview(
                        entitlement=entitlement, organisation=organisation, name=name,
                        offer=editor.offer, actor=actor_of(request), describe=initial,
                    )  # fmt: skip
                else:
                    return self._save(request, editor, entitlement, name)
            except Refusal as refusal:
                is_taken = entitlement is None and refusal.code == "conflict"
                editor.form.add_error("name" if is_taken else None, refusal.detail)
        return TemplateResponse(
            request,
            "admin/access/entitlement/editor.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Entitlement {entitlement}" if entitlement else "Add entitlement",
                "editor": editor,
                "original": entitlement,
                "preview": told,
                "changed": differences(told.before, told.after) if told and told.before else [],
                "eligibilities": _eligibilities(entitlement) if entitlement else [],
                "organisation": organisation,
                "organisations": organisations_to_name(request) if entitlement is None else [],
                "opts": self.opts,
            },
        )

    def _save(
        self,
        request: HttpRequest,
        editor: Editor,
        entitlement: Entitlement | None,
        name: str,
    ) -> HttpResponse:
        common: dict[str, Any] = {
            "offer": editor.offer, "now": clock.now(), "actor": actor_of(request)
        }  # fmt: skip
        if entitlement is None:
            saved = flows.create_entitlement(organisation=editor.organisation, name=name, **common)
            self.message_user(request, f"{saved} is on offer. Say who may ask for it.")
        else:
            saved = flows.update_entitlement(entitlement=entitlement, **common)
            self.message_user(request, f"{saved} is saved as version {saved.version}.")
        secret = secret_to_tell(entitlement, saved)
        if secret is not None:
            return self._show_secret(request, saved, secret)
        return redirect("admin:access_entitlement_change", saved.pk)

    def _show_secret(
        self, request: HttpRequest, entitlement: Entitlement, secret: str
    ) -> HttpResponse:
        """Answer with the secret: it passes through no message, cookie or session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Keep this secret now",
            "entitlement": entitlement,
            "secret": secret,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/access/entitlement/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    def _organisation(self, request: HttpRequest, entitlement: Entitlement | None) -> Organisation:
        if entitlement is not None:
            return entitlement.organisation
        return organisation_named(request, request.GET.get("organisation", ""))


def _eligibilities(entitlement: Entitlement) -> list[Eligibility]:
    rows = Eligibility.objects.within_id(entitlement.organisation_id).filter(
        entitlement=entitlement, ended_at=None
    )
    rows = rows.select_related("user", "group", "workload__responsible")
    return list(rows.order_by("-starts_at")[:MOST_NAMED])
