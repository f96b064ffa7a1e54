"""The shape of what administrators send."""

from typing import Any

from django import forms

from console.connecting import MAX_TABLE_BYTES, check_size
from core.errors import Refusal
from devices.connectors import administration, identifiers
from devices.connectors.findings import REPORTABLE
from devices.connectors.identifiers import Kind
from devices.models import Connector, DeviceIdentifier


class MapField(forms.CharField):
    """Names of another product's policies → our checks: `name = check`, one a line."""

    widget = forms.Textarea(attrs={"rows": 6, "cols": 80, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return "\n".join(f"{name} = {check}" for name, check in value.items())

    def to_python(self, value: Any) -> Any:
        if isinstance(value, dict):
            return value
        mapped: dict[str, str] = {}
        for line in (super().to_python(value) or "").splitlines():
            if not line.strip():
                continue
            name, equals, check = line.rpartition("=")
            if not equals:
                raise forms.ValidationError(f"{line.strip()[:60]}: write name = check.")
            mapped[name.strip()] = check.strip()
        return mapped


class ConnectorForm(forms.ModelForm):  # type: ignore[type-arg]
    """Its rules are those of `devices.connectors.administration`."""

    mapped = MapField(
        required=False,
        label="Checks",
        help_text="For Fleet: what its policies and queries stand for, one a line, as "
        f"name = check. Checks: {', '.join(sorted(REPORTABLE))}.",
    )

    class Meta:
        model = Connector
        fields = (
            "organisation", "kind", "name", "authentication", "access_issuer", "access_audience",
        )  # fmt: skip
        help_texts = {
            "access_issuer": "Cloudflare behind its Access: https://acme.cloudflareaccess.com",
            "access_audience": "Cloudflare behind its Access: the application's AUD tag",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and self.instance.name:
            self.fields["mapped"].initial = self.instance.checks

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        whole = {name: getattr(self.instance, name) for name in ("kind", "authentication", "name")}
        try:
            administration.check(
                kind=values.get("kind", whole["kind"]),
                authentication=values.get("authentication", whole["authentication"]),
                name=values.get("name", whole["name"]),
                checks=values.get("mapped", {}),
                access_issuer=values.get("access_issuer", self.instance.access_issuer),
                access_audience=values.get("access_audience", self.instance.access_audience),
            )
        except Refusal as refusal:
            raise forms.ValidationError(refusal.detail) from refusal
        return values


class IdentifierForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = DeviceIdentifier
        fields = ("device", "kind", "value")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        kind, value = values.get("kind"), values.get("value")
        if kind and value and identifiers.read(Kind(kind), value) is None:
            self.add_error("value", f"This is no {kind} of a device.")
        return values


class TableForm(forms.Form):
    table = forms.FileField(
        label="Table",
        help_text="JSON, or CSV with a heading: serial, uuid or fleet_host; observed_at; checks.",
    )
    is_dry = forms.BooleanField(
        required=False, initial=True, label="Look only: say what it would come to"
    )

    def clean_table(self) -> Any:
        """Its bytes are kept as `content`."""
        table = self.cleaned_data["table"]
        content = table.read(MAX_TABLE_BYTES + 1)
        try:
            check_size(content)
        except Refusal as refusal:
            raise forms.ValidationError(refusal.detail) from refusal
        self.cleaned_data["content"] = content
        return table
