"""The shape of what browsers send: allauth's forms, where ours differ, and invitations."""

from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from allauth.account.fields import PasswordField, SetPasswordField
from django import forms
from django.db import IntegrityError, transaction

from accounts import flows
from accounts.models import Invitation, User
from core import clock


class LoginForm(allauth_forms.LoginForm):  # type: ignore[misc]
    """allauth's, with a bound on what is read at all.

    `login_hint` in the browser's session is the address that an application expects.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].max_length = 254
        if self.request is not None:
            self.fields["login"].initial = self.request.session.get("login_hint", "")
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


class InviteForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an administrator says to invite somebody."""

    class Meta:
        model = Invitation
        fields = ("email", "role")
