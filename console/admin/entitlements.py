"""Administration of what may be asked for: the terms, who may ask, and what a change would do.

What a change would do is found out by doing it, and taking it back: nobody has to foresee it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from access import flows
from access.approvers import people_named, stages_of
from access.models import (
    LIVE,
    Eligibility,
    Entitlement,
    EntitlementRole,
    Grant,
    State,
)
from access.offers import COLUMNS, MAX_STAGES, Offer, StageLine, check_offer
from accounts.admin import ScopedAdmin, WithinReachFilter, act_on_each
from accounts.models import REQUIRED_ACR, REQUIRED_TIER, Organisation, Role, User
from console.admin.fields import ApproversField, PeriodField, lines_of
from core import clock
from core.errors import Refusal

MOST_SHOWN = 50
RULE = {"rows": 4, "cols": 80, "spellcheck": "false"}
# Where a refusal of the terms belongs, by how it begins.
PLACES = {
    "The condition": "condition",
    "Threshold": "thresholds",
    "The filter of": "thresholds",
    "There are at most 10 thresholds": "thresholds",
    "The pattern of tickets": "ticket_pattern",
    "Whoever checks tickets": "ticket_webhook",
    "An emergency": "break_glass_roles",
    "An entitlement gives": "roles",
    "An age": "max_age",
    "A window": "approval_window",
}


class OfferForm(forms.Form):
    """The terms of an entitlement; its rules are those of `access.offers.check_offer`."""

    name = forms.SlugField(
        max_length=64, help_text="Small letters, digits and hyphens. It cannot be changed later."
    )
    description = forms.CharField(
        max_length=200, required=False, widget=forms.TextInput(attrs={"size": 60})
    )
    roles = forms.ModelMultipleChoiceField(
        Role.unscoped.none(), widget=forms.CheckboxSelectMultiple, help_text="What it gives."
    )
    max_duration = PeriodField(
        label="Lasts at most", initial="8h", help_text="Like 8h, 1d 12h or 30m; at most 14d."
    )
    max_pending = PeriodField(label="A request waits for answers", initial="1h")
    activation_window = PeriodField(label="What is approved waits for its owner", initial="8h")
    start_horizon = PeriodField(label="It may start this far ahead", initial="7d")
    approval_window = PeriodField(
        label="An approval may be used again for", initial="0", help_text="0: not at all."
    )
    required_acr = forms.ChoiceField(label="Level of sign-in", choices=(), required=False)
    max_age = PeriodField(
        label="Sign-in not older than", required=False, help_text="Empty: any age."
    )
    required_tier = forms.TypedChoiceField(label="Tier of device", choices=(), coerce=int)
    reason_required = forms.BooleanField(
        label="Whoever asks gives a reason", required=False, initial=True
    )
    approver_reason_required = forms.BooleanField(
        label="Whoever answers gives a reason", required=False
    )
    ticket_pattern = forms.CharField(
        label="Pattern of tickets",
        max_length=200,
        required=False,
        help_text="A regular expression that the whole ticket matches; empty: none is asked for.",
        widget=forms.TextInput(attrs={"size": 40, "spellcheck": "false"}),
    )
    ticket_webhook = forms.CharField(
        label="Address that checks tickets",
        max_length=500,
        required=False,
        widget=forms.TextInput(attrs={"size": 60, "spellcheck": "false"}),
    )
    binds_session = forms.BooleanField(
        label="Counts only in the sign-in that begins it", required=False, initial=True
    )
    binds_device = forms.BooleanField(
        label="Counts only on the device that begins it", required=False, initial=True
    )
    binds_network = forms.BooleanField(
        label="Counts only from the address that begins it", required=False
    )
    condition = forms.CharField(
        required=False,
        max_length=2000,
        strip=False,
        widget=forms.Textarea(attrs=RULE),
        help_text="Conditions of Rego over input.requester, input.session and input.request, one "
        "a line, that must all hold; empty: none.",
    )
    thresholds = forms.JSONField(
        required=False,
        initial=list,
        widget=forms.Textarea(attrs=RULE),
        help_text='JSON: [{"approve": 1, "deny": 1, "filter": "…"}]. Any that is reached decides. '
        "A filter is conditions of Rego over input.reviewer, input.approval and input.request.",
    )
    break_glass_duration = PeriodField(
        label="In an emergency, without asking, for",
        required=False,
        help_text="Empty: not at all.",
    )
    break_glass_roles = forms.ModelMultipleChoiceField(
        Role.unscoped.none(),
        label="Roles in an emergency",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )

    def __init__(self, *args: Any, organisation: Organisation, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = Role.objects.within(organisation).order_by("name")
        fields: dict[str, Any] = self.fields
        fields["roles"].queryset = fields["break_glass_roles"].queryset = choices
        fields["required_acr"].choices = REQUIRED_ACR
        fields["required_tier"].choices = REQUIRED_TIER
        if not is_new:
            del self.fields["name"]

    def clean_thresholds(self) -> Any:
        given = self.cleaned_data["thresholds"] or []
        if not isinstance(given, list):
            raise forms.ValidationError("Thresholds are a list.")
        return given

    @property
    def sets(self) -> list[tuple[str, list[Any]]]:
        """The fields under their headings, as the page shows them."""
        return [
            (title, [self[name] for name in names if name in self.fields]) for title, names in SETS
        ]


SETS = (
    ("What", ("name", "description", "roles")),
    (
        "How long",
        (
            "max_duration", "max_pending", "activation_window", "start_horizon",
            "approval_window",
        ),
    ),
    (
        "What whoever asks must have",
        (
            "required_acr", "max_age", "required_tier", "reason_required", "ticket_pattern",
            "ticket_webhook", "condition",
        ),
    ),
    ("Where it counts", ("binds_session", "binds_device", "binds_network")),
    ("Emergencies", ("break_glass_duration", "break_glass_roles")),
    ("Answers", ("approver_reason_required", "thresholds")),
)  # fmt: skip


class StageForm(forms.Form):
    """A step of approvers; empty: there is none."""

    approvals_needed = forms.IntegerField(
        min_value=0, max_value=20, initial=1, help_text="0 where thresholds alone decide."
    )
    escalate_after = PeriodField(required=False, help_text="Empty: never.")
    auto_deny_after = PeriodField(
        label="Deny by itself after", required=False, help_text="Empty: never."
    )

    def __init__(self, *args: Any, organisation: Organisation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["approvers"] = ApproversField(
            organisation=organisation,
            help_text="One a line: an address, group:name or role:name.",
        )
        self.fields["escalation"] = ApproversField(
            organisation=organisation,
            label="And once it has escalated",
            help_text="As above.",
        )
        self.order_fields(["approvers", "approvals_needed", "escalate_after", "escalation"])

    @property
    def is_used(self) -> bool:
        values = self.cleaned_data
        return bool(values.get("approvers") or values.get("escalation"))

    @property
    def line(self) -> StageLine:
        values = self.cleaned_data
        escalation = [replace(each, is_escalation=True) for each in values["escalation"]]
        return StageLine(
            approvers=[*values["approvers"], *escalation],
            approvals_needed=values["approvals_needed"],
            escalate_after=values["escalate_after"],
            auto_deny_after=values["auto_deny_after"],
        )


class Editor:
    """The whole form of an entitlement: its terms, and five stages of which any may be empty."""

    def __init__(
        self, organisation: Organisation, entitlement: Entitlement | None, data: Any = None
    ) -> None:
        self.organisation, self.entitlement = organisation, entitlement
        terms, stages = ({}, []) if entitlement is None else _initial(entitlement)
        self.form = OfferForm(
            data, organisation=organisation, is_new=entitlement is None, initial=terms
        )
        stages += [{}] * (MAX_STAGES - len(stages))
        self.stages = [
            StageForm(data, prefix=f"stage{number}", organisation=organisation, initial=initial)
            for number, initial in enumerate(stages, 1)
        ]
        self.offer: Offer | None = None

    def is_valid(self) -> bool:
        """Whether it may be saved; `offer` is what it says then."""
        forms_ = [self.form, *self.stages]
        if not all([each.is_valid() for each in forms_]):  # noqa: C419 - each shows its errors
            return False
        values = self.form.cleaned_data
        offer = Offer(
            roles=list(values["roles"]),
            break_glass_roles=tuple(values["break_glass_roles"]),
            stages=[stage.line for stage in self.stages if stage.is_used],
            thresholds=values["thresholds"],
            **{column: values[column] for column in COLUMNS},
        )
        try:
            check_offer(offer, self.organisation.pk)
        except Refusal as refusal:
            self.refuse(refusal)
            return False
        self.offer = offer
        return True

    def refuse(self, refusal: Refusal) -> None:
        """Say it at the field that it is about, where that is known."""
        told = refusal.detail
        if told.startswith("A stage"):
            used = [stage for stage in self.stages if stage.is_used]
            stage = next((each for each in used if _is_about(told, each)), used[0])
            stage.add_error(_place_in_stage(told), told)
            return
        place = next((where for begin, where in PLACES.items() if told.startswith(begin)), None)
        self.form.add_error(place, told)


def _is_about(told: str, stage: StageForm) -> bool:
    line = stage.line
    if "who may answer" in told:
        return all(each.is_escalation for each in line.approvers)
    if "how long" in told:
        return line.escalate_after is None and bool(stage.cleaned_data["escalation"])
    if "needs" in told:
        return line.approvals_needed < 1
    return True


def _place_in_stage(told: str) -> str:
    if "who may answer" in told:
        return "approvers"
    return "approvals_needed" if "needs" in told else "escalate_after"


@dataclass
class Preview:
    """What saving would do. was, then: the state of a request or a grant before and after.

    askers: who may ask, as it stands. stages: who may answer at once, and after escalating.
    """

    changed: Sequence[str] = ()
    withdrawn: Sequence[Grant] = ()
    ended: Sequence[Grant] = ()
    suspended: Sequence[Grant] = ()
    kept: int = 0
    askers: Sequence[User] = ()
    askers_more: int = 0
    stages: list[tuple[int, Sequence[User], Sequence[User]]] = field(default_factory=list)


def preview(
    *, entitlement: Entitlement | None, organisation: Organisation, name: str, offer: Offer,
    actor: User,
) -> Preview:  # fmt: skip
    """Save it, look, and take it back. Refuses what saving refuses."""
    now = clock.now()
    with transaction.atomic():
        told = Preview()
        if entitlement is None:
            made = flows.create_entitlement(
                organisation=organisation, name=name, offer=offer, now=now, actor=actor
            )
        else:
            before = _states(entitlement)
            old = _initial(entitlement)
            made = flows.update_entitlement(
                entitlement=entitlement, offer=offer, now=now, actor=actor
            )
            told.changed = _differences(old, _initial(made))
            after = _states(made, before)
            moved = {key for key, state in after.items() if state != before[key]}
            rows = Grant.objects.within(organisation).select_related("requester")
            grants = list(rows.filter(pk__in=moved).order_by("requested_at"))
            told.withdrawn = [each for each in grants if each.state == State.CANCELLED]
            told.suspended = [each for each in grants if each.state == State.SUSPENDED]
            told.ended = [each for each in grants if each.state == State.REVOKED]
            told.kept = sum(after[key] in LIVE for key in after.keys() - moved)
        askers = _askers(made)
        told.askers = list(askers[:MOST_SHOWN])
        told.askers_more = max(0, askers.count() - MOST_SHOWN)
        told.stages = [
            (
                stage.position + 1,
                list(people_named(stage, is_escalated=False, now=now)[:MOST_SHOWN]),
                list(people_named(stage, is_escalated=True, now=now)[:MOST_SHOWN])
                if stage.escalate_after is not None
                else [],
            )
            for stage in stages_of(made)
        ]
        transaction.set_rollback(True)
    return told


def _states(entitlement: Entitlement, keys: Any = None) -> dict[UUID, str]:
    """Of those that are open, or of these."""
    rows = Grant.objects.within_id(entitlement.organisation_id).filter(entitlement=entitlement)
    rows = rows.filter(ended_at=None) if keys is None else rows.filter(pk__in=list(keys))
    return dict(rows.values_list("pk", "state"))


def _askers(entitlement: Entitlement) -> "QuerySet[User]":
    now, organisation_id = clock.now(), entitlement.organisation_id
    live = Eligibility.unscoped.live(now).filter(entitlement=entitlement)
    return (
        User.objects.within_id(organisation_id)
        .filter(
            Q(pk__in=live.exclude(user=None).values("user_id"))
            | Q(groupmember__group_id__in=live.exclude(group=None).values("group_id")),
            is_active=True,
        )
        .distinct()
        .order_by("email")
    )


def _initial(entitlement: Entitlement) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What the form shows of an entitlement."""
    lines = list(
        EntitlementRole.objects.within_id(entitlement.organisation_id)
        .filter(entitlement=entitlement)
        .select_related("role")
    )
    in_emergency = [each.role for each in lines if each.in_break_glass]
    terms = {column: getattr(entitlement, column) for column in COLUMNS} | {
        "roles": [each.role for each in lines],
        "break_glass_roles": in_emergency if len(in_emergency) < len(lines) else [],
        "thresholds": entitlement.thresholds,
    }
    stages = [
        {
            "approvers": lines_of(stage.approvers.all(), is_escalation=False),
            "escalation": lines_of(stage.approvers.all(), is_escalation=True),
            "approvals_needed": stage.approvals_needed,
            "escalate_after": stage.escalate_after,
            "auto_deny_after": stage.auto_deny_after,
        }
        for stage in stages_of(entitlement)
    ]
    return terms, stages


