"""Workloads: who answers for them, what they may ask for, and what ends it."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from access import flows
from access.models import Eligibility, Grant, State, Workload, WorkloadRole
from access.workloads import OnBehalf, answers_for
from accounts import flows as accounts
from accounts.models import LockTarget, User
from audit.events import Event
from audit.models import AuditEvent
from core import clock
from core.errors import Refusal
from idp import flows as idp
from idp.clients.workloads import find_workload, make_workload
from tests import cast
from tests.support import access
from tests.support.racing import race

pytestmark = pytest.mark.django_db


@pytest.fixture
def client_(acme):
    return access.machine(acme)


@pytest.fixture
def entitlement(acme, approver):
    """The approver answers; nothing asks for a person."""
    return access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)


@pytest.fixture
def workload(client_, employee, entitlement) -> Workload:
    """The employee answers for it."""
    return access.workload(client_, employee, entitlement)


@pytest.fixture
def asked(entitlement, workload) -> Grant:
    return access.ask_by_itself(entitlement, workload, reason="the nightly run")


@pytest.fixture
def scheduled(asked, approver) -> Grant:
    return access.approve(asked, approver)


@pytest.fixture
def active(scheduled, workload) -> Grant:
    return access.begin_by_itself(scheduled, workload)


class TestAppointing:
    def test_somebody_answers_for_an_application(self, client_, employee, approver):
        made = make_workload(
            client=client_, responsible=employee.user, now=clock.now(), actor=approver.user
        )
        assert (made.pk, made.name, made.responsible) == (client_.pk, "nightly", employee.user)
        written = AuditEvent.objects.get(event=Event.WORKLOAD_APPOINTED)
        assert written.subject == f"idp.Client:{client_.pk}"
        assert written.facts["responsible"] == str(employee.user.pk)

    def test_only_for_one_that_acts_for_itself(self, acme_web, acme_spa, employee):
        for each in (acme_web, acme_spa):
            with pytest.raises(Refusal, match="never acts for itself"):
                make_workload(client=each, responsible=employee.user, now=clock.now())

    def test_not_for_one_that_is_switched_off(self, client_, employee):
        idp.deactivate_client(client=client_, now=clock.now())
        client_.refresh_from_db()
        with pytest.raises(Refusal, match="switched off"):
            make_workload(client=client_, responsible=employee.user, now=clock.now())

    def test_nobody_is_guessed(self, client_):
        with pytest.raises(Refusal, match="who is responsible"):
            make_workload(client=client_, responsible=None, now=clock.now())

    def test_only_administrators_appoint(self, client_, employee):
        with pytest.raises(Refusal) as refused:
            make_workload(
                client=client_, responsible=employee.user, now=clock.now(), actor=employee.user
            )
        assert refused.value.code == "not_allowed"

    def test_not_across_organisations(self, client_, globex):
        theirs = cast.person("gus@globex.example", globex)
        with pytest.raises(Refusal) as refused:
            make_workload(client=client_, responsible=theirs.user, now=clock.now())
        assert refused.value.code == "not_found"

    def test_the_database_knows_no_workload_without_a_client(self, acme, employee, globex):
        theirs = access.machine(globex, "theirs")
        for client_id in (theirs.pk, employee.user.pk):
            with pytest.raises(IntegrityError), transaction.atomic():
                Workload.objects.create(
                    id=client_id, organisation=acme, name="x", responsible=employee.user
                )
                connection.check_constraints()

    def test_another_takes_over_and_what_was_had_ends(self, active, client_, newcomer):
        make_workload(client=client_, responsible=newcomer.user, now=clock.now())
        found = find_workload(client_)
        assert found is not None
        assert found.responsible == newcomer.user
        assert access.fresh(active).end_cause == "responsible_changed"


class TestEligibility:
    UNFIT = (
        {"binds_session": True, "binds_device": False},
        {"binds_session": False, "binds_device": True},
        {"required_acr": "aal2", **access.FOR_WORKLOADS},
        {"max_age": timedelta(minutes=5), **access.FOR_WORKLOADS},
        {"required_tier": 1, **access.FOR_WORKLOADS},
    )

    @pytest.mark.parametrize("terms", UNFIT, ids=lambda terms: next(iter(terms)))
    def test_what_asks_for_a_person_refuses_a_workload(self, acme, client_, employee, terms):
        made = access.entitlement(acme, name="x", **terms)
        with pytest.raises(Refusal, match="This is for people, not for applications") as refused:
            access.workload(client_, employee, made)
        assert refused.value.code == "not_allowed"
        assert not Eligibility.objects.within(acme).exists()

    @pytest.mark.parametrize("demand", [{"required_acr": "aal2"}, {"required_tier": 1}], ids=str)
    def test_so_does_a_role_that_only_people_can_hold(self, acme, client_, employee, demand):
        role = access.role(acme, "x", **demand)
        made = access.entitlement(acme, name="x", roles=[role], **access.FOR_WORKLOADS)
        with pytest.raises(Refusal, match="a role that is for people"):
            access.workload(client_, employee, made)

    def test_an_end_of_it_takes_what_is_had(self, active, entitlement):
        line = Eligibility.objects.within_id(entitlement.organisation_id).get()
        assert flows.end_eligibility(eligibility=line, now=clock.now())
        assert access.fresh(active).end_cause == "eligibility_ended"
        assert not WorkloadRole.unscoped.filter(ended_at=None).exists()

    def test_a_grant_never_outlives_it(self, acme, approver, client_, employee):
        made = access.entitlement(acme, name="dated", **access.FOR_WORKLOADS)
        workload = access.workload(client_, employee)
        ends_at = clock.now() + timedelta(minutes=10)
        flows.add_eligibility(entitlement=made, workload=workload, ends_at=ends_at, now=clock.now())
        grant = access.begin_by_itself(access.ask_by_itself(made, workload), workload)
        assert grant.ends_at == ends_at

    def test_that_of_who_answers_for_it_is_another(self, entitlement, client_, employee, session):
        """Neither asks by the other's."""
        workload = access.workload(client_, employee, entitlement)
        with pytest.raises(Refusal, match="eligible"):
            access.ask(entitlement, employee, session)
        flows.end_eligibility(eligibility=workload.eligibilities.get(), now=clock.now())
        flows.add_eligibility(entitlement=entitlement, user=employee.user, now=clock.now())
        with pytest.raises(Refusal, match="eligible"):
            access.ask_by_itself(entitlement, workload)


