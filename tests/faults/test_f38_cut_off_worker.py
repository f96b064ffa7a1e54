"""F38: a worker is cut off while it works, another takes over, and then the first is back.

What it had claimed is somebody else's by now: what it writes late must not undo that, and nothing
happens twice.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import OperationalError, connection
from django.test import Client as Browser

from accounts import mail
from accounts.models import OutgoingMail
from accounts.tasks import deliver_mail
from audit.events import Event
from audit.models import AuditEvent
from core import clock, outbox
from core.outbound import OutboundError
from idp.delivery import logout_tokens
from idp.models import LogoutDelivery
from sessions import tasks as session_tasks
from sessions.evaluation import evaluate
from sessions.flows import end_session
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.elsewhere import Elsewhere

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


@pytest.mark.django_db(transaction=True)
def test_what_another_worker_has_told_is_not_given_up_by_the_one_that_was_cut_off(
    acme: Any, employee: Person, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was on its last try when the network went, and comes back with "not reached"."""
    uri = elsewhere.serve("/told", b"")
    told = cast.client(
        "acme-told", acme, is_first_party=True, metadata={"backchannel_logout_uri": uri}
    )
    session = cast.sign_in(Browser(), employee)
    oauth.redeem(told, oauth.issue_code(told, session))
    end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())
    logout_tokens.note_ended(now=clock.now())
    LogoutDelivery.unscoped.update(attempts=outbox.MAX_ATTEMPTS - 2)

    def cut_off(row: LogoutDelivery, now: Any) -> None:
        clock.shift(timedelta(hours=2))  # the claim has run out
        assert logout_tokens.deliver_next(now=clock.now()).accepted  # type: ignore[union-attr]
        raise OutboundError("no route to host")

    def abandon(row: LogoutDelivery, now: Any) -> None:
        pytest.fail("it was told")

    monkeypatch.setattr(outbox, "MAX_ATTEMPTS", outbox.MAX_ATTEMPTS - 1)
    outbox.try_next(LogoutDelivery, send=cut_off, abandon=abandon, now=clock.now())

    row = LogoutDelivery.unscoped.get()
    assert row.delivered_at is not None
    assert (row.next_attempt_at, row.last_error) == (None, "")
    assert len(elsewhere.requests) == 1


class CutOff(EmailBackend):
    """A mail server that this worker reaches no more; another worker takes over and is slow."""

    def send_messages(self, messages: Any) -> int:
        clock.shift(timedelta(hours=1))
        OutgoingMail.objects.update(attempts=2, next_attempt_at=clock.now() + timedelta(minutes=5))
        raise OSError("no route to host")


@pytest.mark.django_db
def test_a_message_that_another_worker_is_sending_is_not_offered_to_a_third(
    newcomer: Person, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "accounts.mail.OutboxBackend"
    settings.EMAIL_DELIVERY_BACKEND = f"{__name__}.CutOff"
    mail.notify(newcomer.user, "account/email/device_enrolled", now=clock.now(), device_name="x")

    deliver_mail()

    row = OutgoingMail.objects.get()
    assert (row.attempts, row.last_error) == (2, "")
    settings.EMAIL_DELIVERY_BACKEND = LOCMEM
    clock.shift(timedelta(minutes=4))
    assert (deliver_mail(), len(django_mail.outbox)) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_sweep_that_loses_its_database_leaves_nothing_half_done(
    employee: Person, later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = [cast.sign_in(Browser(), employee) for _ in range(3)]
    later(days=1, seconds=1)
    judged = []

    def judge_and_lose(**how: Any) -> Any:
        judged.append(how["session_id"])
        if len(judged) == 2:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return evaluate(**how)

    monkeypatch.setattr(session_tasks, "evaluate", judge_and_lose)
    with pytest.raises(OperationalError):
        session_tasks.sweep_sessions()
    connection.close()
    assert not LoginSession.unscoped.filter(ended_at__isnull=False).exists()
    assert not AuditEvent.objects.filter(event=Event.SESSION_ENDED).exists()

    assert session_tasks.sweep_sessions() == 3

    ended = AuditEvent.objects.filter(event=Event.SESSION_ENDED).values_list("session_id")
    assert sorted(ended) == sorted((session.id,) for session in sessions)
