"""What follows from a signal by itself, in the transaction of its cause."""

from functools import partial

import pytest

from accounts import flows as accounts
from accounts.models import Lock, LockTarget
from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import one_cause, record
from core import clock
from core.ids import new_id
from devices.flows import states
from devices.models import DeviceUser, State
from mfa import flows as factors
from policy import bundle, engine
from policy.rego import RegoEvaluator
from policy.response import Act
from risk.levels import RiskLevel
from risk.models import UserRisk
from sessions import response
from sessions.current import current_session_id
from sessions.models import EndReason, LoginSession
from sessions.response import Subject, respond
from tests import cast
from tests.accounts import mailbox
from tests.sessions.test_locks import device_of, put_on
from tests.support import oauth

pytestmark = pytest.mark.django_db


def with_reason(flow):
    return partial(flow, reason="stolen")


RULES = """package sallyport.response

import rego.v1

actions contains {"act": input.kind} if not input.kind in {"lock", "account_at_risk"}

actions contains {"act": "lock", "target": input.facts.target, "minutes": 30} if {
	input.kind == "lock"
}
"""


@pytest.fixture
def device(employee):
    device = device_of(employee.user)
    DeviceUser.objects.create(
        organisation_id=device.organisation_id, device=device, user=employee.user,
        added_at=clock.now(),
    )  # fmt: skip
    return device


@pytest.fixture
def session(client, employee, device):
    session = cast.sign_in(client, employee)
    put_on(device, session)
    return session


@pytest.fixture
def elsewhere(employee):
    """Another session of the same person, on no device."""
    from django.test import Client as Browser

    return cast.sign_in(Browser(), employee)


@pytest.fixture
def plain_rules(tmp_path, monkeypatch):
    """Rules that do what the signal is called."""
    (tmp_path / "response.rego").write_text(RULES)
    monkeypatch.setattr(engine._Engine, "evaluator", RegoEvaluator(bundle.load(tmp_path)))


def about(session, device=None):
    return Subject(
        organisation_id=session.organisation_id, user_id=session.user_id, session_id=session.id,
        device_id=None if device is None else device.id,
    )  # fmt: skip


def live() -> set:
    return set(LoginSession.unscoped.filter(ended_at=None).values_list("id", flat=True))


def written(event, organisation_id, *, subject="", device_id=None, **facts):
    """What a flow of another app writes."""
    return AuditEvent.objects.create(
        at=clock.now(), event=event, organisation_id=organisation_id, subject=subject,
        device_id=device_id, transaction_id=new_id(), facts=facts,
    )  # fmt: skip


class TestEachAct:
    @pytest.fixture(autouse=True)
    def _rules(self, plain_rules):
        pass

    def test_end_session_ends_the_one_at_hand(self, session, elsewhere):
        respond("end_session", about=about(session), now=clock.now())

        assert live() == {elsewhere.id}

    def test_end_sessions_ends_all_of_the_user(self, session, elsewhere, approver):
        from django.test import Client as Browser

        other = cast.sign_in(Browser(), approver)
        respond("end_sessions", about=about(session), now=clock.now())

        assert live() == {other.id}

    def test_end_device_sessions_ends_what_runs_on_it(self, session, elsewhere, device):
        respond("end_device_sessions", about=about(session, device), now=clock.now())

        session.refresh_from_db()
        assert live() == {elsewhere.id}
        assert session.end_reason == EndReason.DEVICE_GONE

    def test_step_up_puts_the_account_at_high_risk(self, session):
        respond("step_up", about=about(session), now=clock.now())

        risk = UserRisk.unscoped.get()
        assert (risk.user_id, risk.level) == (session.user_id, RiskLevel.HIGH)
        assert live() == {session.id}

    @pytest.mark.parametrize("target", ["user", "session", "device"])
    def test_lock_locks_for_its_time(self, session, device, target):
        now = clock.now()
        respond("lock", about=about(session, device), now=now, facts={"target": target})

        lock = Lock.unscoped.get()
        assert (lock.target_type, lock.reason) == (target, "rule: lock")
        assert (lock.ends_at - now).total_seconds() == 1800

    def test_lock_of_what_is_not_known_locks_nothing(self, session):
        respond("lock", about=about(session), now=clock.now(), facts={"target": "device"})

        assert not Lock.unscoped.exists()

    def test_notify_tells_the_person(self, session, employee):
        respond("notify", about=about(session), now=clock.now())

        assert len(mailbox.subjects(employee.email)) == 1

    def test_notify_tells_everybody_who_uses_the_device(self, session, device, employee, approver):
        DeviceUser.objects.create(
            organisation_id=device.organisation_id, device=device, user=approver.user,
            added_at=clock.now(),
        )  # fmt: skip
        subject = Subject(organisation_id=device.organisation_id, device_id=device.id)
        respond("notify", about=subject, now=clock.now())

        assert mailbox.subjects(employee.email) == mailbox.subjects(approver.email) != []


