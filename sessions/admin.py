"""What the administration of people sees of their sessions, and does to them."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join

from accounts.admin import ScopedAdmin, UserAdmin
from accounts.models import User
from core import clock
from risk.geo import locate
from sessions import flows
from sessions.flows import sign_out_everywhere
from sessions.models import EndReason, LoginSession

admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(UserAdmin):
    """People as `accounts` lists them, which knows of no sessions."""

    actions: Any = (*UserAdmin.actions, "sign_out")

    @admin.action(description="Sign out everywhere: sessions and tokens end now")
    def sign_out(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        administrator: Any = request.user
        for user in chosen:
            sign_out_everywhere(
                user=user,
                reason=EndReason.ENDED_BY_ADMINISTRATOR,
                now=clock.now(),
                actor=f"accounts.User:{administrator.pk}",
            )
            self.message_user(request, f"{user} is signed out everywhere.")


@admin.register(LoginSession)
class LiveSessionAdmin(ScopedAdmin):
    """The sessions that are live now, and why policy lets each go on."""

    list_display = (
        "user", "browser", "device", "address", "place", "acr", "binding", "risk_level", "outcome",
        "started_at", "last_used_at",
    )  # fmt: skip
    list_filter = ("acr", "binding", "risk_level", "outcome")
    list_select_related = ("user", "browser__device")
    search_fields = ("user__email", "user__name")
    ordering = ("-last_used_at",)
    actions = ("end",)
    fields = (
        "id", "user", "browser", "device", "address", "place", "user_agent", "acr", "methods",
        "auth_time", "binding", "proven_at", "risk_level", "started_at", "last_used_at",
        "expires_at", "outcome", "evaluated_at", "reasons", "what_policy_saw", "decision_id",
        "policy_revision",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        over = LoginSession.unscoped.live(clock.now()).values("pk")
        return super().get_queryset(request).filter(pk__in=over).select_related("browser__device")

    @admin.display(description="device")
    def device(self, session: LoginSession) -> str:
        browser = session.browser
        device = browser.device if browser is not None else None
        return "" if device is None else f"{device} ({device.get_state_display()})"

    @admin.display(description="place")
    def place(self, session: LoginSession) -> str:
        return str(locate(session.address or ""))

    @admin.display(description="proven by")
    def methods(self, session: LoginSession) -> str:
        return ", ".join(session.amr)

    @admin.display(description="because of")
    def reasons(self, session: LoginSession) -> str:
        reasons = session.verdict.get("reasons", [])
        return ", ".join(reasons) or "nothing was held against it"

    @admin.display(description="what policy saw")
    def what_policy_saw(self, session: LoginSession) -> str:
        return format_html_join("", "<code>{} = {}</code><br>", _lines(_facts_of(session)))

    @admin.display(description="decision")
    def decision_id(self, session: LoginSession) -> str:
        return str(session.verdict.get("decision_id", ""))

    @admin.display(description="policy revision")
    def policy_revision(self, session: LoginSession) -> str:
        return str(session.verdict.get("policy_revision", ""))

    @admin.action(description="End: their tokens end now, too")
    def end(self, request: HttpRequest, chosen: QuerySet[LoginSession]) -> None:
        administrator: Any = request.user
        ended = sum(
            flows.end_session(
                session=session,
                reason=EndReason.ENDED_BY_ADMINISTRATOR,
                now=clock.now(),
                actor=f"accounts.User:{administrator.pk}",
            )
            for session in chosen
        )
        self.message_user(request, f"{ended} ended.")


def _facts_of(session: LoginSession) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = session.verdict.get("facts", {})
    return facts


def _lines(facts: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every fact by its path, as policy would name it."""
    for name, value in facts.items():
        if isinstance(value, Mapping) and value:
            yield from _lines(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value
