"""A091: huge passwords, names and forms must not cost huge work."""

import time

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.passwords import Argon2Hasher
from audit.models import AuditEvent
from tests.cast import Person

FORMS = {
    "account_login": {"login": "nina@acme.example", "password": "x"},
    "account_reset_password": {"email": "nina@acme.example"},
    "account_signup": {"email": "new@acme.example", "password1": "x"},
}
LARGER_THAN_A_BODY = 1_000_000
LONGEST_PASSWORD = 128
SECONDS_AT_MOST = 1.0  # of work, however busy the machine is


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long each password was that was hashed."""
    lengths: list[int] = []
    for name in ("encode", "verify"):
        real = getattr(Argon2Hasher, name)

        def note(self, password, *args, _real=real):
            lengths.append(len(password))
            return _real(self, password, *args)

        monkeypatch.setattr(Argon2Hasher, name, note)
    return lengths


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("grown", [LARGER_THAN_A_BODY, 200_000, 900])
def test_a_huge_field_is_refused_quickly(
    client: Browser, newcomer: Person, settings, hashed: list[int], name: str, grown: int
) -> None:
    """What is larger than a body may be is not read; what is larger than its field, not used."""
    settings.SIGNUP = "open"
    before = AuditEvent.objects.count()
    for field in FORMS[name]:
        began = time.process_time()
        response = client.post(reverse(name), FORMS[name] | {field: "ﬃ" * (grown // 3)})
        assert time.process_time() - began < SECONDS_AT_MOST
        if grown == LARGER_THAN_A_BODY:
            assert response.status_code in {400, 413}
        else:
            assert response.context["form"].errors
    assert "_auth_user_id" not in client.session
    assert max(hashed, default=0) <= LONGEST_PASSWORD
    failed = AuditEvent.objects.count() - before
    assert failed <= 1, "one guess: the password that was too long"


@pytest.mark.parametrize("length", [255, 256, 300, 320, 10_000])
def test_an_address_longer_than_any_is_refused(
    client: Browser, newcomer: Person, length: int
) -> None:
    domain = "@acme.example"
    response = client.post(
        reverse("account_login"),
        {"login": "x" * (length - len(domain)) + domain, "password": "a wrong guess"},
    )

    assert response.context["form"].errors["login"]
    assert not AuditEvent.objects.filter(event="accounts.login.failed").exists()


def test_a_form_of_a_hundred_thousand_fields_is_refused_quickly(
    client: Browser, newcomer: Person
) -> None:
    before = AuditEvent.objects.count()
    body = "&".join(f"f{number}=1" for number in range(30_000))
    began = time.process_time()
    response = client.post(
        reverse("account_login"), body, content_type="application/x-www-form-urlencoded"
    )
    assert time.process_time() - began < SECONDS_AT_MOST
    assert response.status_code == 400
    assert AuditEvent.objects.count() == before
