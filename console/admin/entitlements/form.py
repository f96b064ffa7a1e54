"""The forms of an entitlement: its terms, and a step of approvers; and what they show of one."""

from dataclasses import replace
from typing import Any

from django import forms

from access.approvers import stages_of
from access.models import Entitlement, EntitlementRole
from access.offers import COLUMNS, StageLine
from accounts.models import REQUIRED_ACR, REQUIRED_TIER, Organisation, Role
from console.admin.fields import ApproversField, PeriodField, ResourcesField, lines_of

RULE = {"rows": 4, "cols": 80, "spellcheck": "false"}


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
    resources = ResourcesField(
        label="Counts only for these resources",
        required=False,
        help_text="One a line: its type, a space, its id. Such roles are in no token; applications "
        "learn of them by asking policy (AuthZEN). Empty: for all that the roles allow.",
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

    def __init__(
        self, *args: Any, organisation: Organisation, original: Entitlement | None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        choices = Role.objects.within(organisation).order_by("name")
        fields: dict[str, Any] = self.fields
        fields["roles"].queryset = fields["break_glass_roles"].queryset = choices
        fields["required_acr"].choices = REQUIRED_ACR
        fields["required_tier"].choices = REQUIRED_TIER
        if original is not None:
            del self.fields["name"]
        if original is not None and original.is_publication:
            for name in OF_ROLES:
                del self.fields[name]

    def clean_thresholds(self) -> Any:
        given = self.cleaned_data["thresholds"] or []
        if not isinstance(given, list):
            raise forms.ValidationError("Thresholds are a list.")
        return given

    @property
    def sets(self) -> list[tuple[str, list[Any]]]:
        """The fields under their headings, as the page shows them."""
        return [
            (title, fields)
            for title, names in SETS
            if (fields := [self[name] for name in names if name in self.fields])
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
    ("Where it counts", ("resources", "binds_session", "binds_device", "binds_network")),
    ("Emergencies", ("break_glass_duration", "break_glass_roles")),
    ("Answers", ("approver_reason_required", "thresholds")),
)  # fmt: skip


# What has no meaning where a policy is published.
OF_ROLES = (
    "roles", "resources", "max_duration", "start_horizon", "approval_window", "ticket_webhook",
    "binds_session", "binds_device", "binds_network", "break_glass_duration", "break_glass_roles",
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
            help_text="One a line: an address, group:name or role:name. Where a policy is "
            "published only administrators of every organisation count, all of them by the word "
            "administrators.",
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


def initial(entitlement: Entitlement) -> tuple[dict[str, Any], list[dict[str, Any]]]:
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
        "resources": entitlement.resources,
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


def differences(
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
