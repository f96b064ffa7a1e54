"""Axes' rows under load: a failure beside a success is counted, and neither waits for ever."""

import threading
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.db import connection, connections
from django.http import HttpRequest
from django.test import Client as Browser
from django.test import RequestFactory

from accounts.lockout import LockoutHandler
from core import clock
from tests.cast import Person
from tests.support.entrances import give_code, give_password
from tests.support.racing import race


@pytest.fixture
def request_of_somebody() -> HttpRequest:
    request = RequestFactory().post("/accounts/login/")
    request.axes_ip_address = "192.0.2.7"  # type: ignore[attr-defined]
    request.axes_user_agent = "Test"  # type: ignore[attr-defined]
    return request


def fail(user_agent: str) -> None:
    AccessAttempt.objects.create(
        username="alice@acme.example",
        ip_address="192.0.2.7",
        user_agent=user_agent,
        failures_since_start=1,
        attempt_time=clock.now(),
    )


@pytest.mark.django_db(transaction=True)
def test_what_a_success_forgets_it_has_locked_before(request_of_somebody: HttpRequest) -> None:
    """A row that came between the two would be deleted child first, against axes' own order."""
    fail("before")

    def and_another_fails(execute: Any, sql: str, *rest: Any) -> Any:
        answer = execute(sql, *rest)
        if "FOR UPDATE" in sql and AccessAttempt.objects.count() == 1:

            def run() -> None:
                fail("meanwhile")
                connections.close_all()

            beside = threading.Thread(target=run)
            beside.start()
            beside.join()
        return answer

    with connection.execute_wrapper(and_another_fails):
        count = LockoutHandler().reset_user_attempts(
            request_of_somebody, {"email": "alice@acme.example"}
        )

    assert count == 1
    assert [row.user_agent for row in AccessAttempt.objects.all()] == ["meanwhile"]


@pytest.mark.django_db(transaction=True)
def test_right_and_wrong_codes_beside_each_other_are_all_answered(employee: Person) -> None:
    runners = 12
    browsers = [Browser() for _ in range(runners)]
    for browser in browsers:
        give_password(browser, employee)
    right, wrong = employee.totp_code(), "000000"

    answers = race(
        lambda number: give_code(browsers[number], right if number % 4 else wrong).status_code,
        runners=runners,
    )

    assert answers.count(302) == 1
    assert set(answers) <= {200, 302, 429}
