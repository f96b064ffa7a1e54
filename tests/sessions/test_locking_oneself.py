"""The button by which people shut their own account, and how they open it again."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import Lock, LockTarget
from audit.events import Event
from audit.models import AuditEvent
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.accounts import mailbox
from tests.support import oauth

pytestmark = pytest.mark.django_db

BETTER = "marmalade thistle orbit 77"


@pytest.fixture
def session(client, newcomer):
    return cast.sign_in(client, newcomer, acr="aal1")


def lock(browser):
    return browser.post(reverse("sessions:lock_account"))


def sign_in(browser, who, password=cast.PASSWORD):
    form = {"login": who.email, "password": password}
    return browser.post(reverse("account_login"), form, follow=True)


def recover(browser, who):
    browser.post(reverse("account_reset_password"), {"email": who.email})
    form = browser.get(mailbox.path(who.email), follow=True)
    browser.post(form.redirect_chain[-1][0], {"password1": BETTER, "password2": BETTER})


def test_looking_at_the_page_locks_nothing(client, session):
    page = client.get(reverse("sessions:lock_account"))

    assert page.status_code == 200
    assert not Lock.unscoped.exists()
    assert "lock-account" in client.get(reverse("console:security")).content.decode()


def test_it_ends_everything_at_once(client, acme_web, newcomer, session):
    elsewhere = Browser()
    cast.sign_in(elsewhere, newcomer, acr="aal1")
    tokens = oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json

    answer = lock(client)

    assert answer["Location"] == reverse("accounts:locked")
    assert elsewhere.get(reverse("console:home")).status_code == 302
    assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"
    assert set(LoginSession.unscoped.values_list("end_reason", flat=True)) == {EndReason.LOCKED}
    placed = AuditEvent.objects.get(event=Event.LOCK_PLACED)
    assert placed.actor == placed.subject == f"accounts.User:{newcomer.user.pk}"
    assert "Your account is locked" in mailbox.subjects(newcomer.email)


def test_nobody_gets_in_by_the_right_password(client, newcomer, session):
    lock(client)

    page = sign_in(Browser(), newcomer)

    assert page.redirect_chain[-1][0] == reverse("accounts:locked")
    assert not LoginSession.unscoped.filter(ended_at=None).exists()


def test_a_wrong_password_does_not_learn_of_it(client, newcomer, session):
    lock(client)

    page = sign_in(Browser(), newcomer, "wrong horse battery staple")

    assert page.redirect_chain == []


def test_a_recovery_opens_it(client, newcomer, session):
    lock(client)
    recover(Browser(), newcomer)

    page = sign_in(Browser(), newcomer, BETTER)

    assert page.redirect_chain[-1][0] != reverse("accounts:locked")
    assert LoginSession.unscoped.filter(ended_at=None).count() == 1
    lifted = Lock.unscoped.get()
    assert lifted.lifted_by == f"accounts.User:{newcomer.user.pk}"


def test_a_recovery_does_not_open_what_an_administrator_locked(
    client, newcomer, approver, session, now
):
    from accounts import flows

    flows.place_lock(
        organisation_id=newcomer.user.organisation_id, target_type=LockTarget.USER,
        target=str(newcomer.user.pk), reason="an inquiry", now=now, actor=approver.user,
    )  # fmt: skip
    recover(Browser(), newcomer)

    page = sign_in(Browser(), newcomer, BETTER)

    assert page.redirect_chain[-1][0] == reverse("accounts:locked")


def test_a_stranger_locks_nobody(client, newcomer):
    assert lock(client).status_code == 302
    assert not Lock.unscoped.exists()


def test_another_site_cannot_press_the_button(newcomer):
    browser = Browser(enforce_csrf_checks=True)
    cast.sign_in(browser, newcomer, acr="aal1")

    assert lock(browser).status_code == 403
    assert not Lock.unscoped.exists()
