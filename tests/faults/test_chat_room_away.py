"""A chat room is down, slow, overwhelmed or somewhere else: access goes on, and it is told later."""

import time
from datetime import timedelta

import pytest

from access import flows
from access.chat import notes
from access.chat.delivery import IN_A_MINUTE, KEPT_FOR
from access.chat.models import ChatDelivery
from access.models import State
from access.tasks import tell_of_alerts, tell_rooms
from audit.models import AuditEvent
from core import clock
from core.outbox import MAX_ATTEMPTS
from tests.support import access
from tests.support.rooms import PATH, room, told

pytestmark = pytest.mark.django_db
NOBODY = "https://localhost:9/hook"


@pytest.fixture
def session(employee):
    return access.session_of(employee)


@pytest.fixture
def entitlement(acme, employee, approver):
    return access.entitlement(acme, by=[approver], eligible=[employee])


def given_up() -> list[dict]:
    events = AuditEvent.objects.filter(event="access.chat.abandoned").order_by("at")
    return [event.facts for event in events]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_request_goes_its_way_and_the_room_is_told_once_it_is_back(
    acme, entitlement, employee, approver, session, elsewhere, later, status
):
    room(acme, elsewhere.serve(PATH, b"no", status=status), happenings=["requested"])
    grant = access.ask(entitlement, employee, session)
    tell_rooms()
    access.approve(grant, approver)
    assert access.activate(grant, employee, session).state == State.ACTIVE
    row = ChatDelivery.unscoped.get()
    assert (row.attempts, row.last_error) == (1, f"answered {status}")

    elsewhere.serve(PATH, b"ok")
    assert told(elsewhere) == []  # it is left alone for a while
    later(seconds=16)

    (message,) = told(elsewhere)
    assert message["data"]["grant"] == str(grant.pk)
    first, second = (headers for _, _, headers, _ in elsewhere.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] < second["webhook-timestamp"]
    assert told(elsewhere) == []


