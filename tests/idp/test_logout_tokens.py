"""Clients are told of ended sessions: whatever ended them, once, and nobody waits for it."""

from datetime import timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.outbox import MAX_ATTEMPTS
from idp import tasks
from idp.delivery.logout_tokens import deliver_next, note_ended
from idp.flows import deactivate_client
from idp.models import Client, LogoutDelivery, RefreshFamily
from sessions.current import current_session_id
from sessions.flows import end_session
from sessions.models import EndReason, LoginSession
from sessions.tasks import sweep_sessions
from tests import cast
from tests.cast import Person
from tests.support import oauth
from tests.support.elsewhere import Elsewhere
from tests.support.racing import race

PATH = "/backchannel_logout"


@pytest.fixture
def told(acme: Any, elsewhere: Elsewhere) -> Client:
    """A client that wants to be told, by a server that answers 200."""
    uri = elsewhere.serve(PATH, b"")
    return cast.client(
        "acme-told", acme, is_first_party=True, metadata={"backchannel_logout_uri": uri}
    )


@pytest.fixture
def session(client: Browser, employee: Person, told: Client) -> LoginSession:
    """A session that signed in to `told`."""
    session = cast.sign_in(client, employee)
    oauth.redeem(told, oauth.issue_code(told, session))
    return session


def end(session: LoginSession) -> None:
    end_session(session=session, reason=EndReason.ENDED_BY_USER, now=clock.now())


def change_credentials(_: LoginSession) -> None:
    """By somebody else than this session, which would go on."""
    current_session_id.set(None)
    accounts.rotate_security_stamp(user=User.unscoped.get(), now=clock.now())


def tokens(elsewhere: Elsewhere) -> list[dict[str, Any]]:
    """The claims of every logout token that arrived."""
    return [
        oauth.claims_of(parse_qs(body.decode())["logout_token"][0])
        for _, _, _, body in elsewhere.requests
    ]