class TestAsking:
    def test_it_asks_by_itself(self, asked, client_, employee):
        assert (asked.state, asked.requester) == (State.APPROVAL_AWAITED, employee.user)
        assert asked.workload_id == client_.pk
        assert asked.terms["workload"] == {
            "id": str(client_.pk), "name": "nightly", "title": "Nightly", "asks_by_itself": True,
            "responsible": employee.email,
        }  # fmt: skip
        assert str(asked) == "db-admin for nightly"
        assert asked.requested_address == "192.0.2.7"
        written = AuditEvent.objects.get(event=Event.GRANT_REQUESTED)
        assert written.actor == written.subject == f"idp.Client:{client_.pk}"

    def test_who_answers_for_it_asks(self, entitlement, workload, employee, session):
        grant = access.ask(entitlement, employee, session, behalf=OnBehalf(workload))
        assert grant.terms["workload"]["asks_by_itself"] is False
        assert grant.requested_session_id == session.pk
        written = AuditEvent.objects.get(event=Event.GRANT_REQUESTED)
        assert written.actor == f"accounts.User:{employee.user.pk}"
        assert written.subject == f"idp.Client:{workload.pk}"

    def test_an_administrator_asks(self, entitlement, workload, approver):
        session = access.session_of(approver)
        grant = access.ask(entitlement, approver, session, behalf=OnBehalf(workload))
        assert grant.requester == approver.user

    def test_nobody_else_asks(self, entitlement, workload, newcomer):
        session = access.session_of(newcomer)
        with pytest.raises(Refusal, match="Only who is responsible"):
            access.ask(entitlement, newcomer, session, behalf=OnBehalf(workload))

    def test_once(self, asked, entitlement, workload, employee, session):
        with pytest.raises(Refusal) as refused:
            access.ask(entitlement, employee, session, behalf=OnBehalf(workload))
        assert refused.value.code == "conflict"

    def test_it_is_in_nobodys_way(self, asked, entitlement, employee, session):
        """A workload's request and a person's own are two."""
        flows.add_eligibility(entitlement=entitlement, user=employee.user, now=clock.now())
        assert access.ask(entitlement, employee, session).workload is None

    def test_what_asks_for_a_person_by_now_is_refused(self, acme, entitlement, workload):
        flows.update_entitlement(
            entitlement=entitlement,
            offer=access.offer(acme, binds_session=True, binds_device=False),
            now=clock.now(),
        )
        with pytest.raises(Refusal, match="counts only in the sign-in"):
            access.ask_by_itself(entitlement, workload)

    def test_what_counts_for_some_resources_alone_is_refused(self, acme, workload):
        orders = [{"type": "database", "id": "orders"}]
        made = access.entitlement(acme, name="some", resources=orders, **access.FOR_WORKLOADS)

        with pytest.raises(Refusal, match="counts for some resources alone"):
            flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())

    def test_the_dry_run_leaves_nothing(self, entitlement, workload):
        tried = access.ask_by_itself(entitlement, workload, dry_run=True)
        assert tried.state == State.APPROVAL_AWAITED
        assert not Grant.objects.within_id(workload.organisation_id).exists()

    def test_a_condition_sees_who_asks(self, acme, workload):
        made = access.entitlement(
            acme, name="only", condition='input.requester.workload == "nightly"',
            **access.FOR_WORKLOADS,
        )  # fmt: skip
        flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        assert access.ask_by_itself(made, workload).state == State.SCHEDULED

    def test_no_emergency(self, acme, workload, employee, session):
        """The flow takes none, and the database knows none."""
        made = access.entitlement(
            acme, name="fire", by=[employee], break_glass_duration=access.HOUR,
            **access.FOR_WORKLOADS,
        )  # fmt: skip
        flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        with pytest.raises(Refusal, match="eligible"):
            flows.break_glass(
                entitlement=made, requester=employee.user, session_id=session.pk, reason="fire",
                now=clock.now(),
            )  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            grant = access.ask_by_itself(made, workload)
            row = {
                field.attname: getattr(grant, field.attname)
                for field in Grant._meta.concrete_fields
            } | {"id": None, "is_break_glass": True, "state": State.CANCELLED}
            del row["id"]
            Grant.objects.create(**row | {"ended_at": clock.now()})

    def test_locked_it_asks_for_nothing(self, acme, entitlement, workload):
        accounts.place_lock(
            organisation_id=acme.pk, target_type=LockTarget.CLIENT, target="nightly", reason="x",
            now=clock.now(), actor=None,
        )  # fmt: skip
        with pytest.raises(Refusal, match="locked"):
            access.ask_by_itself(entitlement, workload)


