"""Whether the process answers, and whether it has all that it needs."""

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client as Browser

from config import health
from core import clock
from policy import engine
from protection import keyring

pytestmark = pytest.mark.django_db


def ready(browser):
    answer = browser.get("/readyz")
    return answer.status_code, answer.json()


def test_a_process_that_answers_says_so(client):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_it_asks_no_database(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        client.get("/healthz")


def test_with_all_its_parts_it_is_ready(client):
    assert ready(client) == (
        200,
        {
            "status": "ok",
            "parts": {"database": True, "broker": True, "keys": True, "policy": True},
        },
    )


def break_database(monkeypatch, settings):
    def fail():
        raise OperationalError("the password is hunter2")

    monkeypatch.setitem(health.CHECKS, "database", fail)


def break_broker(monkeypatch, settings):
    monkeypatch.setattr(cache, "set", lambda *_, **__: (_ for _ in ()).throw(ConnectionError))


def break_keys(monkeypatch, settings):
    from idp import keys

    keys.rotate(now=clock.now())
    settings.KEY_ENCRYPTION_KEYS = {"other": b"o" * 32}
    keyring.forget()
    keys.forget()


def break_policy(monkeypatch, settings):
    monkeypatch.setattr(engine._Engine, "evaluator", None)


@pytest.mark.parametrize(
    ("breaking", "part"),
    [
        (break_database, "database"),
        (break_broker, "broker"),
        (break_keys, "keys"),
        (break_policy, "policy"),
    ],
)
def test_without_one_it_says_which_and_never_why(client, monkeypatch, settings, breaking, part):
    breaking(monkeypatch, settings)

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert [name for name, works in answer.json()["parts"].items() if not works] == [part]
    assert answer.json().keys() == {"status", "parts"}
    assert b"hunter2" not in answer.content


def test_a_clock_that_jumped_takes_it_out_of_service(client, monkeypatch):
    """D6: a process that is off the database by more than seconds stops answering for people."""
    real = clock.time.time
    monkeypatch.setattr(clock.time, "time", lambda: real() + 60)

    assert [ready(client)[0] for _ in range(2)] == [503, 503], "asking does not make it right"


def test_a_small_difference_does_not(client, monkeypatch):
    real = clock.time.time
    monkeypatch.setattr(clock.time, "time", lambda: real() + 2)

    assert ready(client)[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_looked_at(path, method):
    assert getattr(Browser(), method)(path).status_code == 405
