"""What grants give to workloads: in their tokens, at introspection, as subjects of AuthZEN."""

from datetime import timedelta

import pytest
from django.db.models.signals import post_save

from access import flows as access_flows
from access import receivers
from accounts import flows
from accounts.models import LockTarget, RoleAssignment
from audit.models import AuditEvent
from core import clock
from idp import flows as idp
from idp.clients.roles import give_role
from tests.support import access, authzen, oauth
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db
HERE, THERE = "203.0.113.7", "203.0.113.8"


@pytest.fixture
def no_receivers():
    """Nothing is written down of what happens: each use has to see it by itself."""
    post_save.disconnect(receivers.follow_audit, sender=AuditEvent)
    yield
    post_save.connect(receivers.follow_audit, sender=AuditEvent)


@pytest.fixture
def machine(acme):
    return access.machine(acme)


@pytest.fixture
def entitlement(acme, approver):
    made = access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)
    flows.give_permission(
        role=access.role(acme, "db-admin"), resource_type="db", action="*", now=clock.now()
    )
    return made


@pytest.fixture
def workload(machine, employee, entitlement):
    return access.workload(machine, employee, entitlement)


@pytest.fixture
def active(entitlement, workload, approver):
    grant = access.approve(access.ask_by_itself(entitlement, workload), approver)
    return access.begin_by_itself(grant, workload)


def take(client, address: str = HERE, **form) -> str:
    form = {"grant_type": "client_credentials", "scope": "roles"} | form
    reply = oauth.token(client, form, REMOTE_ADDR=address)
    assert reply.status == 200, reply.body
    return reply.json["access_token"]


def claims_of(client, address: str = HERE) -> dict:
    return oauth.claims_of(take(client, address))


def told(by, token: str) -> dict:
    return oauth.send(
        "POST", "/oauth/introspect", form={"token": token}, authorization=oauth.basic(by.client_id)
    ).json


def lock(acme, target_type: LockTarget, target: str) -> None:
    flows.place_lock(
        organisation_id=acme.pk, target_type=target_type, target=target, reason="x",
        now=clock.now(), actor=None,
    )  # fmt: skip


class TestTokens:
    def test_they_carry_the_role_the_grant_and_its_end(self, machine, active):
        claims = claims_of(machine)
        assert claims["roles"] == ["db-admin"]
        assert claims["grant_id"] == str(active.pk)
        assert claims["grant_exp"] == int(active.ends_at.timestamp())

    def test_not_before_it_has_begun(self, machine, entitlement, workload, approver):
        access.approve(access.ask_by_itself(entitlement, workload), approver)
        claims = claims_of(machine)
        assert claims["roles"] == []
        assert "grant_id" not in claims

    def test_no_token_outlives_its_grant(self, machine, active, later):
        later(minutes=58)
        assert claims_of(machine)["exp"] == int(active.ends_at.timestamp())
        later(minutes=2)
        assert claims_of(machine)["roles"] == []

    def test_what_is_held_anyway_is_not_elevated(self, acme, machine, active):
        give_role(client=machine, role=access.role(acme, "db-admin"), now=clock.now())
        claims = claims_of(machine)
        assert claims["roles"] == ["db-admin"]
        assert "grant_id" not in claims

    def test_a_token_without_roles_names_no_grant(self, machine, active):
        claims = oauth.claims_of(take(machine, scope="access:request"))
        assert "grant_id" not in claims
        assert "roles" not in claims

    def test_bound_to_an_address(self, acme, machine, workload):
        made = access.entitlement(acme, name="net", binds_network=True, **access.FOR_WORKLOADS)
        access_flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        grant = access.ask_by_itself(made, workload, HERE)
        access.begin_by_itself(grant, workload, HERE)
        assert claims_of(machine)["roles"] == ["db-admin"]
        assert claims_of(machine, THERE)["roles"] == []

    def test_in_one_statement(self, machine, active, statements):
        claims_of(machine)
        statements.clear()
        claims_of(machine)
        assert len(statements) == 1


