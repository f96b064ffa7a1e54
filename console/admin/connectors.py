"""Administration of connectors, and of what other products call our devices.

It stands here, since `devices` knows nobody of `accounts`, whose administration this is part of.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts.admin import ScopedAdmin
from console.connecting import path_of
from console.forms import ConnectorForm, IdentifierForm, TableForm
from core import clock
from core.errors import Refusal
from devices.connectors import administration, delivery
from devices.connectors.administration import Made
from devices.connectors.identifiers import Kind
from devices.connectors.models import Authentication, ConnectorKind
from devices.models import Connector, DeviceIdentifier


@admin.register(Connector)
class ConnectorAdmin(ScopedAdmin):
    """The secret is shown once, on the answer to the form itself."""

    form = ConnectorForm
    list_display = (
        "name", "kind", "organisation", "authentication", "used_at", "disabled_at",
    )  # fmt: skip
    list_filter = ("kind",)
    list_select_related = ("organisation",)
    ordering = ("name",)
    actions = ("rotate_secret", "forget", "switch_off")
    may_add = may_change = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        user: Any = request.user
        asked = ("kind", "name", "authentication", "mapped", "access_issuer", "access_audience")
        if obj is None:
            return ("organisation", *asked) if user.is_superuser else asked
        told = ["kind", "name", "authentication"]
        if obj.kind == ConnectorKind.FLEET:
            told.append("mapped")
        if obj.authentication == Authentication.ACCESS_TOKEN:
            told += ["access_issuer", "access_audience"]
        return (*told, "address", "created_at", "used_at", "disabled_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        if obj is None:
            return ()
        return (
            "kind", "name", "authentication", "access_issuer", "access_audience", "address",
            "created_at", "used_at", "disabled_at",
        )  # fmt: skip

    @admin.display(description="Address")
    def address(self, obj: Connector) -> str:
        """Where the other product calls."""
        return path_of(obj) or "nobody calls; bring a table"

    def get_urls(self) -> list[URLPattern]:
        bring = self.admin_site.admin_view(self.bring_table)
        return [
            path("<uuid:pk>/table/", bring, name="devices_connector_table"),
            *super().get_urls(),
        ]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        values = form.cleaned_data
        if change:
            saved = administration.map_checks(
                connector=obj, checks=values["mapped"], actor=request.user, now=clock.now()
            )
        else:
            made = administration.create(
                organisation_id=self.organisation_for(request, obj).pk,
                kind=values["kind"],
                name=values["name"],
                authentication=values["authentication"],
                checks=values["mapped"],
                access_issuer=values["access_issuer"],
                access_audience=values["access_audience"],
                actor=request.user,
                now=clock.now(),
            )
            saved, request.made = made.connector, made  # type: ignore[attr-defined]
        obj.__dict__.update(saved.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        made: Made = request.made  # type: ignore[attr-defined]
        if made.secret is None:
            return super().response_add(request, obj, post_url_continue)
        return self._show_secret(request, made)

    @admin.action(description="Give a new secret: the old one stops working at once")
    def rotate_secret(
        self, request: HttpRequest, chosen: QuerySet[Connector]
    ) -> HttpResponse | None:
        connectors = list(chosen)
        if len(connectors) != 1:
            self.message_user(request, "Choose one connector.", messages.ERROR)
            return None
        try:
            made = administration.rotate_secret(
                connector=connectors[0], actor=request.user, now=clock.now()
            )
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return None
        return self._show_secret(request, made)

    @admin.action(description="Forget what it has said, and go on listening")
    def forget(self, request: HttpRequest, chosen: QuerySet[Connector]) -> None:
        _each(self, request, chosen, administration.forget, "made to forget")

    @admin.action(description="Switch off, and forget what it has said")
    def switch_off(self, request: HttpRequest, chosen: QuerySet[Connector]) -> None:
        _each(self, request, chosen, administration.switch_off, "switched off")

    def bring_table(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Look at a table first, then take it in: the whole of it, or nothing."""
        connector = self.get_queryset(request).filter(pk=pk, kind=ConnectorKind.MDM).first()
        if connector is None:
            raise Refusal.not_found()
        form = TableForm(request.POST or None, request.FILES or None)
        outcome = None
        if request.method == "POST" and form.is_valid():
            try:
                outcome = delivery.take_table(
                    connector,
                    form.cleaned_data["content"],
                    actor=request.user,
                    is_dry=form.cleaned_data["is_dry"],
                    now=clock.now(),
                )
            except Refusal as refusal:
                form.add_error(None, refusal.detail)
        if outcome and not outcome.faults and not form.cleaned_data["is_dry"]:
            told = f"{outcome.checks} checks of {outcome.devices} devices updated."
            if outcome.unknown:
                told += f" {len(outcome.unknown)} devices are not enrolled here."
            self.message_user(request, told)
            return redirect("admin:devices_connector_change", connector.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": "Bring a table of devices",
            "connector": connector,
            "form": form,
            "outcome": outcome,
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/devices/connector/table.html", context)

    def _show_secret(self, request: HttpRequest, made: Made) -> HttpResponse:
        """Answer with the secret: it passes through no message, cookie or session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Keep this secret now",
            "connector": made.connector,
            "address": request.build_absolute_uri(self.address(made.connector)),
            "secret": made.secret,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/devices/connector/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


@admin.register(DeviceIdentifier)
class DeviceIdentifierAdmin(ScopedAdmin):
    form = IdentifierForm
    list_display = ("device", "kind", "value", "organisation", "added_at", "confirmed_at")
    list_filter = ("kind",)
    list_select_related = ("device", "organisation")
    search_fields = ("value", "device__name")
    ordering = ("device__name", "kind")
    fields = ("device", "kind", "value")
    actions = ("confirm", "take_away")
    may_add = True

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        saved = administration.identify(
            device=obj.device,
            kind=Kind(obj.kind),
            value=obj.value,
            actor=request.user,
            now=clock.now(),
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="Confirm: these devices are called so")
    def confirm(self, request: HttpRequest, chosen: QuerySet[DeviceIdentifier]) -> None:
        """Names that devices have told of themselves are used from then on."""
        for row in chosen.select_related("device"):
            try:
                administration.identify(
                    device=row.device,
                    kind=Kind(row.kind),
                    value=row.value,
                    actor=request.user,
                    now=clock.now(),
                )
            except Refusal as refusal:
                self.message_user(request, f"{row}: {refusal.detail}", messages.ERROR)
            else:
                self.message_user(request, f"{row.device} is {row}.")

    @admin.action(description="Take the names away")
    def take_away(self, request: HttpRequest, chosen: QuerySet[DeviceIdentifier]) -> None:
        for row in chosen.select_related("device"):
            administration.unidentify(identifier=row, actor=request.user, now=clock.now())
            self.message_user(request, f"{row.device} is no longer {row}.")


def _each(
    page: ScopedAdmin,
    request: HttpRequest,
    rows: QuerySet[Connector],
    act: Callable[..., Any],
    done: str,
) -> None:
    """Run a flow for each; a refusal is told and does not stop the others."""
    for connector in rows:
        try:
            act(connector=connector, actor=request.user, now=clock.now())
        except Refusal as refusal:
            page.message_user(request, f"{connector}: {refusal.detail}", messages.ERROR)
        else:
            page.message_user(request, f"{connector} is {done}.")
