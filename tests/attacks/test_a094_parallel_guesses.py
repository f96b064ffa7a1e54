"""A094: many wrong passwords at the same moment: no more are judged than the limit allows."""

from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse

from accounts import budget
from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from tests.cast import Person

THREADS = 10
EACH = 4


@pytest.mark.django_db(transaction=True)
def test_forty_at_once_are_judged_twenty_times(
    newcomer: Person, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ACCOUNT_RATE_LIMITS = False
    settings.AXES_FAILURE_LIMIT = 100_000
    judged: list[str] = []

    def check(self: User, raw: str) -> bool:
        judged.append(raw)
        return False

    monkeypatch.setattr(User, "check_password", check)
    barrier = Barrier(THREADS, timeout=60)
    answers: list[int] = []

    def guess() -> None:
        browser = Browser()
        barrier.wait()
        try:
            for _ in range(EACH):
                answers.append(
                    browser.post(
                        reverse("account_login"),
                        {"login": newcomer.email, "password": "a wrong guess"},
                    ).status_code
                )
        finally:
            connection.close()

    threads = [Thread(target=guess) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(judged) == budget.WINDOW_FAILURES
    assert answers.count(429) == THREADS * EACH - budget.WINDOW_FAILURES
    assert AuditEvent.objects.filter(event=Event.LOGIN_FAILED).count() == THREADS * EACH