class TestWhoIsTold:
    def test_every_client_that_the_session_signed_in_to(
        self, acme: Any, acme_web: Client, told: Client, session: LoginSession,
        elsewhere: Elsewhere,
    ) -> None:  # fmt: skip
        other = cast.client(
            "acme-other", acme, metadata={"backchannel_logout_uri": elsewhere.url(PATH)}
        )
        for client in (other, other, acme_web):
            oauth.redeem(client, oauth.issue_code(client, session))
        cast.client(  # never used in this session
            "acme-idle", acme, metadata={"backchannel_logout_uri": elsewhere.url(PATH)}
        )
        end(session)

        assert tasks.deliver_logout_tokens() == 2
        assert sorted(token["aud"] for token in tokens(elsewhere)) == ["acme-other", "acme-told"]

    @pytest.mark.parametrize(
        "how",
        [
            end,
            change_credentials,
            lambda session: User.unscoped.update(is_active=False),
            lambda session: LoginSession.unscoped.update(expires_at=clock.now()),
            lambda session: LoginSession.unscoped.update(
                last_used_at=clock.now() - timedelta(days=2)
            ),
        ],
        ids=["user", "credentials", "policy", "expiry", "idleness"],
    )
    def test_whatever_ended_it(
        self, session: LoginSession, elsewhere: Elsewhere, how: Any, later: Any
    ) -> None:
        how(session)
        later(minutes=6)
        sweep_sessions()

        assert tasks.deliver_logout_tokens() == 1
        assert tokens(elsewhere)[0]["sid"] == str(session.id)

    def test_ending_it_from_another_session_of_the_same_person(
        self, session: LoginSession, employee: Person, elsewhere: Elsewhere
    ) -> None:
        another = Browser()
        cast.sign_in(another, employee)

        another.post(f"/sessions/{session.id}/end/")

        assert tasks.deliver_logout_tokens() == 1
        assert tokens(elsewhere)[0]["sid"] == str(session.id)

    def test_signing_out_announces_it_at_once_and_waits_for_nobody(
        self, client: Browser, session: LoginSession, elsewhere: Elsewhere,
        django_capture_on_commit_callbacks: Any,
    ) -> None:  # fmt: skip
        with mock.patch("core.background.current_app") as app:
            with django_capture_on_commit_callbacks(execute=True):
                client.post("/accounts/logout/")

        assert LogoutDelivery.unscoped.get().session_id == session.id
        app.send_task.assert_called_once_with(
            "idp.tasks.deliver_logout_tokens", kwargs={}, retry=False
        )
        assert elsewhere.requests == []

    def test_nothing_is_announced_where_nobody_wants_to_know(
        self, client: Browser, employee: Person, acme_web: Client,
        django_capture_on_commit_callbacks: Any,
    ) -> None:  # fmt: skip
        session = cast.sign_in(client, employee)
        oauth.redeem(acme_web, oauth.issue_code(acme_web, session))

        with mock.patch("core.background.current_app") as app:
            with django_capture_on_commit_callbacks(execute=True):
                end(session)

        assert not LogoutDelivery.unscoped.exists()
        assert not app.send_task.called

    def test_a_broker_that_is_away_loses_nothing(
        self, session: LoginSession, elsewhere: Elsewhere, django_capture_on_commit_callbacks: Any
    ) -> None:
        with mock.patch("core.background.current_app") as app:
            app.send_task.side_effect = OSError("no broker")
            with django_capture_on_commit_callbacks(execute=True):
                end(session)

        assert tasks.deliver_logout_tokens() == 1

    def test_a_session_that_goes_on_is_announced_to_nobody(self, session: LoginSession) -> None:
        assert note_ended(now=clock.now()) == 0

    def test_a_process_that_dies_at_the_commit_loses_nothing_however_long_no_worker_comes(
        self, session: LoginSession, elsewhere: Elsewhere, later: Any
    ) -> None:
        end(session)  # nothing that runs on commit runs here
        later(days=9)
        tasks.purge()

        assert tasks.deliver_logout_tokens() == 1
        assert tokens(elsewhere)[0]["sid"] == str(session.id)

    def test_an_end_that_is_taken_back_is_announced_to_nobody(self, session: LoginSession) -> None:
        with pytest.raises(RuntimeError), transaction.atomic():
            end(session)
            raise RuntimeError

        assert not LogoutDelivery.unscoped.exists()

    def test_what_was_issued_while_the_session_ended_is_found_by_the_next_round(
        self, session: LoginSession, elsewhere: Elsewhere
    ) -> None:
        families = list(RefreshFamily.unscoped.all())
        RefreshFamily.unscoped.all().delete()
        end(session)
        RefreshFamily.unscoped.bulk_create(families)  # committed a moment later

        assert tasks.deliver_logout_tokens() == 1

    def test_what_ended_long_ago_is_not_dug_up(self, session: LoginSession, later: Any) -> None:
        end(session)
        LogoutDelivery.unscoped.all().delete()

        assert note_ended(now=later(hours=1, seconds=1)) == 0


