"""A091: huge passwords, names and forms must not cost huge work."""

import time

import pytest
from django.test import Client as Browser
from django.urls import reverse

from audit.models import AuditEvent
from tests.cast import Person

FORMS = {
    "account_login": {"login": "nina@acme.example", "password": "x"},
    "account_reset_password": {"email": "nina@acme.example"},
    "account_signup": {"email": "new@acme.example", "password1": "x"},
}
SECONDS_AT_MOST = 1.0  # of work, however busy the machine is


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("grown", [1_000_000, 200_000])
def test_a_huge_field_is_refused_quickly(
    client: Browser, newcomer: Person, settings, name: str, grown: int
) -> None:
    settings.SIGNUP = "open"
    for field in FORMS[name]:
        began = time.process_time()
        response = client.post(reverse(name), FORMS[name] | {field: "ﬃ" * (grown // 3)})
        assert time.process_time() - began < SECONDS_AT_MOST
        assert response.status_code in {200, 302, 400, 413}
    assert "_auth_user_id" not in client.session


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
