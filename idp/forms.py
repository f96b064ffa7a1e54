"""The shape of what people send."""

from django import forms


class ConsentForm(forms.Form):
    decision = forms.ChoiceField(choices=[("allow", "Allow"), ("deny", "Do not allow")])


class AccountForm(forms.Form):
    decision = forms.ChoiceField(choices=[("continue", "Continue"), ("switch", "Another account")])


class LogoutForm(forms.Form):
    decision = forms.ChoiceField(choices=[("logout", "Sign out"), ("stay", "Stay signed in")])
