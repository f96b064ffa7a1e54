"""Hosts of applications behind proxies, and what their paths demand.

The flows are those of the command line (`idp.forward_auth.registration`). It stands here, since its
fields are read as those of other pages here are.
"""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from accounts.admin import (
    ScopedAdmin,
    act_on_each,
    actor_of,
    organisation_named,
    organisations_to_name,
)
from accounts.models import REQUIRED_ACR, REQUIRED_TIER, Organisation, Role
from console.admin.fields import PeriodField
from core import clock
from core.errors import Refusal
from idp.forms import WordsField, allowed
from idp.forward_auth import registration
from idp.forward_auth.rules import (
    MAX_AGE_SECONDS,
    MAX_RULES,
    MEMBERS,
    check_origin,
    check_rules,
    version_of,
)
from idp.models import Client, ProxiedHost
from idp.registration.rules import check_name

SPARE = 3  # empty rules below those that are there
SAID_SHORT = {"size": 30, "spellcheck": "false"}


class HostForm(forms.Form):
    """Which application is where. Its rules are those of `idp.forward_auth.registration`."""

    application: Any = forms.ModelChoiceField(
        None, required=False, empty_label="A new one, by the name below"
    )
    name = forms.CharField(
        label="Name of a new one",
        required=False,
        widget=forms.TextInput(attrs={"size": 40}),
        help_text="What people will read.",
    )
    origin = forms.CharField(
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60, "spellcheck": "false"}),
        help_text="Where browsers see it, without a path: https://wiki.example.com",
    )

    def __init__(self, *args: Any, organisation: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["application"]
        proxied = Client.objects.within(organisation).filter(kind=Client.Kind.PROXIED)
        choices.queryset = proxied.filter(is_active=True).order_by("name")

    def clean_name(self) -> str:
        name: str = allowed("name", check_name, self.cleaned_data["name"])
        return name

    def clean_origin(self) -> str:
        origin: str = allowed("origin", lambda o: check_origin(o)[0], self.cleaned_data["origin"])
        return origin

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if "name" in values and bool(values["name"]) == bool(values.get("application")):
            self.add_error("name", "Choose an application, or name a new one.")
        return values


class RuleForm(forms.Form):
    """What one path demands; all that it says is checked by `idp.forward_auth.rules`."""

    path = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs=SAID_SHORT),
        help_text="It and all below it: /admin, or / for everything.",
    )
    roles = WordsField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 40, "spellcheck": "false"}),
        help_text="One of them is enough. One a line; none: whoever is signed in.",
    )
    permission = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs=SAID_SHORT),
        help_text="By one of the person's roles, as type:action, like report:read.",
    )
    resource = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs=SAID_SHORT),
        help_text="What lies there, as type:id: roles that are limited to it count as well.",
    )
    acr = forms.ChoiceField(label="Level of sign-in", choices=REQUIRED_ACR, required=False)
    max_age = PeriodField(
        label="Proven not longer ago than", required=False, help_text="Like 15m, at most 24h."
    )
    tier = forms.TypedChoiceField(
        label="Tier of device", choices=REQUIRED_TIER, coerce=int, required=False
    )
    gone = forms.BooleanField(label="Remove this rule", required=False)

    def __init__(self, *args: Any, organisation: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organisation = organisation
        if not self.initial:
            del self.fields["gone"]

    def clean_roles(self) -> list[str]:
        named: list[str] = self.cleaned_data["roles"]
        known = Role.objects.within(self.organisation).filter(name__in=named)
        unknown = set(named) - set(known.values_list("name", flat=True))
        if unknown:
            told = ", ".join(sorted(each[:64] for each in unknown))
            raise forms.ValidationError(f"There is no such role here: {told}.")
        return named

    def clean_max_age(self) -> int:
        age: timedelta = self.cleaned_data["max_age"] or timedelta(0)
        if age.total_seconds() > MAX_AGE_SECONDS:
            raise forms.ValidationError("At most 24h.")
        return int(age.total_seconds())

    def clean(self) -> dict[str, Any]:
        """What each rule refuses is said at the field that it is about."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        values["tier"] = values.get("tier") or 0
        if self.is_empty and not self.initial:
            return values
        prefix = values.get("path", "/")
        if not self._fits("path", {"prefix": prefix}):
            prefix = "/"
        for name in values.keys() - {"path", "gone", "resource"}:
            self._fits(name, {"prefix": prefix, name: values[name]})
        if not self.errors and values["resource"]:
            named = {name: values[name] for name in ("roles", "permission", "resource")}
            self._fits("resource", {"prefix": prefix} | named)
        return values

    def _fits(self, name: str, rule: dict[str, Any]) -> bool:
        try:
            check_rules([rule])
        except Refusal as refusal:
            self.add_error(name, refusal.detail)
            return False
        return True

    @property
    def said(self) -> dict[str, Any]:
        """The rule as it is kept."""
        members = {name: each for name, each in self.cleaned_data.items() if name in MEMBERS}
        return {"prefix": self.cleaned_data["path"]} | members

    @property
    def is_empty(self) -> bool:
        return not self.errors and not any(self.cleaned_data.values())

    @property
    def is_gone(self) -> bool:
        return bool(self.initial) and bool(self.data.get(self.add_prefix("gone")))

    @property
    def is_open(self) -> bool:
        return bool(self.initial) or bool(self.errors) or bool(self.is_bound and not self.is_empty)


class Editor:
    """The whole form of a host: where it is, for a new one, and its rules with some to spare.

    seen: the version of the rules that whoever fills it in was shown.
    """

    def __init__(
        self, organisation: Organisation, host: ProxiedHost | None, data: Any = None
    ) -> None:
        self.organisation, self.host = organisation, host
        kept = host.rules if host else []
        self.seen = data.get("seen", "") if data and host else version_of(kept)
        self.form = None if host else HostForm(data, organisation=organisation)
        count = min(max(len(kept), _shown(data)) + SPARE, MAX_RULES + SPARE)
        if data and "more" not in data:
            count = max(len(kept), min(_shown(data), MAX_RULES + SPARE))
        initials = [_initial(rule) for rule in kept]
        initials += [{}] * (count - len(kept))
        self.rules = [
            RuleForm(data, prefix=f"rule{number}", organisation=organisation, initial=initial)
            for number, initial in enumerate(initials, 1)
        ]

    def is_valid(self) -> bool:
        """Whether it may be saved; each of its forms shows what is wrong."""
        forms_ = [rule for rule in self.rules if not rule.is_gone]
        return all([each.is_valid() for each in [*([self.form] if self.form else []), *forms_]])  # noqa: C419

    @property
    def said(self) -> list[dict[str, Any]]:
        """The rules as the form has them; those without a word, and those taken away, are none."""
        kept = [rule for rule in self.rules if not rule.is_gone and not rule.is_empty]
        return [rule.said for rule in kept]

    @property
    def has_errors(self) -> bool:
        forms_ = [*self.rules, *([self.form] if self.form else [])]
        return any(each.is_bound and each.errors for each in forms_)


def _shown(data: Any) -> int:
    """How many rules the form had, as it says itself."""
    said = (data or {}).get("shown", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 4 else 0  # noqa: PLR2004


def _initial(rule: dict[str, Any]) -> dict[str, Any]:
    """What the fields of its form show."""
    shown = rule | {"path": rule["prefix"]}
    if "max_age" in rule:
        shown["max_age"] = timedelta(seconds=rule["max_age"])
    return shown


@admin.register(ProxiedHost)
class ProxiedHostAdmin(ScopedAdmin):
    list_display = ("origin", "client", "organisation", "demands", "is_on", "created_at")
    list_select_related = ("client", "organisation")
    search_fields = ("origin", "client__name", "client__client_id")
    search_help_text = "Address or application"
    ordering = ("origin",)
    actions = ("remove",)
    may_add = may_change = True

    @admin.display(description="demands")
    def demands(self, host: ProxiedHost) -> str:
        prefixes = ", ".join(sorted({rule["prefix"] for rule in host.rules}))
        return f"something of {prefixes}" if prefixes else "a sign-in, no more"

    @admin.display(description="application is on", boolean=True)
    def is_on(self, host: ProxiedHost) -> bool:
        return host.client.is_active

    @admin.action(description="Remove: its next request is refused, and who is signed in there out")
    def remove(self, request: HttpRequest, chosen: QuerySet[ProxiedHost]) -> None:
        act_on_each(self, request, chosen, lambda row: registration.remove_host(
            host=row, now=clock.now(), actor=actor_of(request)
        ), "removed")  # fmt: skip

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",  # noqa: ARG002
        extra_context: Any = None,  # noqa: ARG002
    ) -> HttpResponse:
        """The editor of one host and its rules."""
        host = None if object_id is None else self.get_object(request, object_id)
        if host is None and object_id is not None:
            raise Refusal.not_found()
        organisation = (
            host.organisation
            if host
            else organisation_named(request, request.GET.get("organisation", ""))
        )
        is_sent = request.method == "POST"
        editor = Editor(organisation, host, request.POST if is_sent else None)
        refused = ""
        if is_sent and "more" not in request.POST and editor.is_valid():
            try:
                return self._save(request, editor)
            except Refusal as refusal:
                refused = "" if editor.form else refusal.detail
                if editor.form:
                    editor.form.add_error("origin", refusal.detail)
        return TemplateResponse(
            request,
            "admin/idp/proxiedhost/editor.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Proxied host {host}" if host else "Add proxied host",
                "editor": editor,
                "original": host,
                "refused": refused,
                "organisation": organisation,
                "organisations": organisations_to_name(request) if host is None else [],
                "opts": self.opts,
            },
        )

    def _save(self, request: HttpRequest, editor: Editor) -> HttpResponse:
        common: dict[str, Any] = {
            "rules": editor.said, "now": clock.now(), "actor": actor_of(request)
        }  # fmt: skip
        if editor.host is not None:
            saved = registration.change_rules(host=editor.host, version=editor.seen, **common)
        else:
            assert editor.form is not None  # noqa: S101 - a new one has it
            values = editor.form.cleaned_data
            if values["application"]:
                saved = registration.add_host(
                    client=values["application"], origin=values["origin"], **common
                )
            else:
                saved = registration.register_application(
                    organisation=editor.organisation,
                    name=values["name"],
                    origins=[values["origin"]],
                    **common,
                ).proxied_hosts.get()
        self.message_user(request, f"Saved: the next request to {saved} is judged by this.")
        return redirect("admin:idp_proxiedhost_change", saved.pk)
