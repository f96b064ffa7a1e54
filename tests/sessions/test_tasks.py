"""The sweep: nothing rests on it, it may run doubled, and it ends each session once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client as Browser

from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from sessions import tasks
from sessions.models import EndReason, LoginSession
from tests import cast
from tests.support.racing import race


def sign_in(who, times=1) -> list[LoginSession]:
    return [cast.sign_in(Browser(), who) for _ in range(times)]


def ended() -> int:
    return AuditEvent.objects.filter(event=Event.SESSION_ENDED).count()


@pytest.mark.django_db
class TestSweep:
    def test_a_session_judged_lately_is_left_alone(self, employee):
        sign_in(employee)

        assert tasks.sweep_sessions() == 0

    def test_what_is_still_good_goes_on(self, employee, later):
        (session,) = sign_in(employee)
        later(minutes=6)

        assert tasks.sweep_sessions() == 1

        session.refresh_from_db()
        assert (session.ended_at, session.outcome) == (None, "allow")
        assert clock.now() - session.evaluated_at < timedelta(minutes=1)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda: User.unscoped.update(security_stamp=uuid4()), EndReason.CREDENTIALS_CHANGED),
            (lambda: User.unscoped.update(is_active=False), EndReason.REVOKED),
            (lambda: clock.shift(timedelta(hours=24)), EndReason.IDLE),
        ],
    )
    def test_what_is_over_is_written_down(self, employee, later, change, reason):
        (session,) = sign_in(employee)
        later(minutes=6)
        change()

        tasks.sweep_sessions()

        session.refresh_from_db()
        assert session.end_reason == reason

    def test_a_second_run_finds_nothing(self, employee, later):
        sign_in(employee, 3)
        later(hours=25)

        assert [tasks.sweep_sessions(), tasks.sweep_sessions()] == [3, 0]
        assert ended() == 3

    def test_many_are_done_in_batches(self, employee, later, monkeypatch):
        monkeypatch.setattr(tasks, "BATCH", 2)
        sign_in(employee, 5)
        later(hours=25)

        assert tasks.sweep_sessions() == 5
        assert not LoginSession.unscoped.filter(ended_at=None).exists()

    def test_the_sweep_is_no_use_of_the_session(self, employee, later):
        (session,) = sign_in(employee)
        before = session.last_used_at
        later(hours=1)

        tasks.sweep_sessions()

        session.refresh_from_db()
        assert session.last_used_at == before

    def test_purge_keeps_a_month(self, employee, later):
        sign_in(employee)
        later(days=36)
        assert tasks.purge() == 0
        later(days=2)

        assert [tasks.purge(), tasks.purge()] == [1, 0]


@pytest.mark.django_db(transaction=True)
class TestTwoSweeps:
    def test_at_once_end_each_session_once(self, employee, later):
        sign_in(employee, 12)
        later(hours=25)

        swept = race(lambda _: tasks.sweep_sessions(), runners=4)

        assert sum(swept) == 12
        assert ended() == 12

    def test_rows_that_another_holds_are_skipped_not_waited_for(self, employee, later):
        first, _ = sign_in(employee, 2)
        later(hours=25)

        with transaction.atomic():
            LoginSession.unscoped.select_for_update().get(id=first.id)
            assert race(lambda _: tasks.sweep_sessions(), runners=1) == [1]

        assert tasks.sweep_sessions() == 1
        assert connection.is_usable()
