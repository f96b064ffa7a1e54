"""Delivery of the outbox."""

from datetime import datetime, timedelta
from smtplib import SMTPException

import structlog
from django.conf import settings
from django.core.mail import get_connection
from django.db import transaction

from accounts import mail
from accounts.models import OutgoingMail
from core import clock
from protection.keyring import KeyUnavailable

CLAIMED_FOR = timedelta(minutes=3)  # longer than any server can draw out one message
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=1)
SENT_KEPT_FOR = timedelta(days=1)
UNSENT_KEPT_FOR = timedelta(days=7)

log = structlog.get_logger(__name__)


def deliver_due_mail(*, batch: int = 100) -> int:
    """Send what is due; returns how many messages went out.

    A message is claimed by moving its next attempt, so two workers never send it at once, and a
    worker that dies leaves it for later. At least once: a crash after sending sends it again.
    The clock is read for each, since a slow server makes a round longer than a claim.
    """
    sent = 0
    for _ in range(batch):
        message = _claim(clock.now())
        if message is None:
            break
        sent += _send(message)
    return sent


def purge_mail(*, now: datetime) -> int:
    """Delete what was sent a day ago, and what could not be sent for a week."""
    done, _ = OutgoingMail.objects.filter(sent_at__lt=now - SENT_KEPT_FOR).delete()
    given_up, _ = OutgoingMail.objects.filter(
        sent_at=None, created_at__lt=now - UNSENT_KEPT_FOR
    ).delete()
    if given_up:
        log.error("mail given up", messages=given_up)
    return done + given_up


@transaction.atomic
def _claim(now: datetime) -> OutgoingMail | None:
    message = (
        OutgoingMail.objects.filter(sent_at=None, next_attempt_at__lte=now)
        .order_by("next_attempt_at")
        .select_for_update(skip_locked=True)
        .first()
    )
    if message is None:
        return None
    message.attempts += 1
    message.next_attempt_at = now + CLAIMED_FOR
    message.save(update_fields=["attempts", "next_attempt_at"])
    return message


def _send(message: OutgoingMail) -> int:
    try:
        email = mail.unpack(message.message)
        email.connection = get_connection(settings.EMAIL_DELIVERY_BACKEND)
        email.send()
    except (OSError, SMTPException, KeyUnavailable) as error:
        due, name = clock.now() + _pause(message.attempts), type(error).__name__
        # Unless this worker was cut off for so long that another has taken it over.
        mine = OutgoingMail.objects.filter(pk=message.pk, attempts=message.attempts, sent_at=None)
        mine.update(next_attempt_at=due, last_error=name)
        log.warning(
            "mail not sent", mail_id=str(message.pk), error=name,
            attempts=message.attempts, next_attempt_at=due.isoformat(),
        )  # fmt: skip
        return 0
    OutgoingMail.objects.filter(pk=message.pk).update(sent_at=clock.now(), last_error="")
    return 1


def _pause(attempts: int) -> timedelta:
    doublings = min(attempts - 1, 10)
    return min(FIRST_PAUSE * int(2**doublings), LONGEST_PAUSE)
