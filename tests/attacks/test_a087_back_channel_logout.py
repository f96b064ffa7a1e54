"""A087: a client's logout address is slow, broken, huge, a redirect, or inside our own network."""

import threading
import time
from typing import Any

import pytest
from django.test import Client as Browser

from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.outbox import ANSWER_LIMIT_BYTES, MAX_ATTEMPTS
from idp import tasks
from idp.models import Client, LogoutDelivery
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.elsewhere import Elsewhere

pytestmark = pytest.mark.django_db
PATH = "/backchannel_logout"
PATIENCE_SECONDS = 0.5


@pytest.fixture
def told(acme: Any, elsewhere: Elsewhere) -> Client:
    return cast.client("acme-told", acme, metadata={"backchannel_logout_uri": elsewhere.url(PATH)})


def sign_out(browser: Browser, employee: Person, client: Client) -> None:
    session = cast.sign_in(browser, employee)
    oauth.redeem(client, oauth.issue_code(client, session))
    assert browser.post("/accounts/logout/").status_code == 302
    assert LoginSession.unscoped.get().ended_at is not None


def why() -> str:
    """How the only try went: not delivered, and to be repeated."""
    assert tasks.deliver_logout_tokens() == 0
    row = LogoutDelivery.unscoped.get()
    assert row.attempts == 1
    assert row.delivered_at is None
    assert row.next_attempt_at > clock.now()
    return row.last_error


def test_a_receiver_that_never_answers_costs_neither_the_user_nor_the_worker(
    client: Browser, employee: Person, told: Client, elsewhere: Elsewhere, monkeypatch: Any
) -> None:
    monkeypatch.setattr("core.outbox.TIMEOUT_SECONDS", PATIENCE_SECONDS)
    done = threading.Event()
    elsewhere.pages[PATH] = lambda _: done.wait(30)

    sign_out(client, employee, told)
    assert elsewhere.requests == [], "nobody is asked while the user waits"
    began = time.monotonic()
    try:
        assert (
            "took too long" in why() or "TimeoutError" in LogoutDelivery.unscoped.get().last_error
        )
    finally:
        done.set()

    assert time.monotonic() - began < 20, "the receiver would have kept us for thirty seconds"


def test_an_endless_answer_is_not_read(
    client: Browser, employee: Person, told: Client, elsewhere: Elsewhere
) -> None:
    elsewhere.pages[PATH] = (200, {}, b"x" * (ANSWER_LIMIT_BYTES + 1))

    sign_out(client, employee, told)

    assert why() == "the answer is too large"


def test_a_redirect_is_not_followed(
    client: Browser, employee: Person, told: Client, elsewhere: Elsewhere
) -> None:
    elsewhere.pages[PATH] = (307, {"Location": elsewhere.url("/secret")}, b"")

    sign_out(client, employee, told)

    assert "redirect" in why()
    assert [path for _, path, _, _ in elsewhere.requests] == [PATH]


def test_an_address_inside_is_not_asked(
    client: Browser, employee: Person, told: Client, elsewhere: Elsewhere, settings: Any
) -> None:
    settings.OUTBOUND_ALLOWED_NETWORKS = []

    sign_out(client, employee, told)

    assert "not open" in why()
    assert elsewhere.requests == []


def test_an_error_is_repeated_and_given_up_with_a_trace(
    client: Browser, employee: Person, told: Client, elsewhere: Elsewhere, later: Any
) -> None:
    elsewhere.pages[PATH] = (500, {}, b"")
    sign_out(client, employee, told)

    for _ in range(MAX_ATTEMPTS + 2):
        tasks.deliver_logout_tokens()
        later(minutes=17)

    assert len(elsewhere.requests) == MAX_ATTEMPTS
    event = AuditEvent.objects.get(event=Event.LOGOUT_ABANDONED)
    assert event.facts == {
        "client_id": "acme-told", "attempts": MAX_ATTEMPTS, "reason": "answered 500",
    }  # fmt: skip


def test_a_token_is_good_for_two_minutes_and_for_nothing_else(
    client: Browser, employee: Person, told: Client, elsewhere: Elsewhere
) -> None:
    elsewhere.serve(PATH, b"")
    sign_out(client, employee, told)
    tasks.deliver_logout_tokens()
    token = elsewhere.requests[0][3].decode().partition("=")[2]

    claims = oauth.claims_of(token)
    assert oauth.header_of(token)["typ"] == "logout+jwt"
    assert claims["exp"] - claims["iat"] <= 120
    assert "nonce" not in claims
    bearer = oauth.send("GET", "/oauth/userinfo", authorization=f"Bearer {token}")
    assert (bearer.status, bearer.error) == (401, "invalid_token")
