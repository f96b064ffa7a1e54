"""Sign-up: open, by invitation or closed; nobody learns who has an account."""

from threading import Barrier, Thread

import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import Organisation, User
from accounts.tasks import purge
from audit.events import Event
from audit.models import AuditEvent
from tests.accounts import mailbox
from tests.cast import PASSWORD, Person

NEW = "vera@initech.example"


@pytest.fixture
def is_open(settings, acme: Organisation) -> None:
    settings.SIGNUP = "open"
    settings.SIGNUP_ORGANISATION = ""


def sign_up(browser: Browser, email: str = NEW, password: str = PASSWORD):
    return browser.post(reverse("account_signup"), {"email": email, "password1": password})


@pytest.mark.parametrize("how", ["invitation", "closed"])
def test_sign_up_is_shut_unless_it_is_open(
    client: Browser, settings, acme: Organisation, how: str
) -> None:
    settings.SIGNUP = how
    assert client.get(reverse("account_signup")).templates[0].name == "account/signup_closed.html"
    sign_up(client)
    assert not User.unscoped.exists()
    assert reverse("account_signup") not in client.get(reverse("account_login")).content.decode()


def test_somebody_signs_up_confirms_and_signs_in(
    client: Browser, is_open: None, acme: Organisation
) -> None:
    response = sign_up(client)
    assert response["Location"] == reverse("account_email_verification_sent")
    user = User.unscoped.get()
    assert (user.email, user.organisation, user.is_staff) == (NEW, acme, False)
    assert "_auth_user_id" not in client.session

    confirm = mailbox.path(NEW)
    assert client.get(confirm).status_code == 200
    assert not EmailAddress.objects.get().verified, "a scanner that opens the link confirms nothing"
    client.post(confirm)
    assert EmailAddress.objects.get().verified

    response = client.post(reverse("account_login"), {"login": NEW, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(user.pk)
    told = set(AuditEvent.objects.values_list("event", flat=True))
    assert {Event.USER_REGISTERED, Event.EMAIL_VERIFIED, Event.SESSION_STARTED} <= told


def test_nobody_signs_in_before_confirming(client: Browser, is_open: None) -> None:
    sign_up(client)
    response = client.post(reverse("account_login"), {"login": NEW, "password": PASSWORD})
    assert response["Location"] == reverse("account_email_verification_sent")
    assert "_auth_user_id" not in client.session


def test_sign_up_goes_to_the_organisation_that_the_operator_named(
    client: Browser, is_open: None, settings, globex: Organisation
) -> None:
    settings.SIGNUP_ORGANISATION = "globex"
    sign_up(client)
    assert User.unscoped.get().organisation == globex


def test_sign_up_without_any_organisation_is_told_so(client: Browser, settings, db: None) -> None:
    settings.SIGNUP = "open"
    assert sign_up(client).status_code == 503
    assert not User.unscoped.exists()


def test_a_taken_address_gets_the_same_answer_and_its_owner_a_mail(
    client: Browser, is_open: None, newcomer: Person
) -> None:
    known = sign_up(client, newcomer.email)
    unknown = sign_up(Browser(), NEW)
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert set(known.cookies) == set(unknown.cookies)
    assert User.unscoped.filter(email=newcomer.email).count() == 1
    assert mailbox.subjects(newcomer.email) == ["You already have an account"]


def test_a_weak_password_is_refused_with_the_reason(client: Browser, is_open: None) -> None:
    response = sign_up(client, password="vera initech vera")
    assert response.status_code == 200
    assert response.context["form"].errors["password1"]
    assert not User.unscoped.exists()


def test_what_nobody_confirmed_is_deleted_after_a_week(
    client: Browser, is_open: None, newcomer: Person, later
) -> None:
    sign_up(client)
    later(days=6)
    purge()
    assert User.unscoped.filter(email=NEW).exists()
    later(days=2)
    purge()
    assert not User.unscoped.filter(email=NEW).exists()
    assert User.unscoped.filter(pk=newcomer.user.pk).exists()
    assert AuditEvent.objects.filter(event=Event.USER_DISCARDED).count() == 1


def test_an_address_that_somebody_is_moving_to_is_taken(
    client: Browser, is_open: None, newcomer: Person
) -> None:
    EmailAddress.objects.create(user=newcomer.user, email=NEW)
    assert sign_up(client)["Location"] == reverse("account_email_verification_sent")
    assert not User.unscoped.filter(email=NEW).exists()
    assert AuditEvent.objects.get(event=Event.SIGN_UP_REPEATED).subject.endswith(
        str(newcomer.user.pk)
    )


@pytest.mark.django_db(transaction=True)
def test_two_sign_ups_with_one_address_at_once_make_one_account(
    settings, acme: Organisation
) -> None:
    settings.SIGNUP = "open"
    barrier = Barrier(2, timeout=60)
    answers: list[int] = []

    def go() -> None:
        browser = Browser(raise_request_exception=False)
        barrier.wait()
        try:
            answers.append(sign_up(browser).status_code)
        finally:
            connection.close()

    threads = [Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [302, 302]
    assert User.unscoped.filter(email=NEW).count() == 1
