"""Administration of applications. Secrets are shown once, on the answer to the form itself."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from accounts.admin import ScopedAdmin
from core import clock
from core.errors import Refusal
from idp import flows
from idp.flows import RegisteredClient
from idp.forms import ClientForm, registration_fields
from idp.models import Client


@admin.register(Client)
class ClientAdmin(ScopedAdmin):
    form = ClientForm
    list_display = (
        "name", "client_id", "organisation", "kind", "is_first_party", "required_acr", "is_active",
    )  # fmt: skip
    list_filter = ("kind", "is_active", "is_first_party")
    list_select_related = ("organisation",)
    search_fields = ("name", "client_id")
    ordering = ("name",)
    actions = ("rotate_secret", "deactivate")
    may_add = may_change = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return ("client_id", "kind", "is_active", "created_at", "changed_at") if obj else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        user: Any = request.user
        values = {name: form.cleaned_data[name] for name in registration_fields(form.cleaned_data)}
        if change:
            saved = flows.update_client(client=obj, now=clock.now(), actor=user, **values)
        else:
            registered = flows.register_client(
                organisation=self.organisation_for(request, obj),
                kind=form.cleaned_data["kind"],
                now=clock.now(),
                actor=user,
                **values,
            )
            saved, request.new_secret = registered.client, registered  # type: ignore[attr-defined]
        obj.__dict__.update(saved.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        registered: RegisteredClient = request.new_secret  # type: ignore[attr-defined]
        if registered.secret is None:
            return super().response_add(request, obj, post_url_continue)
        return self._show_secret(request, registered)

    @admin.action(description="Give a new secret: the old one stops working at once")
    def rotate_secret(self, request: HttpRequest, chosen: QuerySet[Client]) -> HttpResponse | None:
        clients = list(chosen)
        if len(clients) != 1:
            self.message_user(request, "Choose one application.", messages.ERROR)
            return None
        user: Any = request.user
        try:
            registered = flows.rotate_client_secret(client=clients[0], now=clock.now(), actor=user)
        except Refusal as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return None
        return self._show_secret(request, registered)

    @admin.action(description="Switch off: it gets nothing any more")
    def deactivate(self, request: HttpRequest, chosen: QuerySet[Client]) -> None:
        user: Any = request.user
        for client in chosen:
            flows.deactivate_client(client=client, now=clock.now(), actor=user)
            self.message_user(request, f"{client} is switched off.")

    def _show_secret(self, request: HttpRequest, registered: RegisteredClient) -> HttpResponse:
        """Answer with the secret: it passes through no message, cookie or session."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Keep this secret now",
            "client": registered.client,
            "secret": registered.secret,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/idp/client/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response