def test_nobody_there_is_given_up_after_a_while_and_written_down(
    acme, entitlement, employee, session, elsewhere, later
):
    room(acme, NOBODY, happenings=["requested"])
    assert access.ask(entitlement, employee, session).state == State.APPROVAL_AWAITED
    for _ in range(MAX_ATTEMPTS):
        tell_rooms()
        later(minutes=40)
    tell_rooms()

    row = ChatDelivery.unscoped.get()
    assert (row.attempts, row.next_attempt_at, row.delivered_at) == (MAX_ATTEMPTS, None, None)
    (facts,) = given_up()
    assert (facts["host"], facts["messages"], facts["attempts"]) == ("localhost", 1, MAX_ATTEMPTS)
    assert "/hook" not in str(facts)


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_room_that_is_gone_is_not_asked_again(
    acme, entitlement, employee, session, elsewhere, later, status
):
    room(acme, elsewhere.serve(PATH, b"no_service", status=status), happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()
    later(hours=1)
    tell_rooms()

    assert len(elsewhere.requests) == 1
    assert given_up()[0]["reason"] == f"answered {status}"


def test_no_address_is_followed_elsewhere(acme, entitlement, employee, session, elsewhere):
    elsewhere.pages[PATH] = (307, {"Location": elsewhere.serve("/trap", b"ok")}, b"")
    room(acme, elsewhere.url(PATH), happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()

    assert [path for _, path, _, _ in elsewhere.requests] == [PATH]
    assert given_up()[0]["reason"] == "it answers from elsewhere"


def test_no_private_address_is_asked(acme, entitlement, employee, session, elsewhere, settings):
    settings.OUTBOUND_ALLOWED_NETWORKS = []
    room(acme, elsewhere.serve(PATH, b"ok"), happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()

    assert elsewhere.requests == []
    assert "not open to requests" in ChatDelivery.unscoped.get().last_error


def test_a_slow_one_delays_nobody_elses_first_message_for_long(
    acme, entitlement, employee, session, elsewhere, monkeypatch
):
    monkeypatch.setattr("core.outbox.TIMEOUT_SECONDS", 0.3)
    elsewhere.pages["/slow"] = lambda handler: time.sleep(1)
    room(acme, elsewhere.url("/slow"), name="slow", happenings=["requested"])
    room(acme, elsewhere.serve(PATH, b"ok"), name="quick", happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()

    rows = {row.webhook.name: row for row in ChatDelivery.unscoped.select_related("webhook")}
    assert rows["quick"].delivered_at is not None
    assert rows["slow"].delivered_at is None
    assert (rows["slow"].attempts, given_up()) == (1, [])


def test_a_flood_of_an_answer_is_not_read(acme, entitlement, employee, session, elsewhere):
    room(acme, elsewhere.serve(PATH, b"x" * 100_000), happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()

    assert ChatDelivery.unscoped.get().last_error == "the answer is too large"


def test_it_is_left_alone_for_as_long_as_it_asks(
    acme, entitlement, employee, session, elsewhere, later
):
    elsewhere.pages[PATH] = (429, {"Retry-After": "120"}, b"")
    room(acme, elsewhere.url(PATH), happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()
    elsewhere.serve(PATH, b"ok")
    later(seconds=110)
    assert told(elsewhere) == []
    later(seconds=11)

    assert len(told(elsewhere)) == 1


@pytest.mark.parametrize(
    "asked", ["99999999", "-1", "soon", "Wed, 21 Oct 2099 07:28:00 GMT", "\u0663"]
)
def test_it_does_not_ask_for_ever(acme, entitlement, employee, session, elsewhere, later, asked):
    elsewhere.pages[PATH] = (503, {"Retry-After": asked.encode().decode("latin-1")}, b"")
    room(acme, elsewhere.url(PATH), happenings=["requested"])
    access.ask(entitlement, employee, session)
    tell_rooms()
    elsewhere.serve(PATH, b"ok")
    later(minutes=10, seconds=1)

    assert len(told(elsewhere)) == 1


def test_a_room_gets_so_many_a_minute_and_the_rest_later(acme, elsewhere, later):
    flooded = room(acme, elsewhere.serve(PATH, b"ok"), name="flooded").webhook
    other = room(acme, elsewhere.serve("/other", b"ok"), name="other").webhook
    for _ in range(IN_A_MINUTE + 5):
        notes.of_test(flooded, now=clock.now())
    notes.of_test(other, now=clock.now())
    tell_rooms()
    paths = [path for _, path, _, _ in elsewhere.requests]
    assert (paths.count(PATH), paths.count("/other")) == (IN_A_MINUTE, 1)

    assert told(elsewhere) == []
    later(seconds=61)
    assert len(told(elsewhere)) == 5


def test_one_that_is_far_behind_is_told_no_more_until_it_has_caught_up(
    acme, entitlement, employee, session, monkeypatch
):
    monkeypatch.setattr(notes, "MAX_WAITING", 3)
    behind = room(acme, NOBODY, happenings=["requested"]).webhook
    for _ in range(3):
        notes.of_test(behind, now=clock.now())

    assert access.ask(entitlement, employee, session).state == State.APPROVAL_AWAITED
    assert ChatDelivery.unscoped.filter(happening="requested").count() == 0


def test_what_has_waited_for_a_day_is_no_news(
    acme, entitlement, employee, session, elsewhere, later
):
    behind = room(acme, elsewhere.serve(PATH, b"ok"), happenings=["requested"]).webhook
    access.ask(entitlement, employee, session)
    notes.of_test(behind, now=clock.now())
    later(days=1)

    assert told(elsewhere) == []
    (facts,) = given_up()
    assert (facts["messages"], facts["reason"]) == (2, "it waited for too long")
    later(days=KEPT_FOR.days)
    tell_of_alerts()
    assert ChatDelivery.unscoped.count() == 0


def test_without_the_key_of_its_address_it_waits(
    acme, entitlement, employee, session, elsewhere, later, monkeypatch
):
    from protection.keyring import KeyUnavailable

    room(acme, elsewhere.serve(PATH, b"ok"), happenings=["requested"])
    access.ask(entitlement, employee, session)
    with monkeypatch.context() as away:

        def unseal(*args, **how):
            raise KeyUnavailable("switched off")

        away.setattr("protection.envelope.unseal", unseal)
        tell_rooms()
    assert "key" in ChatDelivery.unscoped.get().last_error
    later(seconds=16)

    assert len(told(elsewhere)) == 1


def test_two_workers_tell_a_room_once(acme, elsewhere):
    webhook = room(acme, elsewhere.serve(PATH, b"ok")).webhook
    flows.send_test(webhook=webhook, now=clock.now())
    tell_rooms()
    tell_rooms()

    assert len(elsewhere.requests) == 1
    assert ChatDelivery.unscoped.get().delivered_at >= clock.now() - timedelta(minutes=1)
