"""A090: short, common, named-after-us, truncated or re-cased passwords."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from tests import cast
from tests.cast import PASSWORD, Person


def change(browser: Browser, new: str):
    return browser.post(
        reverse("account_change_password"),
        {"oldpassword": PASSWORD, "password1": new, "password2": new},
    )


@pytest.mark.parametrize(
    "weak",
    [
        "Zq7!kd", "Zq7!kd9$Lm2#xy", "password12345678", "qwertyuiopasdfghjkl",
        "Acme-Sallyport-1", "nina.novak.acme", "a" * 129,
    ],
)  # fmt: skip
def test_a_weak_password_is_refused_and_nothing_changes(
    client: Browser, newcomer: Person, weak: str
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    response = change(client, weak)
    assert response.status_code == 200
    assert response.context["form"].errors["password1"]
    assert User.unscoped.get(pk=newcomer.user.pk).check_password(PASSWORD)
    assert not AuditEvent.objects.filter(event=Event.PASSWORD_CHANGED).exists()


@pytest.mark.parametrize(
    "strong",
    [
        "thistle marmalade orbit", " spaces before and after ", "пароль из четырёх слов подряд",
        "wide " * 12 + "tail of it", "quilt 7 harbour " * 8,
    ],
)  # fmt: skip
def test_a_strong_password_is_verified_exactly_as_typed(
    client: Browser, newcomer: Person, strong: str
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    assert change(client, strong).status_code == 302
    user = User.unscoped.get(pk=newcomer.user.pk)
    assert user.check_password(strong)
    for other in (strong.upper(), strong.strip() + "x", strong[:-1], strong[:72]):
        assert other == strong or not user.check_password(other)
    assert AuditEvent.objects.filter(event=Event.PASSWORD_CHANGED).count() == 1