def _differences(
    old: tuple[dict[str, Any], list[dict[str, Any]]],
    new: tuple[dict[str, Any], list[dict[str, Any]]],
) -> list[str]:
    """The names of what is not as it was."""
    labels = {name: field.label for name, field in OfferForm.base_fields.items()}
    changed = [name for name in old[0] if _plain(old[0][name]) != _plain(new[0][name])]
    told = [str(labels[name] or name.replace("_", " ").capitalize()) for name in changed]
    return told + (["Stages"] if old[1] != new[1] else [])


def _plain(value: Any) -> Any:
    if isinstance(value, list) and value and isinstance(value[0], Role):
        return sorted(role.name for role in value)
    return value


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
            entitlement=row, now=clock.now(), actor=_actor(request)
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
                        offer=editor.offer, actor=_actor(request),
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
                "eligibilities": _eligibilities(entitlement) if entitlement else [],
                "organisation": organisation,
                "organisations": _organisations(request) if entitlement is None else [],
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
            "offer": editor.offer, "now": clock.now(), "actor": _actor(request)
        }  # fmt: skip
        if entitlement is None:
            saved = flows.create_entitlement(organisation=editor.organisation, name=name, **common)
            self.message_user(request, f"{saved} is on offer. Say who may ask for it.")
        else:
            saved = flows.update_entitlement(entitlement=entitlement, **common)
            self.message_user(request, f"{saved} is saved as version {saved.version}.")
        return redirect("admin:access_entitlement_change", saved.pk)

    def _organisation(self, request: HttpRequest, entitlement: Entitlement | None) -> Organisation:
        user: Any = request.user
        if entitlement is not None:
            return entitlement.organisation
        named = request.GET.get("organisation", "")
        if user.is_superuser and named:
            found = Organisation.objects.filter(slug=named).first()
            if found is None:
                raise Refusal.not_found()
            return found
        own: Organisation = user.organisation
        return own


def _organisations(request: HttpRequest) -> list[Organisation]:
    user: Any = request.user
    found = Organisation.objects.filter(is_active=True).order_by("name")
    return list(found) if user.is_superuser else []


def _eligibilities(entitlement: Entitlement) -> list[Eligibility]:
    rows = Eligibility.objects.within_id(entitlement.organisation_id).filter(
        entitlement=entitlement, ended_at=None
    )
    return list(rows.select_related("user", "group").order_by("-starts_at")[:MOST_SHOWN])


def _actor(request: HttpRequest) -> User:
    user: Any = request.user
    return User.unscoped.get(pk=user.pk)


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
            actor=_actor(request),
        )
        obj.__dict__.update(saved.__dict__)

    @admin.action(description="End: they may ask no more, and what they have by it is over")
    def end(self, request: HttpRequest, chosen: QuerySet[Eligibility]) -> None:
        act_on_each(self, request, chosen, lambda row: flows.end_eligibility(
            eligibility=row, now=clock.now(), actor=_actor(request)
        ), "ended")  # fmt: skip
