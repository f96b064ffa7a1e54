"""Administration of chat rooms that are told what happens to access."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from access import flows
from access.chat.delivery import latest
from access.chat.models import ChatDelivery, ChatWebhook, Happening
from access.flows.rooms import AddedRoom, check_address
from accounts.admin import ScopedAdmin, act_on_each, actor_of
from accounts.models import Organisation
from core import clock
from core.errors import Refusal
from core.outbound import MAX_URL_LENGTH

DEFAULT = [
    Happening.REQUESTED, Happening.BREAK_GLASS, Happening.TAKEN_AWAY, Happening.REVIEW_DUE,
    Happening.ALERT,
]  # fmt: skip


class RoomForm(forms.ModelForm):  # type: ignore[type-arg]
    """Its rules are those of `access.flows.rooms`."""

    address = forms.CharField(
        max_length=MAX_URL_LENGTH,
        widget=forms.TextInput(attrs={"size": 80, "autocomplete": "off", "spellcheck": "false"}),
        help_text="Of the incoming webhook, or of the workflow. Whoever knows it may write there: "
        "it is kept sealed and not shown again.",
    )
    happenings = forms.MultipleChoiceField(
        label="Is told when",
        choices=Happening.choices,
        initial=DEFAULT,
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = ChatWebhook
        fields = ("organisation", "name", "format", "happenings")

    mine: Organisation  # whose room it will be, unless that is chosen

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Where a room is can only be said when it is added."""
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:  # noqa: SLF001 - Django's documented model API
            del self.fields["address"]
            self.mine = self.instance.organisation

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = ChatWebhook.objects.within(self.cleaned_data.get("organisation") or self.mine)
        if others.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("A room of this name is there already.")
        return name

    def clean_address(self) -> str:
        url: str = self.cleaned_data["address"]
        try:
            check_address(url)
        except Refusal as refusal:
            raise forms.ValidationError(refusal.detail) from refusal
        return url


@admin.register(ChatWebhook)
class ChatWebhookAdmin(ScopedAdmin):
    """What messages are signed with is shown once, on the answer to the form itself."""

    form = RoomForm
    list_display = ("name", "format", "host", "organisation", "told_of", "waits", "last")
    list_select_related = ("organisation",)
    ordering = ("name",)
    actions = ("send_test", "remove")
    may_add = may_change = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        waiting = Q(deliveries__next_attempt_at__isnull=False)
        rows: Any = super().get_queryset(request)
        told: QuerySet[Any] = rows.annotate(_waits=Count("deliveries", filter=waiting))
        return told

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return ("name", "happenings", "format", "host", "created_at", "waits", "last")
        user: Any = request.user
        asked = ("name", "format", "address", "happenings")
        return ("organisation", *asked) if user.is_superuser else asked

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002
        return () if obj is None else ("format", "host", "created_at", "waits", "last")

    def get_form(self, request: HttpRequest, *args: Any, **how: Any) -> Any:
        form: Any = super().get_form(request, *args, **how)
        form.mine = actor_of(request).organisation
        return form

    @admin.display(description="is told when")
    def told_of(self, room: ChatWebhook) -> str:
        return "; ".join(Happening(each).label for each in room.happenings)

    @admin.display(description="waiting")
    def waits(self, room: Any) -> int:
        return int(room._waits)  # noqa: SLF001 - its annotation

    @admin.display(description="latest message")
    def last(self, room: ChatWebhook) -> str:
        row = latest([room]).get(room.pk)
        return "nothing was sent yet" if row is None else _told(row)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001
        values = form.cleaned_data
        said: dict[str, Any] = {
            "name": values["name"],
            "happenings": values["happenings"],
            "now": clock.now(),
            "actor": actor_of(request),
        }
        if change:
            saved = flows.update_room(webhook=obj, **said)
        else:
            organisation = self.organisation_for(request, obj)
            added = flows.add_room(
                organisation=organisation, form=values["format"], url=values["address"], **said
            )
            saved, request.added = added.webhook, added  # type: ignore[attr-defined]
        obj.__dict__.update(saved.__dict__)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        added: AddedRoom = request.added  # type: ignore[attr-defined]
        if added.secret is None:
            return super().response_add(request, obj, post_url_continue)
        context = {
            **self.admin_site.each_context(request),
            "title": "Keep this secret now",
            "room": added.webhook,
            "secret": added.secret,
            "opts": self.opts,
        }
        response = TemplateResponse(request, "admin/access/chatwebhook/secret.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Send a test message")
    def send_test(self, request: HttpRequest, chosen: QuerySet[ChatWebhook]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.send_test(
            webhook=row, now=clock.now(), actor=actor_of(request)
        ), "told")  # fmt: skip

    @admin.action(description="Remove: it is told nothing more, and its address is forgotten")
    def remove(self, request: HttpRequest, chosen: QuerySet[ChatWebhook]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.remove_room(
            webhook=row, now=clock.now(), actor=actor_of(request)
        ), "removed")  # fmt: skip


def _told(row: ChatDelivery) -> str:
    if row.delivered_at is not None:
        return f"taken on {row.delivered_at:%-d %B %Y at %H:%M} UTC"
    if row.next_attempt_at is None:
        return f"given up: {row.last_error}"
    return f"not taken yet: {row.last_error or 'it is being sent'}"
