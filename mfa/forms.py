"""The shape of what people type. What is of the wrong shape is not a guess and costs nothing."""

from django import forms

from mfa import recovery_codes, totp


def read_totp_code(typed: str) -> str:
    """Six ASCII digits; apps show them in two groups, so spaces between them are allowed."""
    code = typed.replace(" ", "")
    if not totp.is_code(code):
        raise forms.ValidationError("Enter the six digits that your app shows.", code="shape")
    return code


def read_recovery_code(typed: str) -> str:
    if not recovery_codes.is_code(typed):
        raise forms.ValidationError(
            "A recovery code has sixteen letters and digits, like k7mq-x2ra-9fte-w3pn.",
            code="shape",
        )
    return recovery_codes.normalised(typed)


class TotpForm(forms.Form):
    code = forms.CharField(max_length=16)

    def clean_code(self) -> str:
        return read_totp_code(self.cleaned_data["code"])


class RecoveryCodeForm(forms.Form):
    code = forms.CharField(label="Recovery code", max_length=64)

    def clean_code(self) -> str:
        return read_recovery_code(self.cleaned_data["code"])


class NewPasskeyForm(forms.Form):
    name = forms.CharField(max_length=64, required=False)


class RenamePasskeyForm(forms.Form):
    name = forms.CharField(max_length=64)
