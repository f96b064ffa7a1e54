"""Clients that registered ping are told that they were answered: once, sealed until then."""

import json
from typing import Any
from unittest import mock

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from core.outbox import MAX_ATTEMPTS
from idp import tasks
from idp.models import Client, PingDelivery
from tests import cast
from tests.cast import Person
from tests.support import ciba
from tests.support.elsewhere import Elsewhere

PATH = "/ping"


@pytest.fixture
def bank(acme: Any, employee: Person, elsewhere: Elsewhere) -> Client:
    """A client that wants to be told, by a server that answers 204."""
    return pinged(acme, elsewhere.serve(PATH, b"", status=204))


def pinged(acme: Any, uri: str, name: str = "acme-bank") -> Client:
    metadata = {
        "backchannel_token_delivery_mode": "ping",
        "backchannel_client_notification_endpoint": uri,
    }
    return ciba.asker(acme, name, metadata=metadata)


@pytest.fixture
def alices(employee: Person) -> Browser:
    browser = Browser()
    cast.sign_in(browser, employee)
    return browser


def ask(bank: Client, **changes: Any) -> str:
    reply = ciba.ask(bank, **({"client_notification_token": ciba.TOKEN} | changes))
    assert reply.status == 200, reply.body
    return reply.json["auth_req_id"]


def row() -> PingDelivery:
    return PingDelivery.unscoped.get()


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_whatever_was_answered_is_told_once(
    bank: Client, alices: Browser, elsewhere: Elsewhere, decision: str
) -> None:
    auth_req_id = ask(bank)
    assert tasks.deliver_pings() == 0
    ciba.decide(alices, decision)

    assert tasks.deliver_pings() == 1
    assert tasks.deliver_pings() == 0

    [(method, path, headers, body)] = elsewhere.requests
    assert (method, path) == ("POST", PATH)
    assert headers["Authorization"] == f"Bearer {ciba.TOKEN}"
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body) == {"auth_req_id": auth_req_id}
    expected = 200 if decision == "allow" else 400
    assert ciba.poll(bank, auth_req_id).status == expected


def test_both_secrets_are_sealed_and_gone_afterwards(bank: Client, alices: Browser) -> None:
    auth_req_id = ask(bank)
    stored = PingDelivery.unscoped.values_list("token", "auth_req_id").get()
    for sealed, secret in zip(stored, (ciba.TOKEN, auth_req_id), strict=True):
        assert secret.encode() not in bytes(sealed)
    assert (row().token, row().auth_req_id) == (ciba.TOKEN.encode(), auth_req_id.encode())

    ciba.decide(alices)
    tasks.deliver_pings()

    assert (row().token, row().auth_req_id) == (None, None)
    assert row().delivered_at is not None


def test_the_answer_asks_a_worker_to_hurry_and_waits_for_nobody(
    bank: Client, alices: Browser, elsewhere: Elsewhere, django_capture_on_commit_callbacks: Any
) -> None:
    ask(bank)
    with mock.patch("core.background.current_app") as app:
        with django_capture_on_commit_callbacks(execute=True):
            ciba.decide(alices)

    app.send_task.assert_called_once_with("idp.tasks.deliver_pings", kwargs={}, retry=False)
    assert elsewhere.requests == []


def test_a_client_that_polls_is_not_told(acme: Any, employee: Person, alices: Browser) -> None:
    ciba.ask(ciba.asker(acme), client_notification_token=ciba.TOKEN)
    ciba.decide(alices)

    assert not PingDelivery.unscoped.exists()


@pytest.mark.parametrize("status", [200, 202])
def test_an_answer_with_a_body_is_fine(
    bank: Client, alices: Browser, elsewhere: Elsewhere, status: int
) -> None:
    elsewhere.serve(PATH, b'{"error": "whatever"}', status=status)
    ask(bank)
    ciba.decide(alices)

    assert tasks.deliver_pings() == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_what_it_refuses_is_not_repeated_and_the_tokens_can_be_fetched(
    bank: Client, alices: Browser, elsewhere: Elsewhere, later: Any, status: int
) -> None:
    elsewhere.serve(PATH, b"", status=status)
    auth_req_id = ask(bank)
    ciba.decide(alices)

    tasks.deliver_pings()
    later(minutes=1)
    tasks.deliver_pings()

    assert len(elsewhere.requests) == 1
    assert (row().token, row().next_attempt_at) == (None, None)
    abandoned = AuditEvent.objects.get(event=Event.PING_ABANDONED)
    assert abandoned.facts["reason"] == f"answered {status}"
    assert ciba.poll(bank, auth_req_id).status == 200


def test_a_redirect_is_not_followed_and_not_repeated(
    bank: Client, alices: Browser, elsewhere: Elsewhere, later: Any
) -> None:
    elsewhere.serve("/trap", b"")
    elsewhere.pages[PATH] = (307, {"Location": elsewhere.url("/trap")}, b"")
    ask(bank)
    ciba.decide(alices)

    tasks.deliver_pings()
    later(minutes=1)
    tasks.deliver_pings()

    assert [path for _, path, _, _ in elsewhere.requests] == [PATH]
    assert row().token is None


def test_a_client_that_is_down_is_told_later(
    bank: Client, alices: Browser, elsewhere: Elsewhere, later: Any
) -> None:
    elsewhere.serve(PATH, b"", status=503)
    ask(bank)
    ciba.decide(alices)
    assert tasks.deliver_pings() == 0
    assert row().token == ciba.TOKEN.encode()
    elsewhere.serve(PATH, b"", status=204)

    assert tasks.deliver_pings() == 0, "not yet"
    later(seconds=15)
    assert tasks.deliver_pings() == 1


def test_it_is_given_up_once_the_request_has_run_out(
    bank: Client, alices: Browser, elsewhere: Elsewhere, later: Any
) -> None:
    elsewhere.serve(PATH, b"", status=503)
    ask(bank)
    ciba.decide(alices)
    tasks.deliver_pings()
    later(minutes=10)
    tasks.deliver_pings()

    assert len(elsewhere.requests) == 1
    assert AuditEvent.objects.get(event=Event.PING_ABANDONED).facts["attempts"] < MAX_ATTEMPTS
    assert (row().token, row().auth_req_id) == (None, None)


def test_an_address_inside_is_not_asked(
    acme: Any, employee: Person, alices: Browser, elsewhere: Elsewhere, settings: Any
) -> None:
    ask(pinged(acme, elsewhere.url(PATH)))
    ciba.decide(alices)
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    assert tasks.deliver_pings() == 0
    assert elsewhere.requests == []


def test_a_client_that_was_closed_is_not_told(
    bank: Client, alices: Browser, elsewhere: Elsewhere
) -> None:
    ask(bank)
    ciba.decide(alices)
    Client.unscoped.filter(pk=bank.pk).update(is_active=False)

    assert tasks.deliver_pings() == 0
    assert elsewhere.requests == []
    assert row().token is None
