"""A131: two changes of address at once, old links after newer ones, two users for one address."""

from threading import Barrier, Thread

import pytest
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from tests import cast
from tests.accounts import mailbox
from tests.cast import Person

FIRST, SECOND = "first@acme.example", "second@acme.example"


def ask(browser: Browser, email: str):
    return browser.post(reverse("account_email"), {"action_add": "", "email": email})


def confirm_url(user: User, email: str) -> str:
    pending = EmailAddress.objects.get(user=user, email=email)
    return reverse("account_confirm_email", args=[EmailConfirmationHMAC(pending).key])


def test_an_older_link_is_dead_after_a_newer_request(client: Browser, newcomer: Person) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    ask(client, FIRST)
    old_link = mailbox.path(FIRST)
    ask(client, SECOND)
    assert client.post(old_link).status_code == 404
    newcomer.user.refresh_from_db()
    assert newcomer.user.email == "nina@acme.example"
    assert not AuditEvent.objects.filter(event=Event.EMAIL_CHANGED).exists()


def test_until_confirmed_the_old_address_stays_the_one_that_signs_in(
    client: Browser, newcomer: Person
) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    ask(client, FIRST)
    other = Browser()
    other.post(reverse("account_login"), {"login": FIRST, "password": newcomer.password})
    answer = other.get(reverse("console:home"))
    assert answer.status_code == 302


def test_a_reset_link_dies_with_the_change_of_address(client: Browser, newcomer: Person) -> None:
    old = newcomer.email
    Browser().post(reverse("account_reset_password"), {"email": old})
    reset_link = mailbox.path(old)
    cast.sign_in(client, newcomer, acr="aal1")
    ask(client, FIRST)
    client.post(confirm_url(newcomer.user, FIRST))
    assert Browser().get(reset_link, follow=True).context["token_fail"]


def test_a_used_link_does_nothing_again(client: Browser, newcomer: Person) -> None:
    cast.sign_in(client, newcomer, acr="aal1")
    ask(client, FIRST)
    link = mailbox.path(FIRST)
    client.post(link)
    assert client.post(link).status_code == 404
    assert AuditEvent.objects.filter(event=Event.EMAIL_CHANGED).count() == 1
    assert "Your email address was changed" in mailbox.subjects("nina@acme.example")


@pytest.mark.django_db(transaction=True)
def test_of_two_users_who_claim_one_address_at_once_one_gets_it(
    newcomer: Person, employee: Person
) -> None:
    links = []
    for who in (newcomer, employee):
        EmailAddress.objects.create(user=who.user, email=FIRST)
        links.append(confirm_url(who.user, FIRST))
    barrier = Barrier(2, timeout=60)
    answers: list[int] = []

    def confirm(link: str) -> None:
        browser = Browser(raise_request_exception=False)
        barrier.wait()
        try:
            answers.append(browser.post(link).status_code)
        finally:
            connection.close()

    threads = [Thread(target=confirm, args=[link]) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 500 not in answers
    assert User.unscoped.filter(email=FIRST).count() == 1
    assert EmailAddress.objects.filter(email=FIRST, verified=True).count() == 1
    assert AuditEvent.objects.filter(event=Event.EMAIL_CHANGED).count() == 1


def test_the_database_has_the_last_word_and_its_refusal_is_a_page(
    client: Browser, newcomer: Person, employee: Person
) -> None:
    """What a lost race looks like: the address became another account's after the last check."""
    cast.sign_in(client, newcomer, acr="aal1")
    ask(client, FIRST)
    User.unscoped.filter(pk=employee.user.pk).update(email=FIRST, last_login=clock.now())
    EmailAddress.objects.filter(user=employee.user).delete()
    response = client.post(mailbox.path(FIRST))
    assert response.status_code == 302
    newcomer.user.refresh_from_db()
    assert newcomer.user.email == "nina@acme.example"
    assert not EmailAddress.objects.get(email=FIRST).verified
    assert not AuditEvent.objects.filter(event=Event.EMAIL_CHANGED).exists()
