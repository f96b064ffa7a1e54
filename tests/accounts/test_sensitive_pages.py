"""Changing a password or an address asks for recent, strong proof, whoever the user is."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client as Browser
from django.urls import reverse

from audit.events import Event
from audit.models import AuditEvent
from sessions.models import LoginSession
from tests import cast
from tests.accounts import mailbox
from tests.cast import PASSWORD, Person

BETTER = "marmalade thistle orbit 77"
SENSITIVE = ["account_email", "account_change_password", "account_set_password"]


def change(browser: Browser, old: str = PASSWORD, new: str = BETTER):
    return browser.post(
        reverse("account_change_password"),
        {"oldpassword": old, "password1": new, "password2": new},
    )


@pytest.mark.parametrize("name", SENSITIVE)
def test_an_old_session_steps_up_first(client: Browser, newcomer: Person, later, name: str) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    later(minutes=11)
    response = client.get(reverse(name))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("sessions:step_up"))
    assert client.post(reverse(name), {}).status_code == 302


@pytest.mark.parametrize("name", SENSITIVE)
def test_unusable_password_is_no_way_past_step_up(
    client: Browser, employee: Person, later, name: str
) -> None:
    """AA1: allauth lets users without a password pass its own re-authentication unasked."""
    employee.user.set_unusable_password()
    employee.user.save()
    cast.sign_in(client, employee, acr="aal2")
    later(minutes=11)
    for answer in (client.get(reverse(name)), client.post(reverse(name), {"password1": BETTER})):
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("sessions:step_up"))
    employee.user.refresh_from_db()
    assert not employee.user.has_usable_password()


@pytest.mark.parametrize("name", SENSITIVE)
def test_one_factor_is_too_little_for_who_can_prove_two(
    client: Browser, employee: Person, name: str
) -> None:
    cast.sign_in(client, employee, acr="aal1")
    response = client.get(reverse(name))
    assert response["Location"].startswith(reverse("sessions:step_up"))
    assert "acr=aal2" in response["Location"]


@pytest.mark.parametrize("name", SENSITIVE)
def test_strangers_go_to_sign_in(client: Browser, db: None, name: str) -> None:
    assert client.get(reverse(name))["Location"].startswith(reverse("account_login"))


def test_allauths_own_reauthentication_leads_to_step_up(client: Browser, newcomer: Person) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    response = client.get(reverse("account_reauthenticate"))
    assert response["Location"].startswith(reverse("sessions:step_up"))


def test_changing_the_password_ends_the_other_sessions_and_keeps_this_one(
    client: Browser, newcomer: Person
) -> None:
    other = Browser()
    there = cast.sign_in(other, newcomer, acr="aal1")
    here = cast.sign_in(client, newcomer, acr="aal1")
    stamp = newcomer.user.security_stamp
    assert change(client).status_code == 302
    newcomer.user.refresh_from_db()
    assert newcomer.user.check_password(BETTER)
    assert newcomer.user.security_stamp != stamp
    assert LoginSession.unscoped.get(pk=there.pk).ended_at is not None
    assert LoginSession.unscoped.get(pk=here.pk).ended_at is None
    assert client.get(reverse("console:home")).status_code == 200
    assert other.get(reverse("console:home")).status_code == 302
    assert mailbox.subjects(newcomer.email)[-1] == "Your password was changed"
    event = AuditEvent.objects.get(event=Event.PASSWORD_CHANGED)
    assert BETTER not in str(event.facts)


def test_a_wrong_current_password_is_a_guess_like_any_other(
    client: Browser, newcomer: Person
) -> None:
    from accounts.models import GuessBudget

    cast.sign_in(client, newcomer, acr="aal1")
    response = change(client, old="a wrong guess at it")
    assert response.context["form"].errors["oldpassword"]
    assert GuessBudget.objects.get().total == 1
    assert AuditEvent.objects.filter(event=Event.LOGIN_FAILED).count() == 1
    newcomer.user.refresh_from_db()
    assert newcomer.user.check_password(PASSWORD)


def test_who_has_no_password_sets_one(client: Browser, employee: Person) -> None:
    employee.user.set_unusable_password()
    employee.user.save()
    cast.sign_in(client, employee)
    response = client.post(
        reverse("account_set_password"), {"password1": BETTER, "password2": BETTER}
    )
    assert response.status_code == 302
    employee.user.refresh_from_db()
    assert employee.user.check_password(BETTER)
    assert mailbox.subjects(employee.email) == ["A password was set"]
    assert client.get(reverse("console:home")).status_code == 200


def test_a_new_address_counts_once_its_owner_confirms_and_the_old_one_is_told(
    client: Browser, newcomer: Person
) -> None:
    old, new = newcomer.email, "nina.new@acme.example"
    cast.sign_in(client, newcomer, acr="aal1")
    client.post(reverse("account_email"), {"action_add": "", "email": new})
    newcomer.user.refresh_from_db()
    assert newcomer.user.email == old
    client.post(mailbox.path(new))
    newcomer.user.refresh_from_db()
    assert newcomer.user.email == new
    assert EmailAddress.objects.get().email == new
    assert "Your email address was changed" in mailbox.subjects(old)
    event = AuditEvent.objects.get(event=Event.EMAIL_CHANGED)
    assert (event.facts["old"], event.facts["new"]) == (old, new)
    assert client.get(reverse("console:home")).status_code == 200


def test_changing_the_address_needs_no_password_again_within_ten_minutes(
    client: Browser, newcomer: Person
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    assert client.get(reverse("account_email")).status_code == 200


def test_signing_out_takes_a_post(client: Browser, newcomer: Person) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    assert client.get(reverse("account_logout")).status_code == 200
    assert client.get(reverse("console:home")).status_code == 200
    client.post(reverse("account_logout"))
    assert client.get(reverse("console:home")).status_code == 302