class TestAnswering:
    def test_whoever_is_named_answers(self, scheduled):
        assert scheduled.state == State.SCHEDULED

    def test_not_who_answers_for_it(self, acme, client_, approver):
        made = access.entitlement(acme, name="own", by=[approver], **access.FOR_WORKLOADS)
        workload = access.workload(client_, approver, made)
        grant = access.ask_by_itself(made, workload)
        with pytest.raises(Refusal, match="Nobody answers"):
            access.approve(grant, approver)

    def test_not_another_account_of_theirs(self, acme, client_, approver, employee):
        made = access.entitlement(acme, name="own", by=[approver], **access.FOR_WORKLOADS)
        workload = access.workload(client_, employee, made)
        grant = access.ask_by_itself(made, workload)
        User.unscoped.filter(pk=approver.user.pk).update(person_id=employee.user.person_id)
        approver.user.refresh_from_db()
        with pytest.raises(Refusal, match="Nobody answers"):
            access.approve(grant, approver)

    def test_not_who_asked_for_it(self, acme, workload, approver):
        made = access.entitlement(acme, name="asked", by=[approver], **access.FOR_WORKLOADS)
        flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        session = access.session_of(approver)
        grant = access.ask(made, approver, session, behalf=OnBehalf(workload))
        with pytest.raises(Refusal, match="Nobody answers"):
            access.approve(grant, approver, session)

    def test_not_who_has_had_its_keys(self, asked, client_, approver):
        idp.rotate_client_secret(client=client_, now=clock.now(), actor=approver.user)
        with pytest.raises(Refusal, match="an application of theirs"):
            access.approve(asked, approver)

    def test_a_change_of_its_name_is_no_key(self, asked, client_, approver, workload):
        idp.update_client(client=client_, now=clock.now(), actor=approver.user, name="Nightly run")
        assert not answers_for(approver.user, workload)
        workload.refresh_from_db()
        assert workload.title == "Nightly run"
        assert access.approve(asked, approver).state == State.SCHEDULED

    def test_the_database_takes_no_answer_of_theirs(self, asked, employee, workload):
        """Whoever is responsible is no longer the requester where an administrator asked."""
        from access.models import Approval

        administrator = cast.person("ada@acme.example", employee.user.organisation, is_staff=True)
        flows.cancel_grant(
            grant=asked, requester=workload.responsible, now=clock.now(),
            behalf=access.by_itself(workload),
        )  # fmt: skip
        grant = access.ask(
            asked.entitlement, administrator, access.session_of(administrator),
            behalf=OnBehalf(workload),
        )  # fmt: skip
        with pytest.raises(IntegrityError, match="their own workload"), transaction.atomic():
            Approval.objects.create(
                organisation_id=grant.organisation_id, grant=grant, requester=grant.requester,
                requester_person=grant.requester.person_id, approver=employee.user,
                approver_person=employee.user.person_id, stage=0, verdict="approve",
                reviewer={}, terms_digest=grant.terms_digest, at=clock.now(),
            )  # fmt: skip