class TestTheRules:
    def test_what_was_decided_is_written_down(self, session):
        respond("device_lost", about=about(session), now=clock.now())
        taken = AuditEvent.objects.get(event=Event.RESPONSE_TAKEN)

        assert taken.facts["signal"] == "device_lost"
        assert taken.facts["policy_revision"] == engine.revision()
        assert taken.facts["actions"] == [{"act": "end_device_sessions"}]

    @pytest.mark.parametrize("end", [states.report_lost, with_reason(states.revoke)])
    def test_a_device_that_is_gone_ends_its_sessions(
        self, session, elsewhere, device, employee, end
    ):
        end(device=device, actor=employee.user, now=clock.now())

        session.refresh_from_db()
        assert live() == {elsewhere.id}
        assert session.end_reason == EndReason.DEVICE_GONE
        gone = AuditEvent.objects.get(event__in=[Event.DEVICE_LOST, Event.DEVICE_REVOKED])
        ended = AuditEvent.objects.get(event=Event.SESSION_ENDED)
        taken = AuditEvent.objects.get(event=Event.RESPONSE_TAKEN)
        assert gone.device_id == taken.device_id == device.id
        assert ended.session_id == session.id

    def test_they_share_the_id_of_the_request(self, client, session, device, employee):
        with one_cause():
            states.report_lost(device=device, actor=employee.user, now=clock.now())

        events = [Event.DEVICE_LOST, Event.RESPONSE_TAKEN, Event.SESSION_ENDED]
        rows = AuditEvent.objects.filter(event__in=events)
        assert rows.count() == 3
        assert rows.values("transaction_id").distinct().count() == 1

    @pytest.mark.parametrize(
        ("previous", "current", "is_over"), [(2, 1, True), (3, 2, False), (1, 0, False)]
    )
    def test_a_device_that_stops_to_comply_ends_its_sessions(
        self, session, elsewhere, device, previous, current, is_over
    ):
        record(
            Event.DEVICE_TIER_CHANGED, organisation_id=device.organisation_id, subject=device,
            device_id=device.id, now=clock.now(), previous=previous, current=current, cause="-",
        )  # fmt: skip

        session.refresh_from_db()
        elsewhere.refresh_from_db()
        assert session.end_reason == (EndReason.REVOKED if is_over else "")
        assert elsewhere.ended_at is None

    def test_a_suspended_device_ends_nothing(self, session, device, employee):
        states.suspend(device=device, actor=employee.user, reason="a look", now=clock.now())

        assert live() == {session.id}

    def test_a_takeover_locks_the_account_until_it_is_recovered(
        self, session, elsewhere, employee, client
    ):
        written(
            Event.USER_RISK_RAISED, session.organisation_id,
            subject=f"accounts.User:{employee.user.pk}", level="high", previous="medium",
            reason="takeover",
        )  # fmt: skip

        lock = Lock.unscoped.get()
        assert (lock.target_type, lock.target) == (LockTarget.USER, str(employee.user.pk))
        assert (lock.ends_at, lock.needs_recovery) == (None, True)
        assert live() == set()
        assert accounts.lift_by_recovery(user=employee.user, now=clock.now()) == 1

    def test_whoever_took_it_over_by_another_address_does_not_recover_it(self, session, employee):
        accounts.note_email_change(
            user=employee.user, old=employee.email, new="mallory@evil.example", now=clock.now()
        )
        written(
            Event.USER_RISK_RAISED, session.organisation_id,
            subject=f"accounts.User:{employee.user.pk}", level="high", previous="medium",
            reason="takeover",
        )  # fmt: skip

        assert accounts.lift_by_recovery(user=employee.user, now=clock.now()) == 0

    def test_high_risk_is_told_and_asked_for(self, session, employee):
        written(
            Event.USER_RISK_RAISED, session.organisation_id,
            subject=f"accounts.User:{employee.user.pk}", level="high", previous="low",
            reason="spray",
        )  # fmt: skip

        assert live() == {session.id}
        assert mailbox.subjects(employee.email) == ["Please confirm that it is you"]

    def test_what_has_no_rule_leaves_no_trace(self, session):
        written(Event.DEVICE_TIER_CHANGED, session.organisation_id, device_id=new_id())

        assert not AuditEvent.objects.filter(event=Event.RESPONSE_TAKEN).exists()


