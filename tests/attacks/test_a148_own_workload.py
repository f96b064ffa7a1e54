"""A148: approving what an application of one's own asks for.

By who is responsible for it, by who asked in its name, by another account of theirs, by whoever has
had its secret in hands, or by taking that after the answer.
"""

from collections.abc import Callable
from typing import Any

import pytest

from access import flows
from access.models import State
from access.workloads import OnBehalf
from accounts.models import User
from core import clock
from core.errors import Refusal
from idp import flows as idp
from idp.clients.workloads import make_workload
from tests import cast
from tests.support import access

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(acme, approver):
    return access.entitlement(acme, by=[approver], **access.FOR_WORKLOADS)


@pytest.fixture
def machine(acme):
    return access.machine(acme)


def refused(act: Callable[[], Any]) -> None:
    with pytest.raises(Refusal) as error:
        act()
    assert error.value.code == "not_allowed"


def test_who_is_responsible_approves_nothing_of_it(offered, machine, approver):
    workload = access.workload(machine, approver, offered)
    grant = access.ask_by_itself(offered, workload)
    refused(lambda: access.approve(grant, approver))
    assert access.fresh(grant).state == State.APPROVAL_AWAITED


def test_nor_where_an_administrator_asked(acme, offered, machine, approver):
    workload = access.workload(machine, approver, offered)
    ada = cast.person("ada@acme.example", acme, totp=True, is_staff=True)
    grant = access.ask(offered, ada, access.session_of(ada), behalf=OnBehalf(workload))
    refused(lambda: access.approve(grant, approver))


def test_nor_does_who_asked_in_its_name(offered, machine, employee, approver):
    workload = access.workload(machine, employee, offered)
    session = access.session_of(approver)
    grant = access.ask(offered, approver, session, behalf=OnBehalf(workload))
    refused(lambda: access.approve(grant, approver, session))


def test_nor_another_account_of_who_is_responsible(offered, machine, employee, approver):
    workload = access.workload(machine, employee, offered)
    grant = access.ask_by_itself(offered, workload)
    User.unscoped.filter(pk=approver.user.pk).update(person_id=employee.user.person_id)
    refused(lambda: access.approve(grant, approver))


@pytest.mark.parametrize("by_another_account", [False, True])
def test_nor_whoever_has_had_its_secret(
    acme, offered, machine, employee, approver, by_another_account
):
    workload = access.workload(machine, employee, offered)
    holder = approver
    if by_another_account:
        holder = cast.person("bob2@acme.example", acme, is_staff=True)
        User.unscoped.filter(pk=holder.user.pk).update(person_id=approver.user.person_id)
    idp.rotate_client_secret(client=machine, now=clock.now(), actor=holder.user)
    grant = access.ask_by_itself(offered, workload)
    refused(lambda: access.approve(grant, approver))


def test_nor_who_registered_it(acme, offered, employee, approver):
    machine = idp.register_client(
        organisation=acme, name="Mine", kind="confidential", grant_types=["client_credentials"],
        scopes=["roles"], now=clock.now(), actor=approver.user,
    ).client  # fmt: skip
    workload = access.workload(machine, employee, offered)
    grant = access.ask_by_itself(offered, workload)
    refused(lambda: access.approve(grant, approver))


def test_an_answer_ends_as_who_gave_it_takes_the_secret(offered, machine, employee, approver):
    workload = access.workload(machine, employee, offered)
    grant = access.approve(access.ask_by_itself(offered, workload), approver)
    idp.rotate_client_secret(client=machine, now=clock.now(), actor=approver.user)
    with pytest.raises(Refusal):
        access.begin_by_itself(grant, workload)
    assert access.fresh(grant).state == State.ACTIVATION_FAILED


def test_so_does_what_has_begun(offered, machine, employee, approver):
    workload = access.workload(machine, employee, offered)
    grant = access.approve(access.ask_by_itself(offered, workload), approver)
    access.begin_by_itself(grant, workload)
    idp.rotate_client_secret(client=machine, now=clock.now(), actor=approver.user)
    assert access.fresh(grant).state == State.REVOKED


def test_so_does_what_one_becomes_responsible_for(offered, machine, employee, approver):
    workload = access.workload(machine, employee, offered)
    grant = access.approve(access.ask_by_itself(offered, workload), approver)
    make_workload(client=machine, responsible=approver.user, now=clock.now())
    assert access.fresh(grant).state not in {State.SCHEDULED, State.ACTIVE}


def test_it_waits_in_no_inbox_of_theirs(offered, machine, employee, approver):
    from access.reading import count_inbox

    workload = access.workload(machine, employee, offered)
    access.ask_by_itself(offered, workload)
    assert count_inbox(approver=approver.user, now=clock.now()) == 1
    idp.rotate_client_secret(client=machine, now=clock.now(), actor=approver.user)
    assert count_inbox(approver=approver.user, now=clock.now()) == 0


def test_it_resumes_nothing_of_its_own(acme, offered, machine, employee, approver):
    workload = access.workload(machine, employee, offered)
    grant = access.approve(access.ask_by_itself(offered, workload), approver)
    access.begin_by_itself(grant, workload)
    flows.suspend_grant(grant=grant, actor=approver.user, now=clock.now())
    User.unscoped.filter(pk=employee.user.pk).update(is_staff=True)
    refused(lambda: flows.resume_grant(grant=grant, actor=employee.user, now=clock.now()))
