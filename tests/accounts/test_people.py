"""Closing and opening accounts and organisations, and who becomes an administrator."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget, flows
from accounts.backends import PasswordBackend
from accounts.models import GuessBudget, Organisation, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from sessions.current import current_session_id
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person


def sign_in(browser: Browser, who: Person, acr: str = "aal1") -> LoginSession:
    """Sign in, and go on as somebody outside of that browser's request."""
    session = cast.sign_in(browser, who, acr=acr)
    current_session_id.set(None)
    return session


def test_closing_an_account_ends_its_sessions_at_once(
    client: Browser, newcomer: Person, approver: Person
) -> None:
    session = sign_in(client, newcomer)
    flows.deactivate_user(user=newcomer.user, now=clock.now(), actor=approver.user)
    session.refresh_from_db()
    assert session.ended_at is not None
    assert session.end_reason == EndReason.CREDENTIALS_CHANGED
    assert client.get(reverse("console:home")).status_code == 302
    assert AuditEvent.objects.get(event=Event.USER_DEACTIVATED).actor.endswith(
        str(approver.user.pk)
    )


def test_an_account_closed_behind_our_back_dies_at_use(client: Browser, newcomer: Person) -> None:
    sign_in(client, newcomer)
    User.unscoped.filter(pk=newcomer.user.pk).update(is_active=False)
    assert client.get(reverse("console:home")).status_code == 302


def test_whether_somebody_may_still_come_in_is_one_statement(
    newcomer: Person, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        found = PasswordBackend().get_user(newcomer.user.pk)

    assert found == newcomer.user
    Organisation.objects.update(is_active=False)
    assert PasswordBackend().get_user(newcomer.user.pk) is None


def test_opening_it_again_revives_no_session(
    client: Browser, newcomer: Person, approver: Person
) -> None:
    sign_in(client, newcomer)
    flows.deactivate_user(user=newcomer.user, now=clock.now())
    flows.reactivate_user(user=newcomer.user, now=clock.now(), actor=approver.user)
    assert client.get(reverse("console:home")).status_code == 302
    assert AuditEvent.objects.filter(event=Event.USER_REACTIVATED).count() == 1


def test_saying_it_twice_changes_nothing(newcomer: Person) -> None:
    for _ in range(2):
        flows.deactivate_user(user=newcomer.user, now=clock.now())
    for _ in range(2):
        flows.reactivate_user(user=newcomer.user, now=clock.now())
    told = AuditEvent.objects.filter(event__startswith="accounts.user.")
    assert sorted(event.event for event in told) == [
        Event.USER_DEACTIVATED, Event.USER_REACTIVATED,
    ]  # fmt: skip


def test_nobody_closes_their_own_account_as_administrator(approver: Person) -> None:
    with pytest.raises(Refusal):
        flows.deactivate_user(user=approver.user, now=clock.now(), actor=approver.user)
    approver.user.refresh_from_db()
    assert approver.user.is_active


def test_closing_an_organisation_ends_all_its_sessions_and_no_others(
    newcomer: Person, employee: Person, outsider: Person, acme: Organisation
) -> None:
    browsers = {who.email: Browser() for who in (newcomer, employee, outsider)}
    for who in (newcomer, employee, outsider):
        sign_in(browsers[who.email], who, "aal2")
    flows.deactivate_organisation(organisation=acme, now=clock.now())
    ended = LoginSession.unscoped.exclude(ended_at=None)
    assert {session.user.email for session in ended} == {newcomer.email, employee.email}
    assert browsers[outsider.email].get(reverse("console:home")).status_code == 200
    assert browsers[newcomer.email].get(reverse("console:home")).status_code == 302
    assert AuditEvent.objects.filter(event=Event.ORGANISATION_DEACTIVATED).count() == 1


def test_an_organisation_is_created_once(db: None) -> None:
    call_command("create_organisation", "initech", "Initech")
    assert Organisation.objects.get().name == "Initech"
    for wrong in (["initech", "Again"], ["in/itech", "Slash"]):
        with pytest.raises(CommandError):
            call_command("create_organisation", *wrong)
    assert AuditEvent.objects.filter(event=Event.ORGANISATION_CREATED).count() == 1


def test_an_administrator_is_made_by_the_operator_and_written_down(newcomer: Person) -> None:
    call_command("make_administrator", newcomer.email)
    newcomer.user.refresh_from_db()
    assert (newcomer.user.is_staff, newcomer.user.is_superuser) == (True, False)
    call_command("make_administrator", newcomer.email, "--everywhere")
    newcomer.user.refresh_from_db()
    assert newcomer.user.is_superuser
    assert AuditEvent.objects.filter(event=Event.ADMINISTRATOR_MADE).count() == 2
    with pytest.raises(CommandError):
        call_command("make_administrator", "nobody@acme.example")


def test_no_command_makes_an_account_with_a_known_password(db: None) -> None:
    with pytest.raises((CommandError, TypeError, AttributeError)):
        call_command("createsuperuser", "--noinput", "--email", "root@acme.example")
    assert not User.unscoped.exists()


def test_an_operator_unlocks_an_account(newcomer: Person) -> None:
    for _ in range(20):
        budget.spend(newcomer.email, now=clock.now())
    call_command("unlock_account", newcomer.email)
    assert not GuessBudget.objects.exists()
    assert AuditEvent.objects.filter(event=Event.ACCOUNT_UNLOCKED).count() == 1
