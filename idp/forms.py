"""The shape of what people send."""

from collections.abc import Callable
from typing import Any

from django import forms

from accounts.models import REQUIRED_ACR, REQUIRED_TIER
from core import user_codes
from core.errors import Refusal
from idp.dynamic_registration.flows import MAX_LIFETIME, MAX_USES
from idp.dynamic_registration.ways import IMPLICIT
from idp.flows import DEFAULT_GRANT_TYPES, DEFAULT_SCOPES, OURS
from idp.models import Client, InitialAccessToken
from idp.models.client import AUTHZEN, GRANT_TYPES, SCOPES
from idp.registration import addresses, credentials, rules
from idp.registration.metadata import ClientMetadata


class ConsentForm(forms.Form):
    decision = forms.ChoiceField(choices=[("allow", "Allow"), ("deny", "Do not allow")])


class AccountForm(forms.Form):
    decision = forms.ChoiceField(choices=[("continue", "Continue"), ("switch", "Another account")])


class DeviceCodeForm(forms.Form):
    user_code = forms.CharField(
        label="Code", max_length=user_codes.MAX_TYPED_LENGTH, help_text="Eight letters."
    )


class LogoutForm(forms.Form):
    decision = forms.ChoiceField(choices=[("logout", "Sign out"), ("stay", "Stay signed in")])


class WordsField(forms.CharField):
    """A list of words: one a line, or parted by spaces."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 80, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, list) else (super().to_python(value) or "").split()


class ClientForm(forms.ModelForm):  # type: ignore[type-arg]
    """A client as an administrator registers it. Its rules are those of `idp.registration`."""

    redirect_uris = WordsField(
        required=False,
        label="Redirect URIs",
        help_text="One a line. Compared byte for byte: no wildcards, no other path, no other port.",
    )
    post_logout_redirect_uris = WordsField(
        required=False, label="Post-logout redirect URIs", help_text="One a line."
    )
    grant_types = forms.MultipleChoiceField(
        choices=[(name, name) for name in GRANT_TYPES],
        initial=list(DEFAULT_GRANT_TYPES),
        widget=forms.CheckboxSelectMultiple,
    )
    scopes = WordsField(
        required=False,
        initial=list(DEFAULT_SCOPES),
        help_text=f"Known to us: {', '.join(SCOPES)}, and {AUTHZEN} for who asks our policy. "
        "Others are the application's own.",
    )
    required_acr = forms.ChoiceField(
        choices=REQUIRED_ACR, required=False, label="Required assurance"
    )
    required_tier = forms.TypedChoiceField(
        choices=REQUIRED_TIER, coerce=int, required=False, label="Required device"
    )
    scope_tiers = forms.JSONField(
        required=False,
        initial=dict,
        label="Devices that scopes require",
        help_text='As JSON, tier by scope: {"db.write": 3}. On other devices they are withheld.',
    )
    token_endpoint_auth_method = forms.ChoiceField(
        choices=[("", "By kind"), *Client.AuthMethod.choices], required=False
    )

    class Meta:
        model = Client
        fields = (
            "organisation", "name", "kind", "is_first_party", "redirect_uris",
            "post_logout_redirect_uris", "grant_types", "scopes", "required_acr", "required_tier",
            "scope_tiers", "audience",
            "signing_alg", "token_endpoint_auth_method", "metadata",
        )  # fmt: skip
        help_texts = {
            "is_first_party": "Belongs to the organisation itself: people are not asked.",
            "metadata": "Further client metadata by the names of RFC 7591, as JSON.",
            "audience": "`aud` of its access tokens; empty means this server.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.kind == Client.Kind.PROXIED and "grant_types" in self.fields:
            self.fields["grant_types"].required = False
        elif "kind" in self.fields:
            kinds: Any = self.fields["kind"]
            kinds.choices = [each for each in kinds.choices if each[0] != Client.Kind.PROXIED]
            kinds.help_text = "What stands behind a proxy is added with its host: Proxied hosts."

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["required_tier"] = cleaned.get("required_tier") or 0
        cleaned["scope_tiers"] = cleaned.get("scope_tiers") or {}
        kind = cleaned.get("kind") or self.instance.kind
        for name in registration_fields(cleaned):
            is_its_own = self.instance.is_by_document and name not in OURS
            if is_its_own and cleaned[name] != getattr(self.instance, name):
                self.add_error(name, "Its own document says this: it is changed there.")
                continue
            try:
                cleaned |= rules.check({name: cleaned[name]}, kind=kind)
            except Refusal as refusal:
                self.add_error(name, refusal.detail)
        if not self.errors:
            try:
                rules.check_way_back(cleaned["grant_types"], cleaned["redirect_uris"])
            except Refusal as refusal:
                self.add_error("redirect_uris", refusal.detail)
        if not self.errors:
            try:
                known = ClientMetadata.from_json(cleaned["metadata"])
                rules.check_fit(cleaned["grant_types"], known)
                credentials.check_method(cleaned["token_endpoint_auth_method"], known)
                addresses.check_front_channel(known, cleaned["redirect_uris"])
            except Refusal as refusal:
                self.add_error("metadata", refusal.detail)
        return cleaned


class InitialAccessTokenForm(forms.ModelForm):  # type: ignore[type-arg]
    """A token that an administrator makes; its rules are those of the flow."""

    uses = forms.IntegerField(
        min_value=1, max_value=MAX_USES, initial=1, help_text="How many applications it registers."
    )
    days = forms.IntegerField(
        min_value=1, max_value=MAX_LIFETIME.days, initial=1, help_text="How long it lives."
    )
    grant_types = forms.MultipleChoiceField(
        choices=[(name, name) for name in [*GRANT_TYPES, IMPLICIT]],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What these applications may ask for; none means the installation's defaults.",
    )
    scopes = WordsField(
        required=False,
        help_text="What these applications may ask for; empty means all but roles.",
    )

    class Meta:
        model = InitialAccessToken
        fields = ("organisation", "name", "grant_types", "scopes")

    def clean_name(self) -> str:
        name: str = allowed("name", rules.check_name, self.cleaned_data["name"])
        return name

    def clean_scopes(self) -> list[str]:
        scopes: list[str] = self.cleaned_data["scopes"]
        return list(allowed("scopes", rules.check_scopes, scopes))


def allowed(name: str, check: Callable[[Any], Any], value: Any) -> Any:
    """The value as the rule keeps it; an empty one is left to the flow."""
    try:
        return check(value) if value else value
    except Refusal as refusal:
        raise forms.ValidationError(refusal.detail, code=name) from refusal


def registration_fields(cleaned: dict[str, Any]) -> list[str]:
    """The names among these that a flow may change."""
    return [name for name in cleaned if name not in {"organisation", "kind"}]
