"""The shape of what browsers send: allauth's forms, where ours differ, and invitations."""

import re
from datetime import date
from typing import Any
from zoneinfo import available_timezones

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField, SetPasswordField
from django import forms
from django.core.validators import MaxLengthValidator, URLValidator
from django.db import IntegrityError, transaction

from accounts import flows
from accounts.models import Invitation, Lock, LockTarget, User
from core import clock
from core.errors import Refusal

MAX_EMAIL_LENGTH = 254
EARLIEST_YEAR = 1850
MAX_LOCK_MINUTES = 366 * 24 * 60
BIRTHDATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
SEPARATORS = re.compile(r"[ ()./-]")
LOCALE = re.compile(
    r"[a-z]{2,3}(-[a-z]{4})?(-([a-z]{2}|[0-9]{3}))?(-([a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*",
    re.IGNORECASE | re.ASCII,
)
REGION_LENGTH, SCRIPT_LENGTH = 2, 4


def _text(
    label: str, max_length: int, autocomplete: str, help_text: str = "", *, required: bool = False
) -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=max_length,
        required=required,
        help_text=help_text,
        validators=[_check_printable],
        widget=forms.TextInput(attrs={"autocomplete": autocomplete}),
    )


def _url(label: str) -> forms.URLField:
    return forms.URLField(
        label=label,
        max_length=500,
        required=False,
        assume_scheme="https",
        validators=[URLValidator(schemes=["https"], message="Give an https:// address.")],
        widget=forms.URLInput(attrs={"autocomplete": "off"}),
    )


def _check_printable(value: str) -> None:
    """Nothing that cannot be seen, or that turns the direction of what follows."""
    if not value.isprintable():
        raise forms.ValidationError("This holds characters that cannot be seen.")


