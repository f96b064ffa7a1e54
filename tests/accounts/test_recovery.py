"""Password reset: the way out of a lock, the end of all sessions, no way round the second factor."""

import pytest
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget
from accounts.models import GuessBudget
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from sessions.models import LoginSession
from tests import cast
from tests.accounts import mailbox
from tests.cast import PASSWORD, Person

BETTER = "marmalade thistle orbit 77"


def ask(browser: Browser, email: str):
    return browser.post(reverse("account_reset_password"), {"email": email})


def reset(browser: Browser, who: Person, password: str = BETTER):
    form = browser.get(mailbox.path(who.email), follow=True)
    return browser.post(form.redirect_chain[-1][0], {"password1": password, "password2": password})


def test_known_and_unknown_addresses_get_one_answer(client: Browser, newcomer: Person) -> None:
    known, unknown = ask(client, newcomer.email), ask(client, "nobody@acme.example")
    assert (known.status_code, known["Location"]) == (unknown.status_code, unknown["Location"])
    assert mailbox.subjects("nobody@acme.example") == ["There is no account for this address"]
    event = AuditEvent.objects.exclude(subject="").get(event=Event.PASSWORD_RESET_REQUESTED)
    assert event.subject.endswith(str(newcomer.user.pk))


def test_a_reset_ends_every_session_and_tells_the_owner(newcomer: Person) -> None:
    elsewhere, here = Browser(), Browser()
    sessions = [cast.sign_in(browser, newcomer, acr="aal1") for browser in (elsewhere, here)]
    ask(here, newcomer.email)
    reset(here, newcomer)
    newcomer.user.refresh_from_db()
    assert newcomer.user.check_password(BETTER)
    ended = LoginSession.unscoped.filter(pk__in=[session.pk for session in sessions])
    assert all(session.ended_at for session in ended)
    assert here.get(reverse("console:home")).status_code == 302
    assert elsewhere.get(reverse("console:home")).status_code == 302
    assert "Your password was reset" in mailbox.subjects(newcomer.email)
    assert AuditEvent.objects.filter(event=Event.PASSWORD_CHANGED).count() == 1


def test_a_reset_clears_a_lock_that_time_does_not(client: Browser, newcomer: Person, later) -> None:
    for _ in range(5):
        for _ in range(20):
            budget.spend(newcomer.email, now=clock.now())
        later(minutes=16)
    login = {"login": newcomer.email, "password": PASSWORD}
    assert client.post(reverse("account_login"), login).status_code == 429
    ask(client, newcomer.email)
    reset(client, newcomer)
    assert not GuessBudget.objects.exists()
    response = client.post(reverse("account_login"), login | {"password": BETTER})
    assert response.status_code == 302
    assert client.session["_auth_user_id"] == str(newcomer.user.pk)


def test_a_reset_does_not_sign_in_nor_spare_the_second_factor(
    client: Browser, employee: Person
) -> None:
    ask(client, employee.email)
    reset(client, employee)
    assert "_auth_user_id" not in client.session
    response = client.post(reverse("account_login"), {"login": employee.email, "password": BETTER})
    assert response["Location"] == reverse("mfa:challenge")
    assert "_auth_user_id" not in client.session


def test_a_link_works_once(client: Browser, newcomer: Person) -> None:
    ask(client, newcomer.email)
    reset(client, newcomer)
    again = Browser().get(mailbox_link(newcomer), follow=True)
    assert again.context["token_fail"]


def mailbox_link(who: Person) -> str:
    from django.core import mail

    bodies = [m.body for m in mail.outbox if m.to == [who.email] and "/reset/key/" in m.body]
    return "/" + bodies[-1].split("http", 1)[1].split("/", 3)[3].split()[0]


def test_a_link_dies_after_an_hour(client: Browser, newcomer: Person, later) -> None:
    ask(client, newcomer.email)
    later(minutes=61)
    assert client.get(mailbox.path(newcomer.email), follow=True).context["token_fail"]


def test_a_link_dies_when_the_password_is_changed_otherwise(
    client: Browser, newcomer: Person
) -> None:
    from accounts import flows

    ask(client, newcomer.email)
    flows.rotate_security_stamp(user=newcomer.user, now=clock.now())
    assert client.get(mailbox.path(newcomer.email), follow=True).context["token_fail"]


@pytest.mark.parametrize("path", ["x-y", "2a-", "0-set-password", "%00-x", "zzzzzz-abc-def"])
def test_malformed_links_are_a_page(client: Browser, db: None, path: str) -> None:
    response = client.get(f"/accounts/password/reset/key/{path}/")
    assert response.status_code in {200, 404}


def test_a_closed_account_cannot_be_reset(client: Browser, newcomer: Person) -> None:
    from accounts import flows

    flows.deactivate_user(user=newcomer.user, now=clock.now())
    ask(client, newcomer.email)
    assert mailbox.subjects(newcomer.email) == ["There is no account for this address"]
