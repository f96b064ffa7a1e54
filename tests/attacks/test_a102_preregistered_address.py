"""A102: an attacker signs up with the victim's address and waits for the victim to confirm it."""

import pytest
from allauth.account.models import EmailAddress
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import Organisation, User
from audit.events import Event
from audit.models import AuditEvent
from tests.accounts import mailbox
from tests.cast import Person

VICTIM = "victim@acme.example"
ATTACKERS = "chosen by the attacker 99"


@pytest.fixture
def trap(settings, acme: Organisation) -> Browser:
    settings.SIGNUP = "open"
    attacker = Browser()
    attacker.post(reverse("account_signup"), {"email": VICTIM, "password1": ATTACKERS})
    return attacker


def test_confirming_from_another_browser_forgets_the_password(trap: Browser) -> None:
    victim = Browser()
    response = victim.post(mailbox.path(VICTIM))
    user = User.unscoped.get(email=VICTIM)
    assert EmailAddress.objects.get(user=user).verified
    assert not user.has_usable_password()
    assert response["Location"] == reverse("account_reset_password")
    trap.post(reverse("account_login"), {"login": VICTIM, "password": ATTACKERS})
    assert "_auth_user_id" not in trap.session
    assert AuditEvent.objects.filter(event=Event.PASSWORD_DISCARDED).count() == 1


def test_until_it_is_confirmed_nobody_is_signed_in(trap: Browser) -> None:
    trap.post(reverse("account_login"), {"login": VICTIM, "password": ATTACKERS})
    assert "_auth_user_id" not in trap.session


def test_a_reset_by_the_victim_replaces_it(trap: Browser) -> None:
    victim = Browser()
    victim.post(reverse("account_reset_password"), {"email": VICTIM})
    form = victim.get(mailbox.path(VICTIM), follow=True)
    new = "chosen by the victim 42"
    victim.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    assert User.unscoped.get(email=VICTIM).check_password(new)


def test_moving_to_an_address_that_somebody_squats_works_for_its_owner(
    trap: Browser, newcomer: Person
) -> None:
    from tests import cast

    owner = Browser()
    cast.sign_in(owner, newcomer, acr="aal1")
    squatted = User.unscoped.get(email=VICTIM)
    owner.post(reverse("account_email"), {"action_add": "", "email": VICTIM})
    # allauth sends at most one confirmation for an address in three minutes: take the link itself.
    from allauth.account.models import EmailConfirmationHMAC

    pending = EmailAddress.objects.get(user=newcomer.user, email=VICTIM)
    key = EmailConfirmationHMAC(pending).key
    owner.post(reverse("account_confirm_email", args=[key]))
    newcomer.user.refresh_from_db()
    assert newcomer.user.email == VICTIM
    assert not User.unscoped.filter(pk=squatted.pk).exists()
    assert AuditEvent.objects.filter(event=Event.USER_DISCARDED).count() == 1
