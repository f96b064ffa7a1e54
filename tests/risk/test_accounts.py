"""The account as a whole: takeovers, replays, and how long a mark lasts."""

import pytest
from django.db import connection

from audit.events import Event
from audit.models import AuditEvent
from audit.recorder import record, ref
from core import clock
from core.ids import new_id
from core.prepared import Cursor
from risk.flows import assess_login, clear_user_risk, raise_user_risk
from risk.levels import RiskLevel
from risk.models import UserRisk
from risk.replays import note_replay
from risk.signals import user_risk_changed
from tests.cast import Person
from tests.risk.conftest import attempt

pytestmark = pytest.mark.django_db
TAKEOVER = (Event.EMAIL_CHANGED, Event.PASSWORD_CHANGED, Event.FACTOR_REMOVED)


def risk_of(who: Person) -> UserRisk | None:
    return UserRisk.unscoped.filter(user_id=who.user.pk, ends_at__gt=clock.now()).first()


def change(who: Person, event: Event, *, actor=None) -> None:
    record(
        event,
        organisation_id=who.user.organisation_id,
        actor=actor or who.user,
        subject=who.user,
        now=clock.now(),
    )


def mark(who: Person, level=RiskLevel.HIGH, reason="takeover") -> UserRisk:
    return raise_user_risk(
        user_id=who.user.pk, organisation_id=who.user.organisation_id, level=level, reason=reason,
        now=clock.now(),
    )  # fmt: skip


class TestTakeover:
    def test_address_password_and_factor_one_after_the_other_are_high(self, employee, later):
        levels = []
        for event in TAKEOVER:
            later(minutes=5)
            change(employee, event)
            risk = risk_of(employee)
            levels.append(risk and risk.level)

        assert levels == [None, RiskLevel.MEDIUM, RiskLevel.HIGH]
        assert risk_of(employee).reasons == ["takeover"]

    def test_within_one_instant_they_count_in_the_order_of_their_making(self, employee):
        """However the database happens to hand the rows out."""
        now, who = clock.now(), employee.user
        made = [
            AuditEvent(
                at=now, event=event, organisation_id=who.organisation_id, actor=ref(who),
                subject=ref(who), transaction_id=new_id(),
            )
            for event in TAKEOVER
        ]  # fmt: skip
        AuditEvent.objects.bulk_create(reversed(made[:2]))

        made[2].save(force_insert=True)

        risk = risk_of(employee)
        assert risk is not None
        assert risk.level == RiskLevel.HIGH

    def test_over_several_days_they_are_nothing(self, employee, later):
        for event in TAKEOVER:
            later(hours=25)
            change(employee, event)

        assert risk_of(employee) is None

    def test_one_change_alone_is_nothing(self, employee):
        change(employee, Event.PASSWORD_CHANGED)

        assert risk_of(employee) is None

    def test_an_administrator_who_helps_takes_nothing_over(self, employee, approver, later):
        for event in TAKEOVER:
            later(minutes=5)
            change(employee, event, actor=approver.user)

        assert risk_of(employee) is None


class TestMark:
    def test_it_ends_by_itself(self, employee, later):
        mark(employee, RiskLevel.MEDIUM)
        later(days=1)

        assert risk_of(employee) is None

    def test_a_weaker_reason_does_not_lower_it(self, employee):
        mark(employee)
        ends_at = risk_of(employee).ends_at

        risk = mark(employee, RiskLevel.MEDIUM, "token_replay")

        assert (risk.level, risk.reasons) == (RiskLevel.HIGH, ["token_replay", "takeover"])
        assert risk.ends_at == ends_at

    def test_what_has_ended_does_not_come_back_with_the_next(self, employee, later):
        mark(employee)
        later(days=8)

        risk = mark(employee, RiskLevel.MEDIUM, "token_replay")

        assert (risk.level, risk.reasons) == (RiskLevel.MEDIUM, ["token_replay"])

    def test_clearing_is_written_down_and_happens_once(self, employee):
        mark(employee)
        ended = [
            clear_user_risk(
                user_id=employee.user.pk, organisation_id=employee.user.organisation_id,
                cause="administrator", actor="accounts.User:x", now=clock.now(),
            )
            for _ in range(2)
        ]  # fmt: skip

        assert ended == [True, False]
        assert AuditEvent.objects.filter(event=Event.USER_RISK_CLEARED).count() == 1

    def test_apps_above_are_told_of_changes_only(
        self, employee, django_capture_on_commit_callbacks
    ):
        heard = []

        def hear(sender, level, previous, **_):
            heard.append((previous, level))

        user_risk_changed.connect(hear)
        with django_capture_on_commit_callbacks(execute=True):
            mark(employee, RiskLevel.MEDIUM)
            mark(employee, RiskLevel.MEDIUM)
            mark(employee)
        user_risk_changed.disconnect(hear)

        assert heard == [
            (RiskLevel.NONE, RiskLevel.MEDIUM),
            (RiskLevel.MEDIUM, RiskLevel.HIGH),
        ]


class TestReplay:
    def note(self, who):
        connection.ensure_connection()
        note_replay(
            Cursor(connection.connection),
            user_id=who.user.pk,
            organisation_id=who.user.organisation_id,
            now=clock.now(),
        )

    def test_it_raises_to_medium(self, employee):
        self.note(employee)

        risk = risk_of(employee)
        assert (risk.level, risk.reasons) == (RiskLevel.MEDIUM, ["token_replay"])
        assert (
            AuditEvent.objects.get(event=Event.USER_RISK_RAISED).facts["reason"] == "token_replay"
        )

    def test_it_does_not_lower_what_is_higher(self, employee):
        mark(employee)

        for _ in range(2):
            self.note(employee)

        risk = risk_of(employee)
        assert (risk.level, risk.reasons) == (RiskLevel.HIGH, ["token_replay", "takeover"])

    def test_it_counts_at_the_next_sign_in(self, employee, at_home, later):
        at_home(employee)
        before = assess_login(attempt(employee), now=clock.now()).log_odds
        self.note(employee)

        after = assess_login(attempt(employee), now=clock.now())

        assert after.log_odds > before + 1.5
        assert "token_replay" in [code for code, _ in after.reasons]
