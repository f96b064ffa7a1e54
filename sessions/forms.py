from django import forms

from mfa.forms import read_recovery_code, read_totp_code


class PasswordForm(forms.Form):
    password = forms.CharField(
        max_length=1024, strip=False, widget=forms.PasswordInput(render_value=False)
    )


class PasswordAndTotpForm(PasswordForm):
    code = forms.CharField(max_length=16)

    def clean_code(self) -> str:
        return read_totp_code(self.cleaned_data["code"])


class PasswordAndRecoveryCodeForm(PasswordForm):
    code = forms.CharField(label="Recovery code", max_length=64)

    def clean_code(self) -> str:
        return read_recovery_code(self.cleaned_data["code"])
