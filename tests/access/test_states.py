"""Each state, each way from one to another, and that there is no other way."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from access import flows
from access.models import OPEN, TRANSITIONS, Grant, State
from accounts.models import RoleAssignment
from core import clock
from core.errors import Refusal
from tests.support import access

pytestmark = pytest.mark.django_db


def end(grant: Grant) -> tuple[str, str]:
    grant = access.fresh(grant)
    return grant.state, grant.end_cause


class TestApprovalAwaited:
    def test_it_is_scheduled_by_an_approval(self, request_, approver):
        assert access.approve(request_, approver).state == State.SCHEDULED

    def test_it_is_denied_by_a_denial(self, request_, approver):
        assert access.deny(request_, approver).state == State.DENIED
        assert end(request_) == (State.DENIED, "denied by an approver")

    def test_it_expires_when_nobody_answers(self, request_, later):
        later(minutes=59, seconds=59)
        assert flows.expire_due(now=clock.now()) == 0
        later(seconds=1)
        assert flows.expire_due(now=clock.now()) == 1
        assert end(request_) == (State.EXPIRED, "not answered in time")

    def test_it_is_withdrawn_by_its_owner(self, request_, employee):
        assert flows.cancel_grant(grant=request_, requester=employee.user, now=clock.now())
        assert end(request_) == (State.CANCELLED, "withdrawn")
        assert not flows.cancel_grant(grant=request_, requester=employee.user, now=clock.now())

    def test_it_is_not_activated(self, request_, employee, session):
        with pytest.raises(Refusal, match="waiting for approval"):
            access.activate(request_, employee, session)

    def test_it_is_not_dropped_or_revoked(self, request_, employee, approver):
        with pytest.raises(Refusal, match="withdraw it instead"):
            flows.drop_grant(grant=request_, requester=employee.user, now=clock.now())
        with pytest.raises(Refusal, match="deny it instead"):
            flows.revoke_grant(grant=request_, actor=approver.user, reason="x", now=clock.now())

    def test_an_answer_that_comes_too_late_finds_it_expired(self, request_, approver, later):
        later(hours=1)

        with pytest.raises(Refusal, match="too late"):
            access.approve(request_, approver)
        assert end(request_) == (State.EXPIRED, "not answered in time")
        assert access.kinds(request_) == ["requested", "expired"]


class TestScheduled:
    def test_it_becomes_active_by_its_owner(self, scheduled, employee, session):
        assert access.activate(scheduled, employee, session).state == State.ACTIVE

    def test_it_expires_when_its_owner_does_not_come(self, scheduled, employee, session, later):
        later(hours=8)

        with pytest.raises(Refusal, match="too late"):
            access.activate(scheduled, employee, session)
        assert end(scheduled) == (State.EXPIRED, "not begun in time")

    def test_it_is_withdrawn_by_its_owner(self, scheduled, employee):
        assert flows.cancel_grant(grant=scheduled, requester=employee.user, now=clock.now())
        assert end(scheduled) == (State.CANCELLED, "withdrawn")

    def test_it_is_revoked(self, scheduled, approver):
        assert flows.revoke_grant(
            grant=scheduled, actor=approver.user, reason="no more", now=clock.now()
        )
        assert end(scheduled) == (State.REVOKED, "revoked")

    def test_it_fails_for_good_when_what_it_rests_on_is_gone(
        self, scheduled, entitlement, employee, session
    ):
        entitlement.eligibilities.update(ended_at=clock.now())  # and nobody was told

        with pytest.raises(Refusal, match="eligible"):
            access.activate(scheduled, employee, session)
        assert end(scheduled) == (State.ACTIVATION_FAILED, "could not begin")
        assert access.kinds(scheduled)[-1] == "activation_failed"
        assert not RoleAssignment.unscoped.filter(grant_id=scheduled.pk).exists()

    def test_it_stays_when_only_the_sign_in_is_too_weak(self, acme, employee, session):
        strong = access.entitlement(acme, eligible=[employee], required_acr="aal2")
        grant = access.ask(strong, employee, session)
        weak = access.session_of(employee, acr="aal1")

        with pytest.raises(Refusal) as refused:
            access.activate(grant, employee, weak)
        assert refused.value.code == "insufficient_user_authentication"
        assert 'acr_values="aal2"' in refused.value.headers["WWW-Authenticate"]
        assert access.fresh(grant).state == State.SCHEDULED
        assert access.activate(grant, employee, session).state == State.ACTIVE


class TestActive:
    def test_it_ends_by_time(self, active, later):
        later(hours=1)
        assert flows.expire_due(now=clock.now()) == 1
        assert end(active) == (State.ENDED, "time")

    def test_it_is_given_back_early(self, active, employee, session):
        assert flows.drop_grant(grant=active, requester=employee.user, now=clock.now())
        assert end(active) == (State.ENDED, "given back")
        assert access.roles_in(session) == []
        assert access.kinds(active)[-1] == "dropped"
        assert not flows.drop_grant(grant=active, requester=employee.user, now=clock.now())

    def test_it_is_revoked_at_once(self, active, approver, session):
        assert access.roles_in(session) == ["db-admin"]
        assert flows.revoke_grant(
            grant=active, actor=approver.user, reason="enough", now=clock.now()
        )
        assert end(active) == (State.REVOKED, "revoked")
        assert access.roles_in(session) == []
        assert not flows.revoke_grant(
            grant=active, actor=approver.user, reason="enough", now=clock.now()
        )

    def test_it_is_not_withdrawn_any_more(self, active, employee):
        with pytest.raises(Refusal, match="give it back"):
            flows.cancel_grant(grant=active, requester=employee.user, now=clock.now())

    def test_it_is_suspended_and_resumed(self, active, approver, session):
        ends_at = active.ends_at

        assert flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        assert access.fresh(active).state == State.SUSPENDED
        assert access.roles_in(session) == []
        assert flows.resume_grant(grant=active, actor=approver.user, now=clock.now())
        assert access.fresh(active).state == State.ACTIVE
        assert access.roles_in(session) == ["db-admin"]
        assert access.fresh(active).ends_at == ends_at

    def test_begun_twice_it_has_begun_once(self, active, employee, session):
        again = access.activate(active, employee, session)

        assert again.activated_at == active.activated_at
        assert access.kinds(active).count("activated") == 1

    def test_it_is_not_begun_again_once_its_time_is_over(self, active, employee, session, later):
        later(hours=1)

        with pytest.raises(Refusal, match="too late"):
            access.activate(active, employee, session)
        assert end(active) == (State.ENDED, "time")

    def test_it_does_not_begin_in_another_session_as_well(self, active, employee):
        with pytest.raises(Refusal, match="active by now"):
            access.activate(active, employee, access.session_of(employee))


class TestSuspended:
    @pytest.fixture
    def suspended(self, active, approver):
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        return access.fresh(active)

    def test_it_ends_by_time(self, suspended, later):
        later(hours=1)
        assert flows.expire_due(now=clock.now()) == 1
        assert end(suspended) == (State.ENDED, "time")

    def test_it_is_given_back(self, suspended, employee):
        assert flows.drop_grant(grant=suspended, requester=employee.user, now=clock.now())
        assert end(suspended)[0] == State.ENDED

    def test_it_is_revoked(self, suspended, approver):
        assert flows.revoke_grant(grant=suspended, actor=approver.user, reason="x", now=clock.now())
        assert end(suspended)[0] == State.REVOKED

    def test_its_owner_does_not_resume_it(self, suspended, employee):
        with pytest.raises(Refusal, match="administrators"):
            flows.resume_grant(grant=suspended, actor=employee.user, now=clock.now())


class TestTheDatabase:
    """Whoever writes past the flows: the rows themselves refuse."""

    def test_it_knows_the_same_transitions(self, request_):
        allowed = set()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE access_grant DROP CONSTRAINT access_published_or_begun")
        for before in State:
            for after in State:
                if before != after and self._goes(request_, before, after):
                    allowed.add((before, after))

        assert allowed == {
            (before, after) for before in TRANSITIONS for after in TRANSITIONS[before]
        }

    def test_roles_are_never_published(self, scheduled):
        with pytest.raises(IntegrityError, match="published_or_begun"), transaction.atomic():
            Grant.unscoped.filter(pk=scheduled.pk).update(
                state=State.PUBLISHED, ended_at=clock.now()
            )

    def _goes(self, grant: Grant, before: State, after: State) -> bool:
        now = clock.now()
        columns = {
            "approved_at": now, "activated_at": now, "ends_at": now + timedelta(minutes=5),
        }  # fmt: skip
        sid = transaction.savepoint()
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE access_grant DISABLE TRIGGER access_keep_terms")
            Grant.unscoped.filter(pk=grant.pk).update(
                state=before, ended_at=None if before in OPEN else now, **columns
            )
            cursor.execute("ALTER TABLE access_grant ENABLE TRIGGER access_keep_terms")
        try:
            with transaction.atomic():
                Grant.unscoped.filter(pk=grant.pk).update(
                    state=after, ended_at=None if after in OPEN else now
                )
        except IntegrityError:
            return False
        finally:
            transaction.savepoint_rollback(sid)
        return True

    @pytest.mark.parametrize(
        "change",
        [
            {"duration": timedelta(days=1)}, {"reason": "another"}, {"ticket": "X-1"},
            {"terms": {}}, {"terms_digest": b"0" * 32}, {"is_break_glass": True},
            {"starts_at": "2026-01-01T00:00Z"}, {"requested_at": "2026-01-01T00:00Z"},
            {"pending_until": "2036-01-01T00:00Z"}, {"entitlement_version": 9},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_terms_are_never_changed(self, request_, change):
        with pytest.raises(IntegrityError, match="never changed"):
            Grant.unscoped.filter(pk=request_.pk).update(**change)

    def test_an_end_is_never_put_off(self, active):
        for later_ in (timedelta(seconds=1), timedelta(days=1)):
            with transaction.atomic(), pytest.raises(IntegrityError):
                Grant.unscoped.filter(pk=active.pk).update(ends_at=active.ends_at + later_)
        Grant.unscoped.filter(pk=active.pk).update(ends_at=active.ends_at - timedelta(seconds=1))

    def test_an_activation_is_never_moved(self, active, request_):
        with pytest.raises(IntegrityError):
            Grant.unscoped.filter(pk=active.pk).update(session_id=active.pk)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE access_grantevent SET kind = 'ended'", "DELETE FROM access_grantevent",
            "UPDATE access_approval SET verdict = 'approve'", "DELETE FROM access_approval",
            "DELETE FROM access_grant", "TRUNCATE access_grantevent",
        ],
    )  # fmt: skip
    def test_what_was_written_stays(self, active, statement):
        from django.db import DatabaseError

        with connection.cursor() as cursor, pytest.raises(DatabaseError, match="never changed"):
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(statement)
