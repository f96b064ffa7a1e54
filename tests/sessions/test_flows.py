"""Starting, strengthening and ending login sessions."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session as CookieSession
from django.db import IntegrityError, connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.assurance import Assurance, Level
from core.errors import Refusal
from core.ids import digest, new_id
from sessions import flows
from sessions.current import current_session_id
from sessions.models import EndReason, LoginSession
from sessions.signals import session_ended
from tests import cast
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def session(client, employee) -> LoginSession:
    return cast.sign_in(client, employee)


def start(who, key="k", **changes):
    now = clock.now()
    values = {
        "user": who.user, "session_key": key, "browser": None, "address": "203.0.113.7",
        "assurance": Assurance(Level.AAL1, ("pwd",), now), "user_agent": "x" * 600, "now": now,
    }  # fmt: skip
    return flows.start_session(**(values | changes))


def events(event) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(event=event).order_by("at", "id"))


class TestStartSession:
    def test_it_writes_down_what_was_proven_and_from_where(self, employee, settings):
        session = start(employee, "the cookie's key")

        session.refresh_from_db()
        assert bytes(session.session_key_digest) == digest("the cookie's key")
        assert (session.acr, session.amr) == ("aal1", ["pwd"])
        assert session.security_stamp == employee.user.security_stamp
        assert session.organisation_id == employee.user.organisation_id
        assert session.expires_at == session.started_at + settings.SESSION_ABSOLUTE_LIFETIME
        assert len(session.user_agent) == 512
        (event,) = events(Event.SESSION_STARTED)
        assert event.session_id == session.id
        assert event.facts == {"acr": "aal1", "amr": ["pwd"]}

    def test_one_cookie_carries_one_sign_in(self, employee, approver):
        first = start(employee)
        second = start(approver)

        first.refresh_from_db()
        assert first.end_reason == EndReason.REPLACED
        assert second.ended_at is None

    def test_the_database_holds_to_it(self, employee):
        start(employee)

        with pytest.raises(IntegrityError), transaction.atomic():
            LoginSession.unscoped.bulk_create([start_row(employee)])

    def test_nothing_proven_is_written_as_nothing(self, employee):
        assert start(employee, assurance=Assurance()).acr == ""


def start_row(who) -> LoginSession:
    now = clock.now()
    return LoginSession(
        organisation_id=who.user.organisation_id, user=who.user, session_key_digest=digest("k"),
        acr="aal1", auth_time=now, started_at=now, last_used_at=now,
        expires_at=now + timedelta(days=1), security_stamp=who.user.security_stamp,
    )  # fmt: skip


class TestTheDatabaseKeepsOrganisationsApart:
    def test_a_session_in_another_organisation_than_its_user_is_refused(self, employee, globex):
        row = start_row(employee)
        row.organisation_id = globex.id

        with pytest.raises(IntegrityError, match="idp_sessions_loginsession_user_id_organisation"):
            with transaction.atomic():
                row.save(force_insert=True)
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_so_is_a_browser_of_another_organisation(self, employee, outsider):
        from devices.flows import recognise

        row = start_row(employee)
        row.browser = recognise(
            user=outsider.user, cookie=None, user_agent="", address="203.0.113.7", now=clock.now()
        ).browser

        with pytest.raises(IntegrityError, match="browser_id_organisation"), transaction.atomic():
            row.save(force_insert=True)
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def test_a_session_cannot_end_before_it_starts(self, employee):
        row = start_row(employee)
        row.expires_at = row.started_at

        with pytest.raises(IntegrityError, match="sessions_period"), transaction.atomic():
            row.save(force_insert=True)


class TestRaiseAssurance:
    def test_a_proof_as_strong_adds_to_what_was_proven(self, client, employee, later):
        session = cast.sign_in(client, employee, acr="aal1")
        now = later(minutes=3)

        flows.raise_assurance(
            session=session, assurance=Assurance(Level.AAL2, ("mfa", "otp"), now), now=now
        )

        session.refresh_from_db()
        assert (session.acr, session.amr) == ("aal2", ["mfa", "otp", "pwd"])
        assert session.auth_time == session.last_used_at == now
        (event,) = events(Event.ASSURANCE_RAISED)
        assert event.facts["acr"] == "aal2"

    def test_a_weaker_one_replaces_it(self, session, now):
        """A fresh password does not make an old code fresh."""
        flows.raise_assurance(
            session=session, assurance=Assurance(Level.AAL1, ("pwd",), now), now=now
        )

        session.refresh_from_db()
        assert (session.acr, session.amr) == ("aal1", ["pwd"])


class TestEndSession:
    def test_it_ends_once(self, session, now):
        ended = [
            flows.end_session(session=session, reason=EndReason.SIGNED_OUT, now=now)
            for _ in range(2)
        ]

        assert ended == [True, False]
        (event,) = events(Event.SESSION_ENDED)
        assert event.facts == {"reason": "signed_out"}
        assert event.actor == f"accounts.User:{session.user_id}"

    def test_who_did_it_is_written_down(self, session, approver, now):
        from audit.recorder import ref

        flows.end_session(
            session=session, reason=EndReason.REVOKED, now=now, actor=ref(approver.user)
        )

        assert events(Event.SESSION_ENDED)[0].actor == ref(approver.user)

    def test_others_hear_of_it_after_the_commit(
        self, session, now, django_capture_on_commit_callbacks
    ):
        heard = []

        def listen(sender, **news):
            heard.append((news["session"].id, news["reason"]))

        session_ended.connect(listen)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                flows.end_session(session=session, reason=EndReason.SIGNED_OUT, now=now)
                assert heard == []
        finally:
            session_ended.disconnect(listen)

        assert heard == [(session.id, EndReason.SIGNED_OUT)]


class TestEndOtherSessions:
    def test_it_keeps_the_one_and_ends_the_rest(self, employee, approver, now):
        kept, *_ = (cast.sign_in(Browser(), employee) for _ in range(3))
        stranger = cast.sign_in(Browser(), approver)

        assert flows.end_other_sessions(user=employee.user, keep=kept.id, now=now) == 2

        live = LoginSession.unscoped.filter(ended_at=None).values_list("id", flat=True)
        assert set(live) == {kept.id, stranger.id}
        assert {event.facts["reason"] for event in events(Event.SESSION_ENDED)} == {"ended_by_user"}
        assert flows.end_other_sessions(user=employee.user, keep=kept.id, now=now) == 0

    def test_it_may_keep_none(self, employee, now):
        cast.sign_in(Browser(), employee)

        assert flows.end_other_sessions(user=employee.user, keep=None, now=now) == 1


class TestOrder:
    """Two who end the same sessions lock them in one order, or they wait for each other for ever."""

    @pytest.mark.parametrize(
        "end",
        [
            lambda user, mine, now: flows.end_other_sessions(user=user, keep=mine.id, now=now),
            lambda user, mine, now: flows.adopt_security_stamp(
                session=mine, stamp=uuid4(), now=now
            ),
            lambda user, mine, now: flows.sign_out_everywhere(
                user=user, reason=EndReason.LOCKED, now=now, actor=""
            ),
        ],
        ids=["others", "stamp", "everywhere"],
    )
    def test_sessions_are_locked_in_the_order_of_their_ids(self, employee, now, end):
        mine, _ = (cast.sign_in(Browser(), employee) for _ in range(2))

        with CaptureQueriesContext(connection) as seen:
            end(employee.user, mine, now)

        table = '"idp_sessions_loginsession"'
        locking = [
            each["sql"] for each in seen
            if "FOR UPDATE" in each["sql"] and f"FROM {table}" in each["sql"]
        ]  # fmt: skip
        assert locking
        assert all(f'ORDER BY {table}."id" ASC FOR UPDATE' in sql for sql in locking)


class TestAdoptSecurityStamp:
    def test_the_session_that_made_the_change_goes_on_alone(self, employee, now):
        mine, other = (cast.sign_in(Browser(), employee) for _ in range(2))
        stamp = uuid4()

        flows.adopt_security_stamp(session=mine, stamp=stamp, now=now)

        mine.refresh_from_db()
        other.refresh_from_db()
        assert (mine.security_stamp, mine.ended_at) == (stamp, None)
        assert other.end_reason == EndReason.CREDENTIALS_CHANGED


class TestTouch:
    @pytest.mark.parametrize(("seconds", "is_written"), [(0, False), (59, False), (60, True)])
    def test_at_most_once_a_minute(self, session, seconds, is_written):
        before = session.last_used_at
        now = before + timedelta(seconds=seconds)

        flows.touch(session=session, now=now)

        session.refresh_from_db()
        assert session.last_used_at == (now if is_written else before)

    def test_an_ended_session_is_not_kept_alive(self, session, later):
        flows.end_session(session=session, reason=EndReason.SIGNED_OUT, now=clock.now())
        before = session.last_used_at

        flows.touch(session=session, now=later(minutes=5))

        session.refresh_from_db()
        assert session.last_used_at == before


def test_purge_deletes_what_was_over_long_ago(client, employee, later):
    cast.sign_in(client, employee)
    assert flows.purge(before=clock.now()) == 0
    later(days=8)

    deleted = flows.purge(before=clock.now())

    assert deleted == 1
    assert not LoginSession.unscoped.exists()
    assert not CookieSession.objects.filter(expire_date__lt=clock.now()).exists()


@pytest.mark.django_db(transaction=True)
def test_ten_who_end_one_session_at_once_end_it_once(client, employee):
    session = cast.sign_in(client, employee)

    ended = race(
        lambda _: flows.end_session(
            session=LoginSession.unscoped.get(id=session.id),
            reason=EndReason.SIGNED_OUT,
            now=clock.now(),
        ),
        runners=10,
    )

    assert sorted(ended) == [False] * 9 + [True]
    assert len(events(Event.SESSION_ENDED)) == 1


def test_ids_are_no_secrets_and_sort_by_time(session):
    assert session.id.version == new_id().version == 7


class TestSignOutEverywhere:
    def everywhere(self, who):
        return flows.sign_out_everywhere(
            user=who.user, reason=EndReason.ENDED_BY_CLIENT, now=clock.now(), actor="idp.Client:1"
        )

    def test_every_session_ends_and_the_one_that_asks_too(self, client, session, employee):
        other, stamp = start(employee, "another"), employee.user.security_stamp
        current_session_id.set(session.id)

        assert self.everywhere(employee) == 2

        for row in (session, other):
            row.refresh_from_db()
            assert (row.end_reason, row.is_live(clock.now())) == ("ended_by_client", False)
        employee.user.refresh_from_db()
        assert employee.user.security_stamp != stamp
        assert {event.actor for event in events(Event.SESSION_ENDED)} == {"idp.Client:1"}
        (event,) = events(Event.USER_SIGNED_OUT)
        assert event.facts == {"reason": "ended_by_client", "sessions": 2}

    def test_others_go_on(self, session, approver):
        start(approver)

        assert self.everywhere(approver) == 1

        session.refresh_from_db()
        assert session.ended_at is None

    def test_a_second_time_ends_nothing(self, session, employee):
        self.everywhere(employee)

        assert self.everywhere(employee) == 0
        assert len(events(Event.SESSION_ENDED)) == 1

    def test_a_sign_in_that_still_owes_its_second_factor_ends_too(self, client, employee):
        form = {"login": employee.email, "password": employee.password}
        client.post("/accounts/login/", form)

        self.everywhere(employee)

        answer = client.post("/mfa/challenge/", {"code": employee.totp_code()}, follow=True)
        assert "_auth_user_id" not in client.session
        assert answer.redirect_chain[0][0].startswith("/accounts/login/")

    def test_somebody_who_is_gone_is_not_found(self, newcomer):
        User.unscoped.filter(pk=newcomer.user.pk).delete()

        with pytest.raises(Refusal, match="not_found"):
            self.everywhere(newcomer)
        assert not events(Event.USER_SIGNED_OUT)
