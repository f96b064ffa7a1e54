"""The one gate: facts, policy, decision, audit."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress

from accounts.models import Organisation, Role, RoleAssignment, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.assurance import Level
from core.ids import new_id
from policy.decision import Outcome
from policy.facts import Trigger
from sessions.evaluation import Resource, end_reason, evaluate, facts_of, judge
from sessions.models import EndReason, LoginSession
from tests import cast

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECOND, MOMENT = timedelta(seconds=1), timedelta(microseconds=1)


@pytest.fixture
def session(client, employee) -> LoginSession:
    return cast.sign_in(client, employee)


def ask(session, *, trigger=Trigger.REQUEST, **how):
    return evaluate(session_id=session.id, trigger=trigger, now=clock.now(), **how)


def row(**changes):
    """Facts of a good session, as the statement collects them."""
    good = {
        "user_is": [True, True, True, True], "session_is_ended": False, "last_used_at": AT,
        "session_expires_at": AT + timedelta(days=7), "acr": "aal2", "amr": ["pwd", "otp"],
        "auth_time": AT, "now": AT, "held_roles": [],
        "session_started_at": AT, "binding": "", "proven_at": None, "risk_level": 0,
        "user_risk": None,
        "user_id": None, "device": None,
        "address_has_changed": False, "locks": [], "policy_revision": "",
    }  # fmt: skip
    return good | changes


class TestTheEnds:
    IDLE = timedelta(hours=24)

    @pytest.mark.parametrize(
        ("unused_for", "outcome"),
        [
            (IDLE - SECOND, Outcome.ALLOW),
            (IDLE - MOMENT, Outcome.ALLOW),
            (IDLE, Outcome.REVOKE),
            (IDLE + MOMENT, Outcome.REVOKE),
        ],
    )
    def test_idleness_ends_it_to_the_moment(self, unused_for, outcome):
        decision = judge(row(last_used_at=AT - unused_for), trigger=Trigger.REQUEST)

        assert decision.outcome is outcome
        assert decision.reasons == (("session_idle",) if outcome is Outcome.REVOKE else ())

    @pytest.mark.parametrize(
        ("left", "outcome"),
        [(SECOND, Outcome.ALLOW), (MOMENT, Outcome.ALLOW), (timedelta(), Outcome.REVOKE),
         (-MOMENT, Outcome.REVOKE)],
    )  # fmt: skip
    def test_so_does_its_longest_lifetime(self, left, outcome):
        decision = judge(row(session_expires_at=AT + left), trigger=Trigger.REFRESH)

        assert decision.outcome is outcome
        assert decision.reasons == (("session_expired",) if outcome is Outcome.REVOKE else ())

    def test_a_page_and_the_gate_agree(self, session):
        for moment in (session.ends_at() - MOMENT, session.ends_at()):
            by_row = row(
                last_used_at=session.last_used_at, session_expires_at=session.expires_at, now=moment
            )
            allowed = judge(by_row, trigger=Trigger.REQUEST).is_allowed
            listed = LoginSession.unscoped.live(moment).filter(id=session.id).exists()
            assert allowed == session.is_live(moment) == listed == (moment < session.ends_at())


class TestFactsOf:
    def test_durations_are_whole_seconds_and_no_max_age_is_minus_one(self):
        facts = facts_of(
            row(now=AT + timedelta(seconds=90)), Trigger.TOKEN, Resource(required_level=Level.AAL2)
        )

        assert facts.session.authentication_age == 90
        assert facts.session.idle_remaining == 86_400 - 90
        assert facts.session.level == 2
        assert (facts.resource.required_level, facts.resource.max_age) == (2, -1)

    def test_max_age_is_handed_on(self):
        facts = facts_of(row(), Trigger.AUTHORIZE, Resource(max_age=timedelta(minutes=5)))

        assert facts.resource.max_age == 300

    def test_an_unknown_acr_proves_nothing(self):
        assert facts_of(row(acr="gold"), Trigger.TOKEN, Resource()).session.level == 0


class TestEvaluate:
    def test_a_good_session_is_allowed_and_its_verdict_kept(self, session, later):
        later(minutes=2)
        decision = ask(session)

        session.refresh_from_db()
        assert decision.is_allowed
        assert (session.outcome, session.ended_at) == ("allow", None)
        assert clock.now() - session.evaluated_at < timedelta(seconds=10)
        assert not AuditEvent.objects.filter(event=Event.SESSION_DENIED).exists()

    def test_a_session_nobody_knows_is_denied(self):
        decision = evaluate(session_id=new_id(), trigger=Trigger.REQUEST, now=clock.now())

        assert (decision.outcome, decision.reasons) == (Outcome.DENY, ("session_unknown",))

    def test_a_step_up_leaves_the_session_alive(self, client, employee):
        session = cast.sign_in(client, employee, acr="aal1")

        decision = ask(session, resource=Resource(required_level=Level.AAL2))

        session.refresh_from_db()
        assert decision.outcome is Outcome.STEP_UP
        assert decision.required_level is Level.AAL2
        assert (session.outcome, session.ended_at) == ("step_up", None)

    def test_a_role_counts_from_its_start_to_its_end(self, client, acme, employee, later):
        session = cast.sign_in(client, employee, acr="aal1")
        now = clock.now()
        RoleAssignment.objects.create(
            organisation=acme,
            user=employee.user,
            role=Role.objects.create(organisation=acme, name="vault", required_acr="aal2"),
            starts_at=now + timedelta(minutes=10),
            ends_at=now + timedelta(minutes=20),
        )

        outcomes = []
        for _ in range(3):
            outcomes.append(ask(session, trigger=Trigger.TOKEN).outcome)
            later(minutes=10)

        assert outcomes == [Outcome.ALLOW, Outcome.STEP_UP, Outcome.ALLOW]

    def test_a_role_of_a_group_counts_as_well(self, client, acme, employee, now):
        from accounts import flows as accounts

        session = cast.sign_in(client, employee, acr="aal1")
        role = accounts.create_role(organisation=acme, name="vault", required_acr="aal2", now=now)
        group = accounts.create_group(organisation=acme, name="keepers", now=now)
        accounts.give_group_role(group=group, role=role, now=now)
        assert ask(session, trigger=Trigger.TOKEN).is_allowed

        accounts.add_group_member(group=group, user=employee.user, now=now)

        assert ask(session, trigger=Trigger.TOKEN).outcome is Outcome.STEP_UP

    @pytest.mark.parametrize("change", ["unverified", "client"])
    def test_a_denial_is_written_down_with_its_reasons(self, session, employee, change):
        resource = Resource(client_is_active=change != "client")
        if change == "unverified":
            EmailAddress.objects.filter(user=employee.user).update(verified=False)

        decision = ask(session, trigger=Trigger.AUTHORIZE, resource=resource)

        session.refresh_from_db()
        event = AuditEvent.objects.get(event=Event.SESSION_DENIED)
        assert (decision.outcome, session.outcome, session.ended_at) == (Outcome.DENY, "deny", None)
        assert event.session_id == session.id
        assert event.organisation_id == session.organisation_id
        assert event.facts == {
            "trigger": "authorize",
            "reasons": list(decision.reasons),
            "decision_id": str(decision.decision_id),
            "policy_revision": decision.revision,
        }

    def test_an_address_that_is_not_the_login_name_verifies_nothing(self, session, employee):
        EmailAddress.objects.filter(user=employee.user).update(email="other@acme.example")

        assert ask(session).reasons == ("email_unverified",)

    def test_the_address_is_compared_whatever_its_letters(self, session, employee):
        EmailAddress.objects.filter(user=employee.user).update(email=employee.email.upper())

        assert ask(session).is_allowed

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda s: User.unscoped.update(is_active=False), EndReason.REVOKED),
            (lambda s: Organisation.objects.update(is_active=False), EndReason.REVOKED),
            (
                lambda s: User.unscoped.update(security_stamp=uuid4()),
                EndReason.CREDENTIALS_CHANGED,
            ),
            (
                lambda s: LoginSession.unscoped.update(
                    last_used_at=clock.now() - timedelta(hours=24)
                ),
                EndReason.IDLE,
            ),
            (
                lambda s: LoginSession.unscoped.update(
                    started_at=clock.now() - timedelta(days=7), expires_at=clock.now()
                ),
                EndReason.EXPIRED,
            ),
        ],
        ids=["user", "organisation", "credentials", "idle", "expired"],
    )
    def test_a_revocation_ends_it_once_and_says_why(self, session, change, reason):
        change(session)

        assert ask(session).outcome is Outcome.REVOKE
        assert ask(session).outcome is Outcome.REVOKE

        session.refresh_from_db()
        event = AuditEvent.objects.get(event=Event.SESSION_ENDED)
        assert session.end_reason == reason
        assert session.ended_at is not None
        assert (event.session_id, event.facts["reason"]) == (session.id, reason.value)
        assert event.facts["trigger"] == "request"
        assert event.facts["reasons"]
        assert event.facts["policy_revision"] == session.verdict["policy_revision"]

    def test_an_ended_session_stays_ended_for_its_reason(self, session):
        LoginSession.unscoped.update(ended_at=clock.now(), end_reason=EndReason.SIGNED_OUT)

        assert ask(session).reasons == ("session_ended",)

        session.refresh_from_db()
        assert session.end_reason == EndReason.SIGNED_OUT

    def test_without_policy_nobody_passes(self, session, monkeypatch):
        from policy import engine

        monkeypatch.setattr(engine._Engine, "evaluator", None)

        assert ask(session).outcome is Outcome.DENY
        assert client_is_out(session)

    def test_it_costs_two_statements_where_nothing_changed(
        self, session, django_assert_num_queries
    ):
        with django_assert_num_queries(3):  # savepoint, verdict, release; facts go past Django
            ask(session)


def client_is_out(session) -> bool:
    session.refresh_from_db()
    return session.outcome == "deny"


@pytest.mark.parametrize(
    ("reasons", "reason"),
    [
        (("session_idle",), EndReason.IDLE),
        (("session_expired", "session_idle"), EndReason.EXPIRED),
        (("credentials_changed", "user_inactive"), EndReason.CREDENTIALS_CHANGED),
        (("user_inactive",), EndReason.REVOKED),
        (("something new",), EndReason.REVOKED),
        ((), EndReason.REVOKED),
    ],
)
def test_people_are_told_why_it_ended(reasons, reason):
    assert end_reason(reasons) is reason