class TestBeginning:
    def test_it_begins_by_itself(self, active, workload):
        assert active.state == State.ACTIVE
        assert (active.session_id, active.device_id) == (None, None)
        assert active.ends_at == active.activated_at + access.HOUR
        row = WorkloadRole.unscoped.get(grant=active)
        assert (row.workload_id, row.ends_at, row.address) == (workload.pk, active.ends_at, None)

    def test_twice_is_once(self, active, workload):
        assert access.begin_by_itself(active, workload).pk == active.pk
        assert WorkloadRole.unscoped.filter(grant=active).count() == 1

    def test_who_answers_for_it_begins(self, scheduled, employee, session):
        assert access.activate(scheduled, employee, session).state == State.ACTIVE
        assert access.fresh(scheduled).session_id is None

    def test_nobody_elses(self, scheduled, acme, newcomer, approver):
        other = access.workload(access.machine(acme, "other"), newcomer)
        with pytest.raises(Refusal) as refused:
            access.begin_by_itself(scheduled, other)
        assert refused.value.code == "not_found"
        for person in (newcomer, approver):
            with pytest.raises(Refusal) as refused:
                access.activate(scheduled, person, access.session_of(person))
            assert refused.value.code == "not_found"

    def test_bound_to_its_address(self, acme, workload, employee, session):
        made = access.entitlement(acme, name="net", binds_network=True, **access.FOR_WORKLOADS)
        flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        grant = access.ask_by_itself(made, workload)
        with pytest.raises(Refusal, match="the application has to begin"):
            access.activate(grant, employee, session)
        access.begin_by_itself(grant, workload, "192.0.2.8")
        assert WorkloadRole.unscoped.get(grant=grant).address == "192.0.2.8"

    def test_edited_to_be_for_people_it_does_not_begin(self, acme, scheduled, workload, approver):
        flows.update_entitlement(
            entitlement=scheduled.entitlement,
            offer=access.offer(acme, by=[approver], required_acr="aal1", **access.FOR_WORKLOADS),
            now=clock.now(),
        )
        with pytest.raises(Refusal, match="for people"):
            access.begin_by_itself(scheduled, workload)

    def test_it_gives_back_and_withdraws(self, active, workload, entitlement):
        behalf = access.by_itself(workload)
        assert flows.drop_grant(
            grant=active, requester=workload.responsible, behalf=behalf, now=clock.now()
        )
        again = access.ask_by_itself(entitlement, workload)
        assert flows.cancel_grant(
            grant=again, requester=workload.responsible, behalf=behalf, now=clock.now()
        )
        assert access.kinds(again) == ["requested", "cancelled"]

    def test_an_extension_takes_its_place(self, active, workload, approver):
        longer = flows.extend_grant(
            grant=active, requester=workload.responsible, session_id=None,
            behalf=access.by_itself(workload), now=clock.now(),
        )  # fmt: skip
        assert longer.state == State.APPROVAL_AWAITED
        access.begin_by_itself(access.approve(longer, approver), workload)
        assert access.fresh(active).end_cause == "extended"
        assert WorkloadRole.unscoped.get(ended_at=None).grant_id == longer.pk

    def test_an_approval_is_used_again_by_the_same_workload(self, acme, approver, workload):
        made = access.entitlement(
            acme, name="again", by=[approver], approval_window=access.HOUR, **access.FOR_WORKLOADS
        )
        flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        first = access.approve(access.ask_by_itself(made, workload), approver)
        access.begin_by_itself(first, workload)
        flows.drop_grant(
            grant=first, requester=workload.responsible, behalf=access.by_itself(workload),
            now=clock.now(),
        )  # fmt: skip
        assert access.ask_by_itself(made, workload).reused_from == first