def _time_zones() -> list[tuple[str, str]]:
    """Those of the time zone database that are named after a place, and UTC."""
    places = sorted(
        zone
        for zone in available_timezones()
        if "/" in zone and not zone.startswith(("Etc/", "SystemV/", "US/"))
    )
    return [("", "Not said"), ("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in places)]


def _subtag(text: str) -> str:
    if len(text) == REGION_LENGTH:
        return text.upper()
    return text.title() if len(text) == SCRIPT_LENGTH and text.isalpha() else text


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc]
    """allauth's, with a bound on what is read at all.

    `login_hint` in the browser's session is the address that an application expects.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login = self.fields["login"]
        login.validators.append(MaxLengthValidator(MAX_EMAIL_LENGTH))
        login.widget.attrs["maxlength"] = str(MAX_EMAIL_LENGTH)
        if self.request is not None:
            login.initial = self.request.session.get("login_hint", "")
        self.fields.pop("remember", None)


class SignupForm(allauth_forms.SignupForm):  # type: ignore[misc]
    """allauth's, doing the same work for an address that has an account as for one that has not."""

    account_already_exists: bool

    def try_save(self, request: Any) -> Any:
        try:
            with transaction.atomic():
                if self.account_already_exists:
                    flows.note_repeated_sign_up(
                        email=self.cleaned_data["email"],
                        password=self.cleaned_data["password1"],
                        now=clock.now(),
                    )
                return super().try_save(request)
        except IntegrityError:  # somebody else signed up with this address meanwhile
            self.account_already_exists = True
            return super().try_save(request)


class ChangePasswordForm(allauth_forms.ChangePasswordForm):  # type: ignore[misc]
    """allauth's, but a guess at the current password costs the account's guess budget."""

    def clean_oldpassword(self) -> str:
        typed: str = self.cleaned_data.get("oldpassword", "")
        if not get_adapter().reauthenticate(self.user, typed):
            raise get_adapter().validation_error("enter_current_password")
        return typed


class InvitationForm(forms.Form):
    """Name and password of somebody who accepts an invitation."""

    name = forms.CharField(
        label="Your name",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password1 = SetPasswordField(label="Password")
    password2 = PasswordField(label="Password, once more", autocomplete="new-password")

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        password: Any = self.fields["password1"]
        self.newcomer = User(email=invitation.email, organisation=invitation.organisation)
        password.user = self.newcomer  # what the password is compared with

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"].strip()
        self.newcomer.name = name
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if "password1" in cleaned and cleaned["password1"] != cleaned.get("password2"):
            self.add_error("password2", "Type the same password twice.")
        return cleaned


class ProfileForm(forms.Form):
    """What people say of themselves (OpenID Connect Core 1.0 §5.1); only the name is needed.

    The address stands beside the claims, each part a field of its own name.
    """

    name = _text("Full name", 150, "name", required=True)
    given_name = _text("First name", 100, "given-name")
    middle_name = _text("Middle name", 100, "additional-name")
    family_name = _text("Last name", 100, "family-name")
    nickname = _text("Nickname", 100, "nickname")
    preferred_username = _text(
        "User name", 64, "username", "Letters, digits, dot, dash, underscore"
    )
    gender = _text("Gender", 50, "sex")
    birthdate = _text("Date of birth", 10, "bday", "Year-month-day, such as 1990-04-30")
    phone_number = forms.CharField(
        label="Phone",
        max_length=40,
        required=False,
        help_text="With the country, such as +49 30 1234567",
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    website = _url("Website")
    profile = _url("Profile page")
    picture = _url("Picture")
    locale = _text("Language", 35, "language", "Its code, such as en or de-CH")
    zoneinfo = forms.ChoiceField(label="Time zone", choices=_time_zones, required=False)
    street_address = _text("Street and number", 200, "street-address")
    postal_code = _text("Postal code", 20, "postal-code")
    locality = _text("Town", 100, "address-level2")
    region = _text("Region", 100, "address-level1")
    country = _text("Country", 100, "country-name")

    def clean_preferred_username(self) -> str:
        """Nothing that looks like another's name or address, since applications show it as one."""
        value: str = self.cleaned_data["preferred_username"]
        if value and not USER_NAME.fullmatch(value):
            raise forms.ValidationError("Use letters, digits, dots, dashes and underscores.")
        return value

    def clean_birthdate(self) -> str:
        """ISO 8601-1, the year 0000 when it is not said (Core §5.1)."""
        value: str = self.cleaned_data["birthdate"]
        if not value:
            return ""
        year, leap_year = value[:4], "2000"
        try:
            day = date.fromisoformat(leap_year + value[4:] if year == "0000" else value)
        except ValueError:
            day = None
        if day is None or not BIRTHDATE.fullmatch(value) or day > clock.now().date():
            raise forms.ValidationError("Give a date as year-month-day, such as 1990-04-30.")
        if year != "0000" and day.year < EARLIEST_YEAR:
            raise forms.ValidationError(f"Give a year from {EARLIEST_YEAR} on.")
        return value

    def clean_phone_number(self) -> str:
        """E.164, without what people put between the digits."""
        value = SEPARATORS.sub("", self.cleaned_data["phone_number"])
        if value and not PHONE_NUMBER.fullmatch(value):
            raise forms.ValidationError("Begin with + and the country, such as +49 30 1234567.")
        return value

    def clean_locale(self) -> str:
        """A BCP 47 tag in its usual spelling: language, script, region, variants."""
        value: str = self.cleaned_data["locale"].replace("_", "-")
        if not value:
            return ""
        if not LOCALE.fullmatch(value):
            raise forms.ValidationError("Give a language code, such as en or de-CH.")
        language, *rest = value.lower().split("-")
        return "-".join([language, *map(_subtag, rest)])

    @property
    def claims(self) -> dict[str, str]:
        return {claim: self.cleaned_data[claim] for claim in flows.CLAIMS}

    @property
    def address(self) -> dict[str, str]:
        return {part: self.cleaned_data[part] for part in flows.ADDRESS_PARTS}


class InviteForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an administrator says to invite somebody."""

    class Meta:
        model = Invitation
        fields = ("email", "role")


class LockForm(forms.ModelForm):  # type: ignore[type-arg]
    """A lock as an administrator places it; its rules are those of `accounts.flows.place_lock`."""

    minutes = forms.IntegerField(
        min_value=0, max_value=MAX_LOCK_MINUTES, initial=0, required=False,
        label="For how many minutes", help_text="0: until somebody lifts it.",
    )  # fmt: skip

    class Meta:
        model = Lock
        fields = ("organisation", "target_type", "target", "reason", "message", "needs_recovery")
        labels = {"target_type": "What", "needs_recovery": "A recovery of the account lifts it"}
        help_texts = {
            "target": "A person's email address, a role's name, an application's client_id, an "
            "address or network, or the id of a device, a session or a factor.",
            "message": "For whom it stops.",
        }

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["minutes"] = cleaned.get("minutes") or 0
        kind, target = cleaned.get("target_type"), cleaned.get("target")
        if kind and target and kind not in {LockTarget.USER, LockTarget.ROLE}:
            try:
                cleaned["target"] = flows.canonical(LockTarget(kind), target)
            except Refusal as refusal:
                self.add_error("target", refusal.detail)
        return cleaned
