"""A115: switch the second factor off from outside: by a forged form, by more fields, by GET."""

import pytest
from django.test import Client as Browser

from mfa.models import PasskeyFactor, TotpFactor
from tests import cast
from tests.cast import Person
from tests.support import passkeys


@pytest.fixture
def victim(employee: Person) -> Browser:
    """The victim's browser, signed in and fresh, on a page of the attacker's."""
    browser = Browser(enforce_csrf_checks=True)
    cast.sign_in(browser, employee)
    return browser


def test_a_forged_form_removes_nothing(victim: Browser, employee: Person) -> None:
    passkey = passkeys.register(employee, passkeys.authenticator())
    cast.sign_in(victim, employee)
    for path in ("/mfa/totp/remove/", f"/mfa/passkeys/{passkey.row_id}/remove/"):
        assert victim.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
        assert victim.post(path).status_code == 403

    assert TotpFactor.objects.exists()
    assert PasskeyFactor.objects.exists()


@pytest.mark.parametrize(
    "path",
    [*passkeys.LOGIN, *passkeys.CHALLENGE, *passkeys.STEP_UP, *passkeys.ADD],
)
def test_ceremonies_want_the_token_too(victim: Browser, path: str) -> None:
    assert passkeys.post(victim, path, {}).status_code == 403


def test_looking_removes_nothing(client: Browser, employee: Person) -> None:
    passkey = passkeys.register(employee, passkeys.authenticator())
    cast.sign_in(client, employee)

    for method in ("get", "head"):
        for path in ("/mfa/totp/remove/", f"/mfa/passkeys/{passkey.row_id}/remove/"):
            getattr(client, method)(path)

    assert TotpFactor.objects.exists()
    assert PasskeyFactor.objects.exists()


def test_other_forms_take_no_field_of_a_factor(client: Browser, employee: Person) -> None:
    passkey = passkeys.register(employee, passkeys.authenticator())
    cast.sign_in(client, employee)

    client.post(
        f"/mfa/passkeys/{passkey.row_id}/rename/",
        {"name": "x", "confirmed": "", "user": "1", "sign_count": "0", "public_key": "AAAA"},
    )

    after = PasskeyFactor.objects.get()
    assert (after.name, after.confirmed, bytes(after.public_key)) == ("x", True, passkey.public_key)