class TestDelivering:
    def test_once_accepted_it_is_not_sent_again(
        self, session: LoginSession, elsewhere: Elsewhere, later: Any
    ) -> None:
        end(session)
        tasks.deliver_logout_tokens()
        later(minutes=30)
        tasks.deliver_logout_tokens()

        assert len(elsewhere.requests) == 1
        row = LogoutDelivery.unscoped.get()
        assert (row.attempts, row.next_attempt_at, row.last_error) == (1, None, "")
        assert row.delivered_at is not None

    @pytest.mark.parametrize("status", [201, 204])
    def test_any_success_is_one(
        self, session: LoginSession, elsewhere: Elsewhere, status: int
    ) -> None:
        elsewhere.pages[PATH] = (status, {}, b"")
        end(session)

        assert tasks.deliver_logout_tokens() == 1

    def test_a_refusal_is_final_and_written_down(
        self, session: LoginSession, told: Client, elsewhere: Elsewhere, later: Any
    ) -> None:
        elsewhere.pages[PATH] = (400, {}, b'{"error":"invalid_request"}')
        end(session)

        assert tasks.deliver_logout_tokens() == 0
        later(hours=1)
        tasks.deliver_logout_tokens()

        assert len(elsewhere.requests) == 1
        event = AuditEvent.objects.get(event=Event.LOGOUT_ABANDONED)
        assert event.facts == {"client_id": "acme-told", "attempts": 1, "reason": "answered 400"}
        assert (event.session_id, event.subject) == (session.id, f"idp.Client:{told.id}")

    def test_failures_are_repeated_with_growing_pauses_and_given_up(
        self, session: LoginSession, elsewhere: Elsewhere, later: Any
    ) -> None:
        elsewhere.pages[PATH] = (500, {}, b"")
        end(session)
        note_ended(now=clock.now())
        pauses = []
        while (row := LogoutDelivery.unscoped.get()).next_attempt_at:
            assert row.attempts < MAX_ATTEMPTS
            now = clock.now()
            deliver_next(now=now)
            row.refresh_from_db()
            if row.next_attempt_at is not None:
                pauses.append((row.next_attempt_at - now).total_seconds())
                assert deliver_next(now=clock.now()) is None, "not before its pause is over"
                later(seconds=pauses[-1] + 1)

        assert pauses == [15, 30, 60, 120, 240, 480, 960]
        assert len({token["jti"] for token in tokens(elsewhere)}) == MAX_ATTEMPTS
        assert AuditEvent.objects.get(event=Event.LOGOUT_ABANDONED).facts["attempts"] == 8
        assert LogoutDelivery.unscoped.get().delivered_at is None

    def test_a_repetition_reaches_a_client_that_is_back(
        self, session: LoginSession, elsewhere: Elsewhere, later: Any
    ) -> None:
        elsewhere.pages[PATH] = (503, {}, b"")
        end(session)
        assert tasks.deliver_logout_tokens() == 0
        elsewhere.pages[PATH] = (204, {}, b"")
        later(seconds=15)

        assert tasks.deliver_logout_tokens() == 1
        assert not AuditEvent.objects.filter(event=Event.LOGOUT_ABANDONED).exists()

    def test_a_client_that_fails_delays_nobody_else(
        self, acme: Any, session: LoginSession, elsewhere: Elsewhere, employee: Person
    ) -> None:
        down = cast.client(
            "acme-down", acme, metadata={"backchannel_logout_uri": elsewhere.url("/down")}
        )
        elsewhere.pages["/down"] = (500, {}, b"")
        sessions = [session, *(cast.sign_in(Browser(), employee) for _ in range(3))]
        for each in sessions:
            oauth.redeem(down, oauth.issue_code(down, each))
            end(each)

        assert tasks.deliver_logout_tokens() == 1
        assert [path for _, path, _, _ in elsewhere.requests].count("/down") == 1

    @pytest.mark.parametrize("change", ["deactivated", "address withdrawn"])
    def test_a_client_that_no_longer_wants_to_know_is_not_asked(
        self, session: LoginSession, told: Client, elsewhere: Elsewhere, change: str
    ) -> None:
        end(session)
        note_ended(now=clock.now())
        if change == "deactivated":
            deactivate_client(client=told, now=clock.now())
        else:
            Client.unscoped.filter(id=told.id).update(metadata={})

        assert tasks.deliver_logout_tokens() == 0
        assert elsewhere.requests == []
        assert LogoutDelivery.unscoped.get().next_attempt_at is None

    def test_rows_are_deleted_after_a_week(self, session: LoginSession, later: Any) -> None:
        end(session)
        tasks.deliver_logout_tokens()
        later(days=6)
        tasks.purge()
        assert LogoutDelivery.unscoped.count() == 1
        later(days=1, seconds=1)
        tasks.purge()
        assert not LogoutDelivery.unscoped.exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_tell_it_once(
    acme: Any, elsewhere: Elsewhere, employee: Person, client: Browser
) -> None:
    uri = elsewhere.serve(PATH, b"")
    told = cast.client("acme-told", acme, metadata={"backchannel_logout_uri": uri})
    with mock.patch("core.background.current_app"):
        for _ in range(4):
            session = cast.sign_in(Browser(), employee)
            oauth.redeem(told, oauth.issue_code(told, session))
            end(session)

    counts = race(lambda _: tasks.deliver_logout_tokens(), runners=4)

    assert sum(counts) == 4
    assert len({token["sid"] for token in tokens(elsewhere)}) == len(elsewhere.requests) == 4


@pytest.mark.django_db
def test_a_session_that_is_unknown_is_announced_to_nobody() -> None:
    assert note_ended(now=clock.now(), session_id=uuid4()) == 0