class TestIntrospection:
    @pytest.fixture
    def token(self, machine, active) -> str:
        return take(machine)

    @pytest.fixture
    def good(self, token, acme_web):
        def ask() -> bool:
            answer = told(acme_web, token)
            assert answer["active"] is False or answer["roles"] == ["db-admin"]
            return answer["active"]

        assert ask()
        return ask

    def test_revoked(self, good, active, approver):
        access_flows.revoke_grant(grant=active, actor=approver.user, reason="x", now=clock.now())
        assert not good()

    def test_given_back(self, good, active, workload):
        access_flows.drop_grant(
            grant=active, requester=workload.responsible, behalf=access.by_itself(workload),
            now=clock.now(),
        )  # fmt: skip
        assert not good()

    def test_suspended_and_resumed(self, good, active, approver):
        access_flows.suspend_grant(grant=active, actor=approver.user, now=clock.now())
        assert not good()
        access_flows.resume_grant(grant=active, actor=approver.user, now=clock.now())
        assert good()

    @pytest.mark.parametrize("kind", ["grant", "client", "responsible", "approver", "role"])
    def test_locked_though_nobody_noted_it(
        self, good, acme, active, kind, employee, approver, no_receivers
    ):
        target_type, target = {
            "grant": (LockTarget.GRANT, str(active.pk)),
            "client": (LockTarget.CLIENT, "nightly"),
            "responsible": (LockTarget.USER, str(employee.user.pk)),
            "approver": (LockTarget.USER, str(approver.user.pk)),
            "role": (LockTarget.ROLE, str(access.role(acme, "db-admin").pk)),
        }[kind]
        lock(acme, target_type, target)
        assert not good()
        assert access.fresh(active).state == "active"

    def test_over_though_nobody_noted_it(self, good, later, active):
        later(minutes=60)
        assert not good()
        assert access.fresh(active).state == "active"

    def test_an_approver_who_is_one_no_more(self, acme, machine, workload, acme_web, no_receivers):
        from access.offers import ApproverLine, StageLine
        from tests import cast

        role = access.role(acme, "lead")
        lead = cast.person("lena@acme.example", acme, totp=True)
        flows.assign_role(user=lead.user, role=role, now=clock.now())
        made = access.entitlement(
            acme, name="led", stages=[StageLine([ApproverLine(role=role)])], **access.FOR_WORKLOADS
        )
        access_flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        grant = access.approve(access.ask_by_itself(made, workload), lead)
        access.begin_by_itself(grant, workload)
        token = take(machine)
        assert told(acme_web, token)["roles"] == ["db-admin"]
        assignment = RoleAssignment.unscoped.get(user=lead.user)
        flows.end_role_assignment(assignment=assignment, now=clock.now())
        assert told(acme_web, token) == {"active": False}

    def test_what_was_given_to_an_address_is_told_from_any(self, acme, machine, workload, acme_web):
        """A resource server asks from its own; the token says by which grant it has it."""
        made = access.entitlement(acme, name="net", binds_network=True, **access.FOR_WORKLOADS)
        access_flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        access.begin_by_itself(access.ask_by_itself(made, workload, THERE), workload, THERE)
        assert told(acme_web, take(machine, THERE))["roles"] == ["db-admin"]
        assert told(acme_web, take(machine, HERE))["roles"] == []

    def test_two_grants_of_one_role_are_two(self, acme, machine, workload, active, acme_web):
        token = take(machine)
        made = access.entitlement(
            acme, name="more", max_duration=timedelta(hours=9), **access.FOR_WORKLOADS
        )
        access_flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        access.begin_by_itself(access.ask_by_itself(made, workload), workload)
        assert told(acme_web, token)["roles"] == ["db-admin"]

    def test_by_one_statement(self, good, statements):
        good()
        statements.clear()
        good()
        assert len(statements) == 1


class TestAsSubject:
    @pytest.fixture
    def may(self, acme):
        gateway = authzen.gateway(acme)
        return lambda: Asker(gateway).may("client nightly", "write", "db main")

    def test_it_may_while_it_lasts(self, may, active, later):
        assert may()
        later(minutes=60)
        assert not may()

    def test_revoked(self, may, active, approver):
        access_flows.revoke_grant(grant=active, actor=approver.user, reason="x", now=clock.now())
        assert not may()

    def test_locked(self, may, acme, active, no_receivers):
        lock(acme, LockTarget.GRANT, str(active.pk))
        assert not may()

    def test_switched_off(self, may, machine, active):
        idp.deactivate_client(client=machine, now=clock.now())
        assert not may()

    def test_from_where_it_acts_is_not_known_unless_it_is_said(
        self, may, acme, workload, entitlement
    ):
        made = access.entitlement(acme, name="net", binds_network=True, **access.FOR_WORKLOADS)
        access_flows.add_eligibility(entitlement=made, workload=workload, now=clock.now())
        access.begin_by_itself(access.ask_by_itself(made, workload), workload)
        assert not may()
