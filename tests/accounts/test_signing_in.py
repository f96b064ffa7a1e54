"""Signing in by password: what is told, what is counted, what is written down."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget, flows
from accounts.models import GuessBudget, Organisation, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from tests.cast import PASSWORD, Person

WRONG = "not the password of anybody"


def sign_in(browser: Browser, email: str, password: str = PASSWORD, **extra):
    return browser.post(reverse("account_login"), {"login": email, "password": password}, **extra)


def test_a_right_password_goes_on(client: Browser, newcomer: Person) -> None:
    response = sign_in(client, newcomer.email)
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(newcomer.user.pk)


def test_the_address_may_be_typed_in_any_case(client: Browser, newcomer: Person) -> None:
    assert sign_in(client, "  Nina@ACME.example ").status_code == 302


def test_a_closed_account_an_unknown_one_and_a_wrong_password_get_one_answer(
    client: Browser, newcomer: Person, outsider: Person
) -> None:
    flows.deactivate_user(user=newcomer.user, now=clock.now())
    Organisation.objects.filter(pk=outsider.user.organisation_id).update(is_active=False)
    answers = [
        sign_in(client, newcomer.email),
        sign_in(client, outsider.email),
        sign_in(client, "nobody@acme.example"),
        sign_in(client, newcomer.email, WRONG),
    ]
    errors = {tuple(answer.context["form"].non_field_errors()) for answer in answers}
    assert {answer.status_code for answer in answers} == {200}
    assert len(errors) == 1
    assert "_auth_user_id" not in client.session


def test_a_failure_is_counted_once_and_written_down(client: Browser, newcomer: Person) -> None:
    sign_in(client, newcomer.email, WRONG)
    assert GuessBudget.objects.get(key=budget.key_of(newcomer.email)).total == 1
    event = AuditEvent.objects.get(event=Event.LOGIN_FAILED)
    assert event.subject == f"accounts.User:{newcomer.user.pk}"
    assert event.address == "127.0.0.1"
    assert WRONG not in str(event.facts)


def test_a_sign_in_forgets_earlier_failures(client: Browser, newcomer: Person) -> None:
    sign_in(client, newcomer.email, WRONG)
    sign_in(client, newcomer.email)
    assert not GuessBudget.objects.exists()


def test_a_right_password_without_the_second_factor_forgets_nothing(
    client: Browser, employee: Person
) -> None:
    sign_in(client, employee.email, WRONG)
    sign_in(client, employee.email)
    assert GuessBudget.objects.get().total == 1


def test_somebody_of_a_closed_organisation_cannot_go_on(client: Browser, newcomer: Person) -> None:
    sign_in(client, newcomer.email)
    flows.deactivate_organisation(organisation=newcomer.user.organisation, now=clock.now())
    response = client.get(reverse("console:home"))
    assert response.status_code == 302
    assert reverse("account_login") in response["Location"]


def test_a_password_longer_than_any_is_refused_unhashed(
    client: Browser, newcomer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_hash(*_: object) -> None:
        raise AssertionError("hashed")

    monkeypatch.setattr("accounts.passwords.Argon2Hasher.encode", no_hash)
    monkeypatch.setattr("accounts.passwords.Argon2Hasher.verify", no_hash)
    assert sign_in(client, newcomer.email, "x" * 100_000).status_code == 200
    assert not newcomer.user.check_password("x" * 100_000)


def test_signing_in_twice_at_once_is_not_an_error(client: Browser, newcomer: Person) -> None:
    sign_in(client, newcomer.email)
    assert sign_in(client, newcomer.email).status_code == 302


@pytest.mark.parametrize(
    "login", ["", "\x00", "nina", "é@acme.example", "a" * 5000, "nina@acme.example\x00"]
)
def test_malformed_addresses_are_a_form_error(
    client: Browser, newcomer: Person, login: str
) -> None:
    assert sign_in(client, login).status_code == 200


def test_only_this_site_is_a_next_page(client: Browser, newcomer: Person) -> None:
    response = client.post(
        reverse("account_login") + "?next=https://evil.example/",
        {"login": newcomer.email, "password": PASSWORD, "next": "https://evil.example/"},
    )
    assert response["Location"] == reverse("console:security")


def test_nobody_signs_in_through_the_model(newcomer: Person) -> None:
    assert User.objects.within(newcomer.user.organisation).get() == newcomer.user