class TestEnding:
    def test_time_ends_it(self, active, later):
        later(minutes=61)
        assert flows.expire_due(now=clock.now()) == 1
        assert access.fresh(active).state == State.ENDED

    def test_revoked(self, active, approver):
        assert flows.revoke_grant(grant=active, actor=approver.user, reason="x", now=clock.now())
        assert WorkloadRole.unscoped.get(grant=active).ended_at is not None

    def test_suspended_and_resumed(self, active, approver):
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        assert WorkloadRole.unscoped.get(grant=active).suspended_at is not None
        flows.resume_grant(grant=active, actor=approver.user, now=clock.now())
        assert WorkloadRole.unscoped.get(grant=active).suspended_at is None

    def test_nobody_resumes_what_they_answer_for(self, active, workload, employee, approver):
        flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        User.unscoped.filter(pk=employee.user.pk).update(is_staff=True)
        with pytest.raises(Refusal, match="their own"):
            flows.resume_grant(grant=active, actor=employee.user, now=clock.now())

    def test_switched_off_it_loses_all(self, active, client_, acme, workload):
        made = access.entitlement(acme, name="waits", **access.FOR_WORKLOADS)
        flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        waits = access.ask_by_itself(made, workload)
        idp.deactivate_client(client=client_, now=clock.now())
        assert access.fresh(active).end_cause == "workload_gone"
        assert access.fresh(waits).end_cause == "workload_gone"

    def test_who_answers_for_it_is_gone(self, active, employee):
        accounts.deactivate_user(user=employee.user, now=clock.now())
        assert access.fresh(active).end_cause == "requester_gone"

    def test_an_approver_who_takes_its_keys(self, active, client_, approver):
        """Whoever said yes cannot then become who is meant by it."""
        idp.rotate_client_secret(client=client_, now=clock.now(), actor=approver.user)
        assert access.fresh(active).end_cause == "approved_by_the_requester"

    def test_made_for_people_meanwhile(self, acme, active, approver):
        flows.update_entitlement(
            entitlement=active.entitlement,
            offer=access.offer(acme, by=[approver], binds_session=True, binds_device=False),
            now=clock.now(),
        )
        assert access.fresh(active).end_cause == "for_people_by_now"

    @pytest.mark.parametrize("kind", ["client", "responsible", "grant", "approver"])
    def test_a_lock_suspends_it(self, acme, active, kind, employee, approver):
        targets = {
            "client": (LockTarget.CLIENT, "nightly"),
            "responsible": (LockTarget.USER, str(employee.user.pk)),
            "grant": (LockTarget.GRANT, str(active.pk)),
            "approver": (LockTarget.USER, str(approver.user.pk)),
        }
        target_type, target = targets[kind]
        lock = accounts.place_lock(
            organisation_id=acme.pk, target_type=target_type, target=target, reason="x",
            now=clock.now(), actor=None,
        )  # fmt: skip
        assert access.fresh(active).state == State.SUSPENDED
        accounts.lift_lock(lock=lock, now=clock.now(), actor=None)
        assert access.fresh(active).state == State.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_two_beginnings_are_one(acme, approver, employee):
    client_ = access.machine(acme)
    made = access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)
    workload = access.workload(client_, employee, made)
    grant = access.approve(access.ask_by_itself(made, workload), approver)

    outcomes = race(lambda _: access.begin_by_itself(grant, workload).state, runners=4)

    assert outcomes == [State.ACTIVE] * 4
    assert WorkloadRole.unscoped.filter(grant=grant).count() == 1
    assert access.kinds(grant).count("activated") == 1
