"""What people and clients see when a part is missing."""

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client as Browser
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support import oauth

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (OperationalError("no server"), 503),
        (RedisConnectionError("no server"), 503),
        (ZeroDivisionError("xyzzy"), 500),
    ],
)
def test_a_missing_server_is_503_and_a_bug_is_500(monkeypatch, failure, status):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr("sessions.middleware.new_id", fail)
    browser = Browser(raise_request_exception=False)

    response = browser.get("/healthz")

    assert response.status_code == status
    assert str(failure) not in response.content.decode()
    assert "Traceback" not in response.content.decode()


def test_without_the_cache_guessing_secrets_stops(monkeypatch, acme_machine):
    def fail(*args, **kwargs):
        raise RedisConnectionError

    monkeypatch.setattr(type(cache._connections[cache._alias]), "add", fail)

    reply = oauth.send(
        "POST",
        "/oauth/token",
        form={"grant_type": "client_credentials"},
        authorization=oauth.basic("acme-machine", "wrong"),
    )

    assert (reply.status, reply.error) == (503, "temporarily_unavailable")