class TestATakeover:
    """Whoever has got in changes the address, the password and the second factor."""

    def test_the_third_step_locks_the_account_and_throws_everybody_out(
        self, client, session, elsewhere, employee
    ):
        current_session_id.set(session.id)
        user, now = employee.user, clock.now()
        accounts.note_email_change(user=user, old=employee.email, new="m@evil.example", now=now)
        accounts.change_password(user=user, password="another horse battery 9", now=now)
        assert not Lock.unscoped.exists()

        factors.remove_totp(user=user, now=now)

        lock = Lock.unscoped.get()
        assert (lock.target, lock.ends_at) == (str(user.pk), None)
        assert live() == set()
        assert accounts.is_locked_out(user=user, address=None, now=now)
        assert accounts.lift_by_recovery(user=user, now=now) == 0

    def test_two_steps_lock_nothing(self, client, session, employee):
        current_session_id.set(session.id)
        user, now = employee.user, clock.now()
        accounts.change_password(user=user, password="another horse battery 9", now=now)
        factors.remove_totp(user=user, now=now)

        assert not Lock.unscoped.exists()
        assert live() == {session.id}


class TestReplays:
    @pytest.fixture
    def tokens(self, acme_web, session):
        return oauth.redeem(acme_web, oauth.issue_code(acme_web, session)).json

    def test_a_replayed_refresh_token_is_told_once(self, acme_web, tokens, employee, later):
        oauth.refresh(acme_web, tokens["refresh_token"])
        later(minutes=1)

        for _ in range(3):
            assert oauth.refresh(acme_web, tokens["refresh_token"]).error == "invalid_grant"

        replayed = AuditEvent.objects.filter(event=Event.REFRESH_TOKEN_REPLAYED).earliest("at")
        taken = AuditEvent.objects.get(event=Event.RESPONSE_TAKEN)
        assert taken.transaction_id == replayed.transaction_id
        assert len(mailbox.subjects(employee.email)) == 1

    def test_a_replayed_code_is_told(self, acme_web, session, employee):
        code = oauth.issue_code(acme_web, session)
        oauth.redeem(acme_web, code)
        oauth.redeem(acme_web, code)

        assert AuditEvent.objects.filter(event=Event.RESPONSE_TAKEN).count() == 1
        assert len(mailbox.subjects(employee.email)) == 1

    def test_rules_that_fail_end_the_sessions(self, acme_web, tokens, session, monkeypatch, later):
        oauth.refresh(acme_web, tokens["refresh_token"])
        later(minutes=1)
        monkeypatch.setattr(engine._Engine, "evaluator", None)

        oauth.refresh(acme_web, tokens["refresh_token"])

        assert live() == set()


class TestAllOrNothing:
    def test_a_response_that_fails_undoes_its_cause(self, session, device, employee, monkeypatch):
        def fail(*_):
            raise RuntimeError("the disk is full")

        monkeypatch.setitem(response._ACTS, Act.END_DEVICE_SESSIONS, fail)

        with pytest.raises(RuntimeError):
            states.report_lost(device=device, actor=employee.user, now=clock.now())

        device.refresh_from_db()
        assert (device.state, live()) == (State.ENROLLED, {session.id})
        assert not AuditEvent.objects.filter(event=Event.DEVICE_LOST).exists()
