"""A151: what a grant gave to an application is in nothing that we say, from its end on.

Nothing is written down here of what happens: the end, the suspension, the locks and the rights of
those who approved are compared at every use.
"""

from collections.abc import Iterator

import pytest
from django.db.models.signals import post_save

from access import flows, receivers
from accounts import flows as accounts
from accounts.models import LockTarget, User
from audit.models import AuditEvent
from core import clock
from tests.support import access, authzen, oauth
from tests.support.authzen import Asker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_hears() -> Iterator[None]:
    post_save.disconnect(receivers.follow_audit, sender=AuditEvent)
    yield
    post_save.connect(receivers.follow_audit, sender=AuditEvent)


@pytest.fixture
def machine(acme):
    return access.machine(acme)


@pytest.fixture
def workload(machine, employee):
    return access.workload(machine, employee)


@pytest.fixture
def grant(acme, approver, workload):
    offered = access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)
    accounts.give_permission(
        role=access.role(acme, "db-admin"), resource_type="db", action="*", now=clock.now()
    )
    flows.add_eligibility(entitlement=offered, workload=workload, now=clock.now())
    asked = access.approve(access.ask_by_itself(offered, workload), approver)
    return access.begin_by_itself(asked, workload)


def take(machine) -> str:
    return authzen.token_of(machine, scope="roles")


@pytest.fixture
def counts(acme, acme_web, machine, grant):
    """Whether the roles are in a token that was taken before, in a new one, and in a decision."""
    token, gateway = take(machine), authzen.gateway(acme)

    def asked() -> set[bool]:
        told = oauth.send(
            "POST", "/oauth/introspect", form={"token": token},
            authorization=oauth.basic(acme_web.client_id),
        ).json  # fmt: skip
        fresh = oauth.token(machine, {"grant_type": "client_credentials", "scope": "roles"})
        is_in_a_new_one = fresh.status == 200 and bool(
            oauth.claims_of(fresh.json["access_token"])["roles"]
        )
        return {
            bool(told.get("roles")),
            is_in_a_new_one,
            Asker(gateway).may("client nightly", "write", "db main"),
        }

    assert asked() == {True}
    return asked


def place_lock(acme, target_type: LockTarget, target: str) -> None:
    accounts.place_lock(
        organisation_id=acme.pk, target_type=target_type, target=target, reason="x",
        now=clock.now(), actor=None,
    )  # fmt: skip


def test_no_token_outlives_it(machine, grant, later):
    later(minutes=50)
    claims = oauth.claims_of(take(machine))
    assert claims["exp"] == claims["grant_exp"] == int(grant.ends_at.timestamp())


def test_at_its_end(counts, later):
    later(minutes=58)
    assert True in counts()
    later(minutes=2)
    assert counts() == {False}


def test_revoked(counts, grant, approver):
    flows.revoke_grant(grant=grant, actor=approver.user, reason="x", now=clock.now())
    assert counts() == {False}


def test_given_back(counts, grant, workload):
    flows.drop_grant(
        grant=grant, requester=workload.responsible, behalf=access.by_itself(workload),
        now=clock.now(),
    )  # fmt: skip
    assert counts() == {False}


def test_suspended(counts, grant, approver):
    flows.suspend_grant(grant=grant, actor=approver.user, now=clock.now())
    assert counts() == {False}


def test_locked(counts, acme, grant):
    place_lock(acme, LockTarget.GRANT, str(grant.pk))
    assert counts() == {False}


def test_the_application_locked(counts, acme):
    place_lock(acme, LockTarget.CLIENT, "nightly")
    assert counts() == {False}


def test_who_answers_for_it_is_locked_or_gone(counts, acme, employee):
    place_lock(acme, LockTarget.USER, str(employee.user.pk))
    assert counts() == {False}
    accounts.lift_lock(
        lock=accounts.find_lock(
            organisation_id=acme.pk, targets={LockTarget.USER: str(employee.user.pk)},
            now=clock.now(),
        ),
        now=clock.now(), actor=None,
    )  # fmt: skip
    assert counts() == {True}
    User.unscoped.filter(pk=employee.user.pk).update(is_active=False)
    assert counts() == {False}


def test_who_approved_is_gone(counts, approver):
    User.unscoped.filter(pk=approver.user.pk).update(is_active=False)
    assert counts() == {False}
