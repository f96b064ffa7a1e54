"""Administration of applications. Secrets are shown once, on the answer to the form itself."""

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html_join

from accounts.admin import ScopedAdmin, WithinReachFilter, act_on_each
from core import clock
from core.errors import Refusal
from idp import flows
from idp.clients.roles import give_role, take_role
from idp.dynamic_registration.flows import (
    MadeToken,
    make_initial_access_token,
    withdraw_initial_access_token,
)
from idp.flows import RegisteredClient
from idp.forms import ClientForm, InitialAccessTokenForm, registration_fields
from idp.models import Client, ClientLogo, ClientRole, InitialAccessToken


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
    actions = ("rotate_secret", "rotate_secret_slowly", "deactivate")
    may_add = may_change = True

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        made = ("client_id", "kind", "is_active", "logo_state", "created_at", "changed_at")
        if obj is None:
            return ()
        return (*made, "hosts") if obj.kind == Client.Kind.PROXIED else made

    @admin.display(description="Hosts")
    def hosts(self, obj: Client) -> str:
        """Where browsers see it; each leads to what its paths demand."""
        rows = obj.proxied_hosts.order_by("origin")
        links = ((reverse("admin:idp_proxiedhost_change", args=[each.pk]), each) for each in rows)
        return format_html_join(", ", '<a href="{}">{}</a>', links) or "none: nobody reaches it"

    @admin.display(description="Logo")
    def logo_state(self, obj: Client) -> str:
        """What has become of its logo_uri (`idp.clients.logos`)."""
        logo: ClientLogo | None = getattr(obj, "logo", None)
        if logo is None or not logo.uri:
            return "none registered"
        if logo.fetched_at:
            return f"shown, as fetched {logo.fetched_at:%Y-%m-%d %H:%M} UTC"
        return f"not shown: {logo.last_error or 'not fetched yet'}"

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
        return self._rotate(request, chosen, keep_old_for=timedelta(0))

    @admin.action(description="Give a new secret: the old one stays good for a day")
    def rotate_secret_slowly(
        self, request: HttpRequest, chosen: QuerySet[Client]
    ) -> HttpResponse | None:
        return self._rotate(request, chosen, keep_old_for=timedelta(days=1))

    def _rotate(
        self, request: HttpRequest, chosen: QuerySet[Client], *, keep_old_for: timedelta
    ) -> HttpResponse | None:
        clients = list(chosen)
        if len(clients) != 1:
            self.message_user(request, "Choose one application.", messages.ERROR)
            return None
        user: Any = request.user
        try:
            registered = flows.rotate_client_secret(
                client=clients[0], keep_old_for=keep_old_for, now=clock.now(), actor=user
            )
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


@admin.register(ClientRole)
class ClientRoleAdmin(ScopedAdmin):
    list_display = ("client", "role", "organisation", "starts_at", "ends_at", "ended_at")
    list_filter = (("role", WithinReachFilter),)
    list_select_related = ("client", "role", "organisation")
    search_fields = ("client__name", "client__client_id", "role__name")
    ordering = ("-starts_at",)
    fields = ("client", "role", "ends_at")
    actions = ("take_back",)
    may_add = True

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        user: Any = request.user
        saved = give_role(
            client=obj.client, role=obj.role, ends_at=obj.ends_at, now=clock.now(), actor=user
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="Take roles back now")
    def take_back(self, request: HttpRequest, chosen: QuerySet[ClientRole]) -> None:
        user: Any = request.user
        act_on_each(self, request, chosen, lambda row: take_role(
            client_role=row, now=clock.now(), actor=user
        ), "taken back")  # fmt: skip


@admin.register(InitialAccessToken)
class InitialAccessTokenAdmin(ScopedAdmin):
    form = InitialAccessTokenForm
    list_display = (
        "__str__", "organisation", "uses_left", "expires_at", "created_by", "created_at",
    )  # fmt: skip
    list_select_related = ("organisation", "created_by")
    ordering = ("-created_at",)
    actions = ("withdraw",)
    may_add = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return (
                "name", "uses_left", "grant_types", "scopes", "created_by", "created_at",
                "expires_at",
            )  # fmt: skip
        user: Any = request.user
        asked = ("name", "uses", "days", "grant_types", "scopes")
        return ("organisation", *asked) if user.is_superuser else asked

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001
        made = make_initial_access_token(
            organisation=self.organisation_for(request, obj),
            name=form.cleaned_data["name"],
            uses=form.cleaned_data["uses"],
            lifetime=timedelta(days=form.cleaned_data["days"]),
            grant_types=form.cleaned_data["grant_types"],
            scopes=form.cleaned_data["scopes"],
            created_by=request.user,
            now=clock.now(),
        )
        request.made_token = made  # type: ignore[attr-defined]
        obj.__dict__.update(made.token.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:  # noqa: ARG002
        """Answer with the token: it passes through no message, cookie or session."""
        made: MadeToken = request.made_token  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": "Keep this token now",
            "row": made.token,
            "token": made.text,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/idp/initialaccesstoken/token.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Withdraw: what is left of it registers nothing any more")
    def withdraw(self, request: HttpRequest, chosen: QuerySet[InitialAccessToken]) -> None:
        user: Any = request.user
        for token in chosen:
            withdraw_initial_access_token(token=token, now=clock.now(), actor=user)
            self.message_user(request, f"{token} is withdrawn.")
