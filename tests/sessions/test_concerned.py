"""Changes that are about many: who is judged, when, and what becomes of them."""

from typing import Any

import pytest
from django.db import transaction
from django.test import Client as Browser

from accounts import flows as accounts
from accounts.models import LockTarget, Organisation
from audit.events import Event
from audit.models import AuditEvent
from core import background, clock
from sessions import concerned, tasks
from sessions.models import LoginSession
from tests import cast
from tests.cast import Person

Queue = list[tuple[str, dict[str, str]]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """What a worker was asked for, done right after the commit."""
    queue: Queue = []

    def done_at_once(task: str, **named: str) -> None:
        queue.append((task, named))
        if task == "sessions.tasks.judge_many":
            tasks.judge_many(**named)

    monkeypatch.setattr(background, "hurry", done_at_once)
    return queue


@pytest.fixture
def vault(acme: Organisation) -> Any:
    return accounts.create_role(organisation=acme, name="vault", now=clock.now())


def session_of(who: Person, *, acr: str = "aal2", address: str = "192.0.2.1") -> LoginSession:
    session = cast.sign_in(Browser(), who, acr=acr)
    LoginSession.unscoped.filter(id=session.id).update(outcome="allow", address=address)
    return session


def outcome(session: LoginSession) -> str:
    session.refresh_from_db()
    return session.outcome


def demand(role: Any, acr: str) -> None:
    accounts.update_role(role=role, description="", required_acr=acr, now=clock.now())


@pytest.mark.django_db(transaction=True)
class TestAnEditedRole:
    def test_whoever_holds_it_is_judged_as_soon_as_it_stands(
        self, employee: Person, approver: Person, vault: Any, asked: Queue
    ) -> None:
        accounts.assign_role(user=employee.user, role=vault, now=clock.now())
        holds, does_not = session_of(employee, acr="aal1"), session_of(approver, acr="aal1")

        demand(vault, "aal2")

        assert (outcome(holds), outcome(does_not)) == ("step_up", "allow")

    def test_so_is_whoever_holds_it_by_a_group(
        self, acme: Organisation, employee: Person, vault: Any, asked: Queue
    ) -> None:
        group = accounts.create_group(organisation=acme, name="team", now=clock.now())
        accounts.add_group_member(group=group, user=employee.user, now=clock.now())
        session = session_of(employee, acr="aal1")
        demand(vault, "aal2")
        assert outcome(session) == "allow"

        accounts.give_group_role(group=group, role=vault, now=clock.now())
        assert outcome(session) == "step_up"

        accounts.take_group_role(group=group, role=vault, now=clock.now())
        assert outcome(session) == "allow"

        accounts.give_group_role(group=group, role=vault, now=clock.now())
        demand(vault, "aal1")
        assert outcome(session) == "allow"

    def test_what_is_rolled_back_judges_nobody(
        self, employee: Person, vault: Any, asked: Queue
    ) -> None:
        accounts.assign_role(user=employee.user, role=vault, now=clock.now())
        session = session_of(employee, acr="aal1")

        with transaction.atomic():
            demand(vault, "aal2")
            transaction.set_rollback(True)

        assert (outcome(session), asked) == ("allow", [])

    def test_one_cause_ties_the_edit_to_what_follows(
        self, employee: Person, vault: Any, asked: Queue
    ) -> None:
        accounts.assign_role(user=employee.user, role=vault, now=clock.now())
        session = session_of(employee)
        accounts.deactivate_user(user=employee.user, now=clock.now())
        LoginSession.unscoped.filter(id=session.id).update(ended_at=None)  # nobody had heard of it

        demand(vault, "aal2")

        edit = AuditEvent.objects.get(event=Event.ROLE_UPDATED)
        ends = AuditEvent.objects.filter(event=Event.SESSION_ENDED, session_id=session.id)
        assert ends.latest("at", "id").transaction_id == edit.transaction_id

    def test_without_a_broker_the_edit_stands_and_the_next_use_knows(
        self, client: Any, employee: Person, vault: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise OSError("no broker")

        monkeypatch.setattr("core.background.current_app.send_task", broken)
        accounts.assign_role(user=employee.user, role=vault, now=clock.now())
        session = session_of(employee, acr="aal1")

        demand(vault, "aal2")

        vault.refresh_from_db()
        assert (vault.required_acr, outcome(session)) == ("aal2", "allow")


@pytest.mark.django_db(transaction=True)
class TestLocks:
    def test_of_a_role_are_about_whoever_holds_it(
        self, acme: Organisation, employee: Person, vault: Any, asked: Queue
    ) -> None:
        demand(vault, "aal2")
        accounts.assign_role(user=employee.user, role=vault, now=clock.now())
        session = session_of(employee, acr="aal1")
        LoginSession.unscoped.filter(id=session.id).update(outcome="step_up")

        lock(acme, LockTarget.ROLE, str(vault.pk))

        assert outcome(session) == "allow"  # a locked role demands nothing either

    def test_of_a_network_are_about_whoever_signed_in_from_it(
        self, acme: Organisation, employee: Person, asked: Queue
    ) -> None:
        inside = session_of(employee, address="198.51.100.7")
        outside = session_of(employee, address="203.0.113.7")

        lock(acme, LockTarget.ADDRESS, "198.51.100.0/24")

        assert (outcome(inside), outcome(outside)) == ("deny", "allow")

    def test_of_another_organisation_are_about_nobody_here(
        self, globex: Organisation, employee: Person, asked: Queue
    ) -> None:
        session = session_of(employee, address="198.51.100.7")

        lock(globex, LockTarget.ADDRESS, "198.51.100.0/24")

        assert outcome(session) == "allow"


@pytest.mark.django_db(transaction=True)
class TestTooManyForOneRound:
    def test_the_rest_is_left_to_another_round_and_nobody_is_judged_twice(
        self, employee: Person, vault: Any, asked: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(concerned, "BATCH", 2)
        monkeypatch.setattr(concerned, "ROUND_SECONDS", -1)
        accounts.assign_role(user=employee.user, role=vault, now=clock.now())
        sessions = [session_of(employee, acr="aal1") for _ in range(5)]
        asked.clear()

        demand(vault, "aal2")

        assert {outcome(session) for session in sessions} == {"step_up"}
        rounds = [named["after"] for task, named in asked if task.endswith("judge_many")]
        assert len(rounds) == len(set(rounds)) == 3


def lock(organisation: Organisation, kind: LockTarget, target: str) -> None:
    accounts.place_lock(
        organisation_id=organisation.pk, target_type=kind, target=target, reason="test",
        now=clock.now(),
    )  # fmt: skip
