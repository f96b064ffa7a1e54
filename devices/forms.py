"""The shape of what people and machines send."""

from collections.abc import Mapping
from typing import Any

from django import forms

from core import user_codes
from core.errors import Refusal
from devices.flows import Wish
from devices.flows.states import MAX_NAME_LENGTH, plain_name
from devices.models import KeyStorage, Platform

WISH = {"public_jwk", "name", "platform", "key_storage", "proof"}


class EnrolmentCodeForm(forms.Form):
    user_code = forms.CharField(
        label="Code", max_length=user_codes.MAX_TYPED_LENGTH, help_text="Eight letters."
    )


class EnrolmentForm(forms.Form):
    """runs_here: this browser runs on the machine that asks."""

    decision = forms.ChoiceField(choices=[("allow", "Enrol"), ("deny", "Do not enrol")])
    runs_here = forms.BooleanField(required=False, label="This browser runs on that machine")


class RenameForm(forms.Form):
    name = forms.CharField(label="Name", max_length=MAX_NAME_LENGTH)


def read_wish(members: Mapping[str, Any]) -> Wish:
    """What a machine says of itself when it asks to be enrolled; refuses invalid_request."""
    if members.keys() != WISH:
        raise Refusal.invalid_request(f"The body has exactly {', '.join(sorted(WISH))}.")
    if not isinstance(members["name"], str):
        raise Refusal.invalid_request("name is a text.")
    try:
        platform, storage = Platform(members["platform"]), KeyStorage(members["key_storage"])
    except ValueError as error:
        raise Refusal.invalid_request(
            f"platform is one of {', '.join(Platform.values)};"
            f" key_storage one of {', '.join(KeyStorage.values)}."
        ) from error
    return Wish(plain_name(members["name"]), platform, storage)
