"""Mail is kept with the change that it tells of, and sent until it is sent."""

from unittest import mock

import pytest
from django.core import mail as django_mail
from django.db import transaction

from accounts import flows, mail
from accounts.models import OutgoingMail
from accounts.tasks import deliver_mail, purge
from core import clock
from tests.cast import Person

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"
DOWN = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture(autouse=True)
def _outbox(settings) -> None:
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
    settings.EMAIL_DELIVERY_BACKEND = LOCMEM


@pytest.fixture
def server_is_down(settings) -> None:
    settings.EMAIL_DELIVERY_BACKEND = DOWN
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    settings.EMAIL_USE_TLS = False


def write(who: Person) -> None:
    mail.notify(who.user, "account/email/password_changed", now=clock.now())


def test_mail_is_stored_sealed_and_sent_by_the_worker(newcomer: Person) -> None:
    write(newcomer)
    row = OutgoingMail.objects.get()
    with transaction.get_connection().cursor() as cursor:
        cursor.execute("SELECT message FROM accounts_outgoingmail")
        assert b"nina" not in bytes(cursor.fetchone()[0])
    assert django_mail.outbox == []
    assert deliver_mail() == 1
    (sent,) = django_mail.outbox
    assert (sent.to, sent.subject) == ([newcomer.email], "Your password was changed")
    row.refresh_from_db()
    assert row.sent_at is not None
    assert deliver_mail() == 0


def test_with_the_mail_server_down_the_change_is_kept_and_mail_tried_again(
    newcomer: Person, server_is_down: None, later, settings
) -> None:
    flows.change_password(user=newcomer.user, password="marmalade thistle orbit", now=clock.now())
    write(newcomer)
    assert deliver_mail() == 0
    row = OutgoingMail.objects.get()
    assert (row.attempts, row.sent_at) == (1, None)
    assert row.last_error == "ConnectionRefusedError"
    newcomer.user.refresh_from_db()
    assert newcomer.user.check_password("marmalade thistle orbit")

    assert deliver_mail() == 0, "not before its pause is over"
    row.refresh_from_db()
    assert row.attempts == 1
    settings.EMAIL_DELIVERY_BACKEND = LOCMEM
    later(seconds=15)
    assert deliver_mail() == 1
    assert len(django_mail.outbox) == 1


def test_pauses_grow_to_an_hour(newcomer: Person, server_is_down: None, later) -> None:
    write(newcomer)
    pauses = []
    for _ in range(10):
        now = clock.now()
        deliver_mail()
        row = OutgoingMail.objects.get()
        pauses.append(round((row.next_attempt_at - now).total_seconds()))
        later(seconds=pauses[-1] + 1)
    assert pauses == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_mail_of_a_change_that_failed_is_not_sent(newcomer: Person) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        write(newcomer)
        raise ZeroDivisionError
    assert not OutgoingMail.objects.exists()


def test_sent_mail_is_deleted_after_a_day_and_unsent_after_a_week(
    newcomer: Person, server_is_down: None, settings, later
) -> None:
    write(newcomer)
    deliver_mail()
    settings.EMAIL_DELIVERY_BACKEND = LOCMEM
    write(newcomer)
    deliver_mail()
    later(days=1, seconds=1)
    purge()
    assert OutgoingMail.objects.filter(sent_at=None).count() == OutgoingMail.objects.count() == 1
    later(days=6)
    purge()
    assert not OutgoingMail.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_loses_no_mail(newcomer: Person) -> None:
    with mock.patch("core.background.current_app.send_task", side_effect=OSError("no broker")):
        write(newcomer)
    assert OutgoingMail.objects.count() == 1


def test_a_message_comes_out_of_the_outbox_as_it_went_in() -> None:
    message = django_mail.EmailMultiAlternatives(
        "Subject of café", "Text\n", "a@b.example", ["c@d.example"], headers={"X-A": "b"}
    )
    message.attach_alternative("<p>Text</p>", "text/html")
    again = mail.unpack(mail.pack(message))
    assert (again.subject, again.body, again.to) == (message.subject, message.body, message.to)
    assert again.extra_headers == {"X-A": "b"}
    assert again.alternatives[0].content == "<p>Text</p>"
