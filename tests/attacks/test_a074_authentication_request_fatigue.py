"""A074: a client, or who stole its secret, asks a person until they allow it to have peace."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from idp.backchannel import MAX_UNALLOWED_PER_HOUR, MAX_WAITING
from idp.models import BackchannelAuthentication, Client
from idp.tasks import purge
from tests import cast
from tests.cast import Person
from tests.support import ciba
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def bank(acme: Any, employee: Person) -> Client:
    return ciba.asker(acme)


def suppressed() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=Event.BACKCHANNEL_AUTHENTICATION_SUPPRESSED))


def allowed() -> bool:
    return BackchannelAuthentication.unscoped.filter(approved_at__isnull=False).exists()


def test_few_wait_at_once_whoever_asks(acme: Any, bank: Client, employee: Person) -> None:
    other = ciba.asker(acme, "acme-other")
    for client in [bank, other, bank][:MAX_WAITING]:
        assert ciba.ask(client).status == 200

    for client in (bank, other):
        reply = ciba.ask(client)
        assert (reply.status, reply.error) == (429, "too_many_attempts")
        assert 0 < int(reply.headers["Retry-After"]) <= 601

    assert BackchannelAuthentication.unscoped.count() == MAX_WAITING
    assert len(mail.outbox) == MAX_WAITING
    assert {event.subject for event in suppressed()} == {f"accounts.User:{employee.user.pk}"}
    assert {event.actor for event in suppressed()} == {
        f"idp.Client:{bank.id}", f"idp.Client:{other.id}",
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_nor_when_they_come_at_once(bank: Client) -> None:
    replies = race(lambda _: ciba.ask(bank), runners=20)

    assert sorted(reply.status for reply in replies) == [200] * MAX_WAITING + [429] * 17
    assert BackchannelAuthentication.unscoped.count() == MAX_WAITING


@pytest.mark.parametrize("how", ["refused", "left"])
def test_refusing_or_leaving_them_does_not_make_room_for_ever(
    client: Browser, session: Any, bank: Client, employee: Person, later: Any, how: str
) -> None:
    shortly = {"requested_expiry": "10"} if how == "left" else {}
    for _ in range(MAX_UNALLOWED_PER_HOUR):
        assert ciba.ask(bank, **shortly).status == 200
        if how == "refused":
            ciba.decide(client, "deny")
        else:
            later(seconds=11)

    reply = ciba.ask(bank)
    assert (reply.status, reply.error) == (429, "too_many_attempts")
    assert int(reply.headers["Retry-After"]) <= 3601
    assert BackchannelAuthentication.unscoped.count() == MAX_UNALLOWED_PER_HOUR

    purge()  # tidying up does not forget it
    assert ciba.ask(bank).status == 429
    later(hours=1)
    assert ciba.ask(bank).status == 200


def test_what_people_allow_does_not_count(client: Browser, session: Any, bank: Client) -> None:
    for _ in range(MAX_UNALLOWED_PER_HOUR + 1):
        assert ciba.ask(bank).status == 200
        ciba.decide(client)


def test_others_are_not_disturbed_by_it(bank: Client, newcomer: Person) -> None:
    for _ in range(MAX_WAITING + 1):
        ciba.ask(bank)

    assert ciba.ask(bank, login_hint=newcomer.email).status == 200


@pytest.mark.usefixtures("early_in_a_window")
def test_one_client_asks_so_often_and_no_more(bank: Client) -> None:
    replies = [ciba.ask(bank, login_hint=f"p{n}@acme.example") for n in range(61)]

    assert [reply.error for reply in replies[:60]] == ["unknown_user_id"] * 60
    assert replies[60].status == 429


def test_people_elsewhere_do_not_exist_for_it(bank: Client, outsider: Person) -> None:
    """Nobody and somebody of another organisation are answered alike, to the byte."""
    nobody = ciba.ask(bank, login_hint="nobody@globex.example")
    somebody = ciba.ask(bank, login_hint=outsider.email)

    assert (nobody.status, nobody.body) == (somebody.status, somebody.body)
    assert mail.outbox == []


def test_the_link_in_the_mail_allows_nothing(client: Browser, session: Any, bank: Client) -> None:
    ciba.ask(bank)

    page = client.get(f"{ciba.page_of()}?decision=allow")

    assert page.status_code == 200
    assert "Did you start this just now?" in page.content.decode()
    assert "Refresh" not in page.headers
    assert not allowed()


def test_a_session_left_open_is_no_consent(
    client: Browser, session: Any, bank: Client, later: Any
) -> None:
    later(minutes=6)
    ciba.ask(bank)

    assert ciba.decide(client)["Location"].startswith("/step-up/?")
    assert not allowed()


def test_another_page_cannot_answer(client: Browser, session: Any, bank: Client) -> None:
    ciba.ask(bank)
    client.handler.enforce_csrf_checks = True

    assert ciba.decide(client).status_code == 403
    assert not allowed()


def test_a_colleague_cannot_answer(bank: Client, approver: Person) -> None:
    ciba.ask(bank)
    browser = Browser()
    cast.sign_in(browser, approver)

    assert ciba.decide(browser).status_code == 409
    assert not allowed()


def test_policy_is_asked_before_it_is_allowed(client: Browser, session: Any, bank: Client) -> None:
    """However lately: the page that asks was let through a moment ago."""
    ciba.ask(bank)
    assert client.get(ciba.page_of()).status_code == 200
    EmailAddress.objects.update(verified=False)

    assert ciba.decide(client)["Location"].startswith("/accounts/login/?")
    assert not allowed()
